"""The worked examples of docs/designs say what the code computes; `pytest --write-figures` writes their tables and figures anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.trials.design_examples import EXAMPLES, Example, answered, figure, table
from trials.report.blocks import Figure, ReportModel
from trials.report.render import Charts

PAGES = Path(__file__).resolve().parents[1] / "docs" / "designs"
_TABLE = re.compile(r"\| statistic \| value \|.*?(?=\n\n)", re.DOTALL)


def rounded(svg: str) -> str:
    """To a thousandth: processors, and threads, differ in the last digits of a sum."""
    return re.sub(r"\d+\.\d{4,}", lambda found: f"{float(found[0]):.3f}", svg)


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    """Page → SVG."""
    blocks = [Figure(figure(*answered(example)), "", "") for example in EXAMPLES]
    with Charts() as charts:
        made = charts.draw(ReportModel("en", "", "", [], list(blocks)))
    return {example.page: rounded(svg) for example, (svg, _) in zip(EXAMPLES, made, strict=True)}


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.page for example in EXAMPLES])
def test_the_worked_example_of_a_page_is_what_the_design_answers(
    example: Example, drawn: dict[str, str], request: pytest.FixtureRequest
) -> None:
    page, picture = PAGES / f"{example.page}.md", PAGES / f"{example.page}.svg"
    text, made = page.read_text("utf-8"), table(answered(example)[1])
    if request.config.getoption("--write-figures"):
        page.write_text(_TABLE.sub(lambda _: made, text), "utf-8")
        picture.write_text(drawn[example.page], "utf-8")
        text = page.read_text("utf-8")
    assert _TABLE.findall(text) == [made], "run: pytest tests/test_design_pages.py --write-figures"
    assert f"]({picture.name})" in text
    assert picture.read_text("utf-8") == drawn[example.page], "run: pytest tests/test_design_pages.py --write-figures"
