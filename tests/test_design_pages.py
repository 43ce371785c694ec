"""The worked examples of docs/designs match the code; `pytest --write-figures` writes their tables and
figures again.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.trials.design_examples import SHOWN
from trials.report.blocks import Figure, ReportModel
from trials.report.render import Charts

PAGES = Path(__file__).resolve().parents[1] / "docs" / "designs"
_TABLE = re.compile(r"\| statistic \| value \|.*?(?=\n\n)|\| arm \| planned \|.*?\n\n.*?(?=\n\n)", re.DOTALL)


def rounded(svg: str) -> str:
    """Rounds numbers to a thousandth: processors and threads differ in the last digits of a sum."""
    return re.sub(r"\d+\.\d{4,}", lambda found: f"{float(found[0]):.3f}", svg)


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    """Page → SVG."""
    blocks = [Figure(make()[1], "", "") for make in SHOWN.values()]
    with Charts() as charts:
        made = charts.draw(ReportModel("en", "", "", "", [], list(blocks)))
    return {page: rounded(svg) for page, (svg, _) in zip(SHOWN, made, strict=True)}


@pytest.mark.parametrize("name", SHOWN)
def test_the_worked_example_of_a_page_is_what_the_design_answers(
    name: str, drawn: dict[str, str], request: pytest.FixtureRequest
) -> None:
    page, picture = PAGES / f"{name}.md", PAGES / f"{name}.svg"
    text, made = page.read_text("utf-8"), SHOWN[name]()[0]
    if request.config.getoption("--write-figures"):
        page.write_text(_TABLE.sub(lambda _: made, text), "utf-8")
        picture.write_text(drawn[name], "utf-8")
        text = page.read_text("utf-8")
    assert _TABLE.findall(text) == [made], "run: pytest tests/test_design_pages.py --write-figures"
    assert f"]({picture.name})" in text
    assert picture.read_text("utf-8") == drawn[name], "run: pytest tests/test_design_pages.py --write-figures"
