"""The table of heavy tails in docs/validation.md: its rows, drawn again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proving.coverage.intervals import Measured, replicate, summed
from simulators.worlds.cell import Cell
from simulators.worlds.heavy import heavy_tailed

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
TRIALS = 1000
OF_DESIGN = {
    "reference_collocation": 1,
    "before_after": 4,
    "adjusted_before_after": 5,
    "interrupted_series": 6,
    "control_sites": 7,
    "synthetic_control": 8,
    "equivalence": 9,
    "limit_compliance": 10,
    "crossover": 11,
}
WORLDS = {world.name: (world, cells) for world, cells in heavy_tailed()}
ROWS = [(name, n) for name, (_, cells) in WORLDS.items() for n in dict.fromkeys(cell.days for cell in cells)]


def told(one: Measured, statistic: str) -> str:
    return f"{one.holding(statistic):.3f} · {one.wrong(statistic):.3f} · {one.answered / one.asked:.2f}"


def on_page(design: str, number: int) -> dict[str, list[str]]:
    """Statistic → the cells of its row."""
    row = re.compile(rf"^\| {OF_DESIGN[design]} \| `(\w+)` \| {number} \| (.*) \|$", re.MULTILINE)
    section = PAGE.read_text("utf-8").split("## Heavy tails")[1].split("**Sizes")[0]
    return {name: cells.split(" | ") for name, cells in row.findall(section)}


def check(name: str, number: int) -> None:
    world, cells = WORLDS[name]
    found = [
        summed(world, cell, replicate(world, cell, range(TRIALS))) for cell in cells if cell.days == number
    ]
    rows = on_page(world.design, number)
    assert rows
    assert rows == {statistic: [told(one, statistic) for one in found] for statistic in rows}


def test_the_page_has_a_row_for_each_design_and_number() -> None:
    assert all(on_page(WORLDS[name][0].design, number) for name, number in ROWS)
    assert all(type(cell) is Cell for _, cells in WORLDS.values() for cell in cells)


@pytest.mark.long
def test_a_row_drawn_again_is_that_of_the_page() -> None:
    check("limit_t3", 60)


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "number"), ROWS)
def test_each_row_drawn_again_is_that_of_the_page(name: str, number: int) -> None:
    check(name, number)
