"""Slots, days and grid steps, with the two days a year that do not have 24 hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.model import PeriodName
from insitu.times import to_whole_second_us
from tests.trials.world import criterion, endpoint, inputs, noise, protocol, series
from trials.designs import DESIGNS
from trials.designs.question import Question
from trials.evaluation import Evaluation
from trials.judge.compute import compute
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Capture
from trials.series.scale import ARITHMETIC, ENERGETIC, Scale
from trials.series.slots import Calendar, Floats, Unit, day_groups, fill, mean_of_units
from trials.series.sums import grouped

HOUR = timedelta(hours=1)
SPRING = datetime(2026, 3, 27, 23, tzinfo=UTC)  # Saturday 28 March 00:00 in Paris; 29 March has 23 hours
AUTUMN = datetime(2026, 10, 23, 22, tzinfo=UTC)  # Saturday 24 October 00:00 in Paris; 25 October has 25 hours
REPORTING = PeriodName.REPORTING


def calendar_of(start: datetime, hours: int, step: timedelta = HOUR) -> Calendar:
    return Calendar.of(start, start + hours * HOUR, step, "Europe/Paris")


@pytest.mark.parametrize(
    ("start", "lengths"), [(SPRING, [24, 23, 24]), (AUTUMN, [24, 25, 24])], ids=["spring", "autumn"]
)
@pytest.mark.parametrize("step", [HOUR, HOUR / 4], ids=["hourly", "quarters"])
def test_the_days_on_which_clocks_change_have_23_and_25_hours(
    start: datetime, lengths: list[int], step: timedelta
) -> None:
    calendar = calendar_of(start, sum(lengths), step)
    _, days = day_groups(calendar)
    per_hour = round(HOUR / step)
    assert np.unique(calendar.day, return_counts=True)[1].tolist() == [
        length * per_hour for length in lengths
    ]
    first = start.date() + timedelta(days=1)
    assert [date.fromordinal(int(day)) for day in days] == [first + timedelta(days=n) for n in range(3)]
    assert calendar.hour[0] == 0.0


def test_local_hours_skip_one_in_spring_and_repeat_one_in_autumn() -> None:
    spring, autumn = calendar_of(SPRING, 47), calendar_of(AUTUMN, 49)
    assert spring.hour[24:29].tolist() == [0, 1, 3, 4, 5]
    assert autumn.hour[24:29].tolist() == [0, 1, 2, 2, 3]


@pytest.mark.parametrize(("start", "length"), [(SPRING, 23), (AUTUMN, 25)], ids=["spring", "autumn"])
def test_a_short_or_long_day_counts_by_the_share_of_its_own_hours(start: datetime, length: int) -> None:
    """Three quarters of 23 are 17.25: 18 hours are needed; of 25, 18.75: 19."""
    calendar = calendar_of(start, 24 + length)
    groups, days = day_groups(calendar)
    needed = int(np.ceil(0.75 * length))
    for hours, counts in ((needed - 1, False), (needed, True)):
        value = np.full(calendar.n, 5.0)
        value[24 + hours :] = np.nan
        means = grouped(
            Unit("u", calendar, value, np.zeros(calendar.n, bool)),
            groups,
            len(days),
            share=0.75,
            scale=ARITHMETIC,
        )
        assert means[0] == 5.0
        assert np.isfinite(means[1]) == counts


def test_the_mean_of_a_long_day_weighs_each_of_its_25_hours() -> None:
    calendar = calendar_of(AUTUMN + timedelta(days=1), 25)
    unit = Unit("u", calendar, np.arange(25.0), np.zeros(25, bool))
    assert grouped(unit, *_groups(calendar), share=0.75, scale=ARITHMETIC).tolist() == [12.0]


def _groups(calendar: Calendar) -> tuple[Any, int]:
    groups, days = day_groups(calendar)
    return groups, len(days)


@pytest.mark.parametrize(
    ("start", "hours"), [(SPRING, 20 * 24 - 1), (AUTUMN, 20 * 24 + 1)], ids=["spring", "autumn"]
)
def test_a_grid_of_days_has_one_pair_a_local_day(start: datetime, hours: int) -> None:
    """Steps of 24 hours would drift away from midnight and leave a last "day" of one hour."""
    rng = np.random.default_rng(1)
    x = 20 + noise(rng, 0.9, hours, 4.0)
    calendar = calendar_of(start, hours)
    ordinal = calendar.day - calendar.day[0]
    made = endpoint(
        "reference_collocation", [criterion("slope", 0.6, 1.4)], arms=["candidate", "reference"], grid="P1D"
    )
    none = np.zeros(hours, bool)
    units: Any = {
        ("candidate", REPORTING): [Unit("c", calendar, x + ordinal, none)],
        ("reference", REPORTING): [Unit("r", calendar, x, none)],
    }
    answer = DESIGNS["reference_collocation"].answer(
        Question(Endpoint.model_validate(made), Capture(), 0.95, 1, ARITHMETIC, units)
    )
    assert {known.n for known in answer.statistics} == {20}
    assert [round(pair.y - pair.x, 9) for pair in answer.pairs] == list(range(20))


def evaluation_across(start: datetime, hours: int, design: str) -> Evaluation:
    """Baseline and reporting meet at local midnight; the change of clocks lies in the reporting period."""
    baseline, reporting = (start - 20 * 24 * HOUR, start), (start, start + hours * HOUR)
    periods = [
        {"name": name, "start": first.isoformat(), "end": last.isoformat()}
        for name, (first, last) in (("baseline", baseline), ("reporting", reporting))
    ]
    arms = {"before_after": ["candidate"], "control_sites": ["candidate", "control"]}[design]
    plan = protocol(endpoint(design, [criterion("effect", high=-2)], arms=arms), periods=periods)
    n = 480 + hours
    streams = [
        series(f"{arm}-1", 20 + noise(np.random.default_rng([3, len(arm)]), 0.3, n), start=baseline[0])
        for arm in arms
    ]
    return compute(inputs(plan, streams))


@pytest.mark.parametrize("design", ["before_after", "control_sites"])
@pytest.mark.parametrize(
    ("start", "hours"), [(SPRING, 20 * 24 - 1), (AUTUMN, 20 * 24 + 1)], ids=["spring", "autumn"]
)
def test_a_trial_across_the_change_of_clocks_loses_no_day(start: datetime, hours: int, design: str) -> None:
    evaluation = evaluation_across(start, hours, design)
    assert {(g.days, g.days_valid, g.share) for g in evaluation.gate} == {(20, 20, 1.0)}
    assert {g.planned for g in evaluation.gate if g.period is REPORTING} == {hours}
    assert evaluation.endpoints[0].estimates[0].n == 40
    days = [d.day for line in evaluation.endpoints[0].lines if "reporting" in line.name for d in line.days]
    assert days[0] == (start + 2 * HOUR).date()
    assert len(set(days)) == 20


# -- slots


def filled(minutes: Sequence[float], results: Sequence[float], scale: Scale = ARITHMETIC) -> Floats:
    calendar = calendar_of(SPRING, 4)
    time = to_whole_second_us(SPRING) + (np.array(minutes) * 60_000_000).astype(np.int64)
    return fill(calendar, time, np.array(results, np.float64), scale)


def test_slots_are_half_open_and_hold_the_mean_of_what_fell_into_them() -> None:
    assert filled([-0.001, 0, 59.999, 60, 239.999, 240], [99, 1, 2, 5, 7, 99]).tolist() == pytest.approx(
        [1.5, 5, np.nan, 7], nan_ok=True
    )


def test_levels_in_a_slot_are_averaged_by_energy() -> None:
    assert filled([0, 30], [60, 70], scale=ENERGETIC)[0] == pytest.approx(10 * np.log10(5.5e6))


def test_no_observation_leaves_every_slot_empty() -> None:
    assert np.isnan(filled([], [])).all()


@given(st.permutations(range(8)))
def test_the_order_of_observations_does_not_matter(order: list[int]) -> None:
    minutes, results = [0, 10, 20, 70, 75, 130, 135, 200], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
    assert np.array_equal(
        filled([minutes[n] for n in order], [results[n] for n in order]),
        filled(minutes, results),
        equal_nan=True,
    )


def test_excused_slots_leave_the_denominator_but_do_not_fill_a_day() -> None:
    calendar = calendar_of(SPRING, 24)
    excused = np.arange(24) < 12
    value = np.where(np.arange(24) >= 15, 3.0, np.nan)  # 9 of the 12 that remain
    assert grouped(
        Unit("u", calendar, value, excused), *_groups(calendar), share=0.75, scale=ARITHMETIC
    ).tolist() == [3.0]
    value[15] = np.nan  # 8 of 12
    assert np.isnan(
        grouped(Unit("u", calendar, value, excused), *_groups(calendar), share=0.75, scale=ARITHMETIC)
    ).all()
    nothing = Unit("u", calendar, np.full(24, np.nan), np.ones(24, bool))
    assert np.isnan(grouped(nothing, *_groups(calendar), share=0.75, scale=ARITHMETIC)).all()


def test_the_mean_over_devices_needs_enough_of_them() -> None:
    table = [
        np.array([1.0, 1.0, np.nan]),
        np.array([3.0, np.nan, np.nan]),
        np.array([5.0, 5.0, np.nan]),
        np.array([7.0, 7.0, 7.0]),
    ]
    assert mean_of_units(table, share=0.75, scale=ARITHMETIC).tolist() == pytest.approx(
        [4.0, 13 / 3, np.nan], nan_ok=True
    )
    assert mean_of_units([np.array([60.0]), np.array([70.0])], share=1.0, scale=ENERGETIC)[
        0
    ] == pytest.approx(10 * np.log10(5.5e6))


@pytest.mark.parametrize(
    ("aggregation", "level"), [("mean", None), ("ld", 60.0), ("le", 55.0), ("ln", 50.0), ("lden", 60.0)]
)
def test_day_evening_and_night_levels_come_from_their_local_hours(
    aggregation: str, level: float | None
) -> None:
    """60 dB by day, 55 in the evening, 50 at night in local time give an Lden of 60, in summer time and in
    winter time.
    """
    for start in (SPRING - timedelta(days=7), AUTUMN - timedelta(days=7)):
        calendar = calendar_of(start, 48)
        hour = calendar.hour
        value = np.where((hour >= 6) & (hour < 18), 60.0, np.where((hour >= 18) & (hour < 22), 55.0, 50.0))
        made = endpoint(
            "limit_compliance", [criterion("mean", high=65)], arms=["candidate"], aggregation=aggregation
        )
        question = Question(Endpoint.model_validate(made), Capture(), 0.95, 1, ENERGETIC, {})
        _, days = question.days_of([Unit("u", calendar, value, np.zeros(48, bool))])
        expected = level if level is not None else 10 * np.log10((12 * 1e6 + 4 * 10**5.5 + 8 * 1e5) / 24)
        assert days == pytest.approx([expected] * 2)
