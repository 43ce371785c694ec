"""Fillings: their sums are those of the filled series, and the order of values gives any percentile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insitu.model import PeriodName
from insitu.spacing import Spacing
from tests.trials.world import START, criterion, endpoint
from trials.designs.question import Question
from trials.judge.completion import fill, patterns_of
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Capture
from trials.plan.rules import Rules
from trials.series.aggregate import about, penalties
from trials.series.ordered import Ordered
from trials.series.scale import ARITHMETIC, DEGREES, ENERGETIC, SUM, TIME_WEIGHTED, Scale
from trials.series.slots import Calendar, Floats, Unit, day_groups
from trials.series.sums import Filling, sums_of

DAYS = 6
BASELINE, REPORTING = PeriodName.BASELINE, PeriodName.REPORTING
SCALES = (ARITHMETIC, ENERGETIC, DEGREES, SUM, TIME_WEIGHTED)
AGGREGATIONS: tuple[object, ...] = (
    "mean",
    "lden",
    "ln",
    "sum",
    {"name": "duty", "threshold": 21},
    {"name": "max", "step": "PT3H"},
    {"name": "percentile", "q": 90},
    {"name": "count", "threshold": 21, "step": "PT3H"},
)


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    percent=st.floats(0, 100),
    sign=st.sampled_from([-1.0, 1.0]),
    centre=st.floats(-100, 100),
)
def test_a_percentile_is_that_of_numpy_to_the_last_digit(
    values: list[float], percent: float, sign: float, centre: float
) -> None:
    away = sign * (np.array(values) - centre)
    ordered = Ordered.of(np.array(values), centre)
    assert ordered.percentile(percent, sign) == np.percentile(away, percent)
    assert ordered.reach(200.0, sign) == pytest.approx(float(away.max() + np.ptp(away)))
    assert sign * ordered.median == pytest.approx(float(np.median(away)))


def series(rng: np.random.Generator, name: str, calendar: Calendar, *, exposed: bool, excused: bool) -> Unit:
    """Some slots are missing, one in a row of hours; some are excused, before or afterwards."""
    value = rng.normal(20, 3, calendar.n)
    value[rng.random(calendar.n) < 0.15] = np.nan
    at = int(rng.integers(0, calendar.n - 10))
    value[at : at + 10] = np.nan
    inside, late = rng.random((2, calendar.n)) < 0.1
    shares = np.where(np.isfinite(value), rng.uniform(0.75, 1, calendar.n), 0.0) if exposed else None
    return Unit(
        name,
        calendar,
        value,
        (inside | late) & excused,
        afterwards=late & ~inside & excused,
        exposure=shares,
    )


def asked(
    seed: int, design: str, scale: Scale, aggregation: object, *, excused: bool, other: int
) -> Question:
    """Two devices an arm and period; the other arm has `other` results an hour."""
    rng = np.random.default_rng(seed)
    arms = ["candidate"] if design == "before_after" else ["candidate", "control"]
    made = endpoint(design, [criterion("effect", high=0)], arms=arms, aggregation=aggregation, grid="PT6H")
    plan = Endpoint.model_validate(made)
    units = {}
    for arm in arms:
        step = timedelta(hours=1) / (1 if arm == "candidate" else other)
        for number, period in enumerate((BASELINE, REPORTING)):
            first = START + number * timedelta(days=DAYS)
            calendar = Calendar.of(first, first + timedelta(days=DAYS), step, "Europe/Paris")
            found = [
                series(rng, f"{arm}-{n}", calendar, exposed=scale.is_held, excused=excused) for n in range(2)
            ]
            units[arm, period] = [about(plan, unit, []) for unit in found]
    return Question(plan, Capture(), 0.95, 1, scale, units, rules=Rules())  # type: ignore[arg-type]


def copied(question: Question) -> Question:
    """The same with every filling written into a copy of its series."""
    filled = question.fillings.of
    units = {
        cell: [filled[unit].in_unit(unit) if unit in filled else unit for unit in found]
        for cell, found in question.units.items()
    }
    return replace(question, units=units, fillings=replace(question.fillings, of={}, made={}), made={})


def on_grid(question: Question, units: list[Unit]) -> list[Floats]:
    return question.on_grid(units)[1][0]


def days_of(question: Question, units: list[Unit]) -> list[Floats]:
    return [question.days_of(units)[1]]


@pytest.mark.parametrize("design", ["before_after", "control_sites"])
@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from(SCALES),
    aggregation=st.sampled_from(AGGREGATIONS),
    pattern=st.sampled_from(["up", "down"]),
    percentile=st.sampled_from([50.0, 95.0, 100.0, 137.5, 200.0]),
    excused=st.booleans(),
    other=st.sampled_from([1, 2]),
    of=st.sampled_from([on_grid, days_of]),
)
def test_sums_with_fillings_are_those_of_the_filled_series(
    design: str,
    seed: int,
    scale: Scale,
    aggregation: object,
    pattern: str,
    percentile: float,
    excused: bool,
    other: int,
    of: Callable[[Question, list[Unit]], list[Floats]],
) -> None:
    question = asked(seed, design, scale, aggregation, excused=excused, other=other)
    assert pattern in patterns_of(design)
    before = {cell: of(question, units) for cell, units in question.units.items()}
    filled = fill(question, pattern, percentile).question
    plain = copied(filled)
    for cell, units in filled.units.items():
        for found, wanted in zip(of(filled, units), of(plain, plain.units[cell]), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-11)
        np.testing.assert_array_equal(of(question, units), before[cell])
        holes = [~unit.valid & unit.missing for unit in plain.units[cell]]
        assert not any(hole.any() for hole in holes), "every missing slot has a value"


def test_a_grid_as_fine_as_the_slots_keeps_no_sums() -> None:
    question = asked(1, "before_after", ARITHMETIC, "mean", excused=False, other=1)
    fine = replace(
        question, endpoint=question.endpoint.model_copy(update={"grid": Spacing.of(timedelta(hours=1))})
    )
    filled = fill(fine, "up", 95.0).question
    units = filled.units["candidate", REPORTING]
    np.testing.assert_array_equal(
        on_grid(filled, units), on_grid(copied(filled), copied(filled).units["candidate", REPORTING])
    )
    assert not any("sums" in str(key[0]) for key in filled.made)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from(SCALES), lost=st.booleans())
def test_a_filling_of_some_slots_has_every_sum_of_the_filled_series(
    seed: int, scale: Scale, lost: bool
) -> None:
    """`lost`: some of the values that are given are not finite; their slots stay as they are."""
    rng = np.random.default_rng(seed)
    calendar = Calendar.of(START, START + timedelta(days=DAYS), timedelta(hours=1), "Europe/Paris")
    unit = series(rng, "one", calendar, exposed=scale.is_held, excused=True)
    at = np.flatnonzero(unit.missing & (rng.random(calendar.n) < 0.7))
    given_values = rng.normal(30, 5, len(at))
    given_values[: 3 * lost] = np.nan
    filling = Filling.of(at, given_values)
    assert len(filling.at) == len(at) - 3 * lost
    groups, days = day_groups(calendar)
    weights = penalties(calendar)
    sums = sums_of(unit, groups, len(days), scale=scale, weights=weights)
    found = filling.in_sums(sums, unit, groups, scale=scale, weights=weights)
    wanted = sums_of(filling.in_unit(unit), groups, len(days), scale=scale, weights=weights)
    assert (found.inside is None) == (wanted.inside is None)
    for one, other in zip(found, wanted, strict=True):
        if one is not None and other is not None:
            np.testing.assert_allclose(one, other, rtol=1e-12)
