"""Do the intervals hold the truth as often as they say? Seeded replications, one cell for each design; the
nightly proof has more.

Hourly AR(1) errors with φ .95, a daily cycle, 10 % of the hours lost, 30 days: naive intervals cover .25
here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from insitu.errors import CorrectInput
from proving.coverage import bounds, looks
from proving.coverage.bounds import most_false
from proving.coverage.entries import OfWorld
from proving.coverage.intervals import Ends, Measured, counted, measure, pool_of
from proving.coverage.measuring import run
from proving.coverage.results import Row, load_rows
from simulators.worlds.cell import DAYS, PHIS, USUAL, Cell, World, cycle
from simulators.worlds.register import WORLDS, cells, chosen, looked
from tests.trials.world import noise
from trials.statistics.intervals import TwoPeriods, neighbour_spread

REPLICATIONS = 200
HOURS = USUAL.hours
BOUND = 0.88
FALSE_A_SIDE = most_false(REPLICATIONS)


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return load_rows()


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_interval_of_a_design_holds_the_truth_and_seldom_decides_against_it(
    world: World, rows: dict[str, Row]
) -> None:
    """Coverage, and the share of false verdicts on a side with the truth exactly on the margin, by the stored
    replications: tests/trials/test_validation_page.py draws the first fifty of this cell again.
    """
    entry = OfWorld(world, USUAL)
    row = rows[entry.key]
    assert row.replications >= REPLICATIONS
    found = entry.read(row.numbers, row.replications)
    assert set(found.counts) == set(world.truth(USUAL))
    # In the other worlds the design rightly says that it cannot judge. Without a control an effect that
    # stands out as little as one on the margin could be a season or a step some days earlier, and half of
    # them are refused as such.
    least = {"adjusted_before_after": 0.4, "before_after": 0.5}.get(world.design, 0.6)
    assert found.answered >= least * found.asked
    assert {name: counts.coverage for name, counts in found.counts.items() if counts.coverage < BOUND} == {}
    bound = most_false(found.answered)
    assert {name: counts.false for name, counts in found.counts.items() if counts.false > bound} == {}


@pytest.mark.parametrize("trend", [0.0, 3.0], ids=["level", "trend of 3 SD"])
@pytest.mark.parametrize("days", [14, 30, 90])
@pytest.mark.parametrize("phi", [0.0, 0.7, 0.95])
def test_the_interval_of_a_mean_of_days_and_of_a_difference_cover(
    phi: float, days: int, trend: float
) -> None:
    rng = np.random.default_rng([7, int(100 * phi), days, int(trend)])
    numbers = np.arange(days, dtype=np.int64)
    drift = np.linspace(-trend / 2, trend / 2, days)
    mean_held = difference_held = 0
    for _ in range(REPLICATIONS):
        hours = noise(rng, phi, 2 * days * 24).reshape(2, days, 24)
        hours[rng.random(hours.shape) < 0.1] = np.nan
        before, after = (neighbour_spread(numbers, values) for values in np.nanmean(hours, axis=2) + drift)
        low, high = before.interval(0.95)
        mean_held += low <= 0 <= high
        low, high = TwoPeriods(before, after).interval(0.95)
        difference_held += low <= 0 <= high
    assert mean_held >= BOUND * REPLICATIONS
    assert difference_held >= BOUND * REPLICATIONS


def test_a_mean_of_days_with_a_trend_allows_for_the_days_that_are_missing() -> None:
    """A tenth of 90 days is lost, and errors are small beside the trend: if the remaining days are early or
    late, so is their mean.
    """
    rng = np.random.default_rng(11)
    held = naive = 0
    for _ in range(REPLICATIONS):
        numbers = np.flatnonzero(rng.random(90) >= 0.1)
        found = neighbour_spread(numbers, rng.normal(0, 0.2, len(numbers)) + 3 * (numbers - 44.5) / 90, 44.5)
        low, high = found.interval(0.95)
        held += low <= 0 <= high
        naive += abs(found.mean) <= 2 * 0.2 / np.sqrt(found.n_effective)
    assert held >= BOUND * REPLICATIONS
    assert naive < BOUND * REPLICATIONS


def test_a_naive_interval_would_fail_this_very_test() -> None:
    """The cell is hard enough for a test: s/√n over hours covers less than half."""
    held = 0
    for seed in range(REPLICATIONS):
        values = 20 + cycle(HOURS) + noise(np.random.default_rng([1, seed]), USUAL.phi, HOURS, 2.0)
        half = 1.96 * values.std(ddof=1) / np.sqrt(HOURS)
        held += abs(values.mean() - 20) <= half
    assert held < 0.5 * REPLICATIONS


def test_an_a_a_trial_is_never_met_more_often_than_promised() -> None:
    """Nothing changed between the periods: the trial must find neither the wanted reduction by 2 nor any
    change at all.
    """
    (found,) = measure(WORLDS["before_after"], [replace(USUAL, treated=False)], replications=REPLICATIONS)
    assert found.met <= FALSE_A_SIDE
    assert found.counts["effect"].false <= FALSE_A_SIDE
    assert found.counts["effect"].coverage >= BOUND


@pytest.mark.long
def test_ten_looks_at_a_trial_that_lasts_seldom_exclude_the_truth() -> None:
    (found,) = looks.measure(WORLDS["limit"], [USUAL], replications=REPLICATIONS)
    assert found.looks > 8
    assert found.always_valid <= looks.MOST + 3 * np.sqrt(looks.MOST * (1 - looks.MOST) / REPLICATIONS)
    assert found.single > found.always_valid


def test_ten_looks_begin_on_day_14_and_end_with_the_last() -> None:
    days = looks.days_of_looks(30)
    assert len(days) == 10
    assert (days[0], days[-1]) == (14, 30)


# -- the measurement itself


def four(coverage: list[tuple[float, float]]) -> np.ndarray:
    """Intervals around their middle; the planned effects are 1 upwards and 2 downwards."""
    return np.array([Ends((low + high) / 2, low, high, 1.0, 2.0) for low, high in coverage])


def test_shares_of_four_intervals_by_hand() -> None:
    """For the truth 0: two intervals hold it, one lies above, one below."""
    counts = counted(four([(-1, 1), (-0.5, 0.5), (0.5, 1.5), (-3, -1)]), 0.0)
    assert (counts.coverage, counts.above, counts.below) == (0.5, 0.25, 0.25)
    assert counts.false == 0.25
    assert counts.planned == 1.0
    assert counts.power == 0.75  # high ≤ 1: all but the third; low ≥ −2: all but the fourth


def test_an_interval_twice_as_wide_as_it_had_to_be_says_so() -> None:
    errors = np.random.default_rng(1).normal(0, 1, 4000)
    rows = np.stack([errors, errors - 2 * 1.96, errors + 2 * 1.96, *np.ones((2, 4000))], axis=1)
    assert counted(rows, 0.0).width == pytest.approx(2, rel=0.05)


def too_narrow(world: World, cell: Cell) -> Measured:
    found = measure(world, [cell], replications=3)[0]
    errors = np.random.default_rng(2).normal(0, 1, 400)
    narrow = counted(np.stack([errors, errors - 1, errors + 1, *np.full((2, 400), 1.2)], axis=1), 0.0)
    return replace(found, asked=400, answered=400, counts={"effect": narrow})


def test_what_lies_beyond_the_bounds_is_told() -> None:
    told = [str(one) for one in bounds.of_results([too_narrow(WORLDS["before_after"], USUAL)])]
    assert [line.split(": ")[1].split()[1] for line in told] == ["covers", "decides", "has", "covers"]
    assert all("effect" in line for line in told)
    few = replace(too_narrow(WORLDS["before_after"], USUAL), answered=7)
    assert [str(one) for one in bounds.of_results([few])] == [
        "before_after, φ 0.95, 30 days: answered 7, under 100"
    ]


def test_two_processes_find_what_one_finds() -> None:
    world = WORLDS["limit"]
    with pool_of(2) as pool:
        both = measure(world, [USUAL], replications=60, pool=pool)
    assert both == measure(world, [USUAL], replications=60)


def test_the_tables_have_a_row_for_each_cell(capsys: pytest.CaptureFixture[str]) -> None:
    worlds = [
        one
        for one in chosen(["limit_compliance", "before_after"], phi=[0.7], days=[14, 20], trend=[3.0])
        if not one[0].aside
    ]
    run(worlds, looked([world for world, _ in worlds], phi=[0.7], days=[20]), replications=2, processes=1)
    said = capsys.readouterr().out
    assert "2 replications a cell." in said
    assert said.count("| 0.7 | 14 | – |") == 2
    assert said.count("| 0.7 | 14 | 3 SD |") == 2
    assert "| 4 | before_after | 0.7 | 14 | 2 | `effect` |" in said
    assert said.count("| limit_compliance | `mean` | 0.7 | 20 |") == 1
    assert "- limit, φ 0.7, 14 days: answered 2, under 100." in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"designs": ["availability"]},
            "There is no world for the design 'availability'; there is one for adjusted_before_after, ",
        ),
        ({"phi": [1.0]}, "φ must be at least 0 and less than 1."),
        ({"days": [13]}, "A period needs at least 14 days."),
    ],
)
def test_what_cannot_be_measured_is_said(asked: dict[str, list[float]], said: str) -> None:
    with pytest.raises(CorrectInput) as raised:
        chosen(**asked)  # type: ignore[arg-type]
    assert str(raised.value).startswith(said)


# -- the worlds


def test_the_cells_of_a_world_are_every_phi_and_length_then_trends_and_nothing_done() -> None:
    of = cells(WORLDS["before_after"])
    assert [(cell.phi, cell.days) for cell in of[:9]] == [(phi, days) for phi in PHIS for days in DAYS]
    assert [(cell.trend, cell.treated) for cell in of[9:]] == [(3.0, True)] * 3 + [(0.0, False)] * 3
    assert len(cells(WORLDS["limit"])) == 12


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_in_cells_of_14_days_every_day_keeps_enough_hours_to_count(world: World) -> None:
    drawn = world.draw(np.random.default_rng(1), Cell(days=14))
    hours = [values for periods in drawn.arms.values() for units in periods.values() for values in units]
    lost = np.concatenate([np.isnan(values).reshape(-1, 24).sum(axis=1) for values in hours])
    assert lost.max() <= 6
    assert lost.sum() > 0
