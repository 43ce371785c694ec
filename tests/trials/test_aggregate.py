"""Day values computed by hand, and a gate that misses only what was planned."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.model import Verdict
from tests.trials.world import (
    DAY,
    HOUR,
    START,
    Floats,
    criterion,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    protocol_json,
    series,
    window,
)
from trials.evaluation import EndpointResult, Evaluation
from trials.judge.compute import compute
from trials.plan.aggregation import Aggregation, Filter
from trials.plan.rules import NEWEST, RULES_1, Rules
from trials.series.aggregate import WEEKDAYS, day_values, inside, public_holidays, restricted
from trials.series.inputs import Placement, StreamInput
from trials.series.scale import ARITHMETIC, ENERGETIC
from trials.series.slots import Calendar, Unit

MEAN = Aggregation(name="mean")
SPRING = datetime(2026, 3, 28, 23, tzinfo=UTC)  # Sunday 29 March 00:00 in Paris, 23 hours
AUTUMN = datetime(2026, 10, 24, 22, tzinfo=UTC)  # Sunday 25 October 00:00 in Paris, 25 hours


def unit_of(values: list[float] | Floats, *, start: datetime = START, step: timedelta = HOUR) -> Unit:
    table = np.asarray(values, np.float64)
    calendar = Calendar.counted(start, len(table), step, "Europe/Paris")
    return Unit("u", calendar, table, np.zeros(len(table), bool))


def one_day(aggregation: Aggregation, values: list[float] | Floats, **more: Any) -> float:
    (found,) = day_values(
        aggregation, unit_of(values), share=0.75, scale=more.pop("scale", ARITHMETIC), **more
    )
    return float(found)


HOURS_OF_A_DAY = [10.0] * 6 + [20.0] * 12 + [60.0] * 6  # Σ = 60 + 240 + 360 = 660
BY_HAND = [
    (Aggregation(name="mean"), 27.5),
    (Aggregation(name="sum"), 660.0),
    (Aggregation(name="min"), 10.0),
    (Aggregation(name="max"), 60.0),
    (Aggregation(name="percentile", q=50), 20.0),
    (Aggregation(name="percentile", q=75), 30.0),  # rank 0.75·23 = 17.25: 20 + 0.25·(60 − 20)
    (Aggregation(name="exceedance_share", threshold=20), 0.25),  # 20 itself is not above 20
    (Aggregation(name="exceedance_share", threshold=15), 0.75),
    (Aggregation(name="count", threshold=20), 6.0),
    (Aggregation(name="count", threshold=20, step=timedelta(hours=12)), 1.0),  # means 15 and 40
    (Aggregation(name="max", step=timedelta(hours=12)), 40.0),
    (Aggregation(name="min", step=timedelta(hours=8)), 12.5),  # (6·10 + 2·20)/8
    (Aggregation(name="la10"), 60.0),
    (Aggregation(name="la90"), 10.0),
]


@pytest.mark.parametrize(("aggregation", "value"), BY_HAND, ids=[str(a.model_dump()) for a, _ in BY_HAND])
def test_a_day_of_24_hours_by_hand(aggregation: Aggregation, value: float) -> None:
    assert one_day(aggregation, HOURS_OF_A_DAY) == pytest.approx(value, abs=1e-12)


def test_a_share_may_be_told_in_per_cent() -> None:
    above = Aggregation(name="exceedance_share", threshold=20)
    assert one_day(above, HOURS_OF_A_DAY, percent=True) == 25.0
    assert one_day(MEAN, HOURS_OF_A_DAY, percent=True) == 27.5


def test_a_missing_interval_is_not_counted_as_nothing() -> None:
    """Four of 24 hours are missing: sum and count are scaled to the whole day."""
    values = np.array(HOURS_OF_A_DAY)
    values[6:10] = np.nan
    left = 660 - 80
    assert one_day(Aggregation(name="sum"), values) == pytest.approx(left / 20 * 24)
    assert one_day(Aggregation(name="count", threshold=20), values) == pytest.approx(6 / 20 * 24)
    values[10:14] = np.nan
    assert np.isnan(one_day(Aggregation(name="sum"), values))


def test_a_step_needs_three_quarters_of_its_intervals_and_a_day_three_quarters_of_its_steps() -> None:
    values = np.full(24, 10.0)
    values[[0, 1, 2, 3]] = 100.0
    values[[1, 2]] = np.nan
    top = Aggregation(name="max", step=timedelta(hours=4))
    assert one_day(top, values) == 10.0  # the first step has two of four hours, the other five count
    values[[5, 6, 9, 10]] = (
        np.nan
    )  # now three of six steps have two of four hours, though 18 of 24 hours are there
    assert np.isnan(one_day(top, values))
    assert one_day(Aggregation(name="max"), values) == 100.0


def test_steps_of_levels_are_means_by_energy_and_their_percentile_is_read_as_it_is() -> None:
    levels = [60.0, 70.0] * 12
    by_energy = 10 * np.log10((1e6 + 1e7) / 2)
    assert one_day(Aggregation(name="max", step=2 * HOUR), levels, scale=ENERGETIC) == pytest.approx(
        by_energy
    )
    assert one_day(MEAN, levels, scale=ENERGETIC) == pytest.approx(by_energy)
    assert one_day(Aggregation(name="la10"), levels, scale=ENERGETIC) == 70.0
    assert one_day(Aggregation(name="percentile", q=50), levels, scale=ENERGETIC) == pytest.approx(65.0)


STEPS_OF_SIX_HOURS = {
    (23, RULES_1): [range(1, 7), range(7, 13), range(13, 19), range(19, 24)],
    (25, RULES_1): [range(1, 7), range(7, 13), range(13, 19), range(19, 25), range(25, 26)],
    (23, NEWEST): [
        range(1, 6),
        range(6, 12),
        range(12, 18),
        range(18, 24),
    ],  # from 0 to 6 on the clock: 5 hours
    (25, NEWEST): [range(1, 8), range(8, 14), range(14, 20), range(20, 26)],
}


@pytest.mark.parametrize("rules", [Rules(RULES_1), Rules(NEWEST)], ids=["rules 1", "rules 2"])
@pytest.mark.parametrize(("start", "length"), [(SPRING, 23), (AUTUMN, 25)], ids=["spring", "autumn"])
def test_days_of_23_and_25_hours_have_their_own_sums_counts_and_steps(
    start: datetime, length: int, rules: Rules
) -> None:
    unit = unit_of(np.arange(1.0, length + 1), start=start)
    if rules.version == RULES_1:
        unit = replace(unit, calendar=Calendar.of(start, start + length * HOUR, HOUR, "Europe/Paris", rules))

    def day(aggregation: Aggregation) -> float:
        (found,) = day_values(aggregation, unit, share=0.75, scale=ARITHMETIC)
        return float(found)

    assert day(Aggregation(name="sum")) == length * (length + 1) / 2
    assert day(Aggregation(name="count", threshold=0)) == length
    assert day(Aggregation(name="exceedance_share", threshold=length - 1)) == pytest.approx(1 / length)
    steps = [np.mean(hours) for hours in STEPS_OF_SIX_HOURS[length, rules.version]]
    assert day(Aggregation(name="min", step=6 * HOUR)) == steps[0]
    assert day(Aggregation(name="max", step=6 * HOUR)) == steps[-1]
    assert day(Aggregation(name="percentile", q=50, step=6 * HOUR)) == np.median(steps)


def test_quarters_of_an_hour_make_hours() -> None:
    unit = unit_of(np.repeat([1.0, 2.0, 3.0, 4.0], 24), step=HOUR / 4)
    (found,) = day_values(Aggregation(name="max", step=12 * HOUR), unit, share=0.75, scale=ARITHMETIC)
    assert found == 3.5
    (found,) = day_values(
        Aggregation(name="count", threshold=2.5, step=HOUR), unit, share=0.75, scale=ARITHMETIC
    )
    assert found == 12.0


@pytest.mark.parametrize("name", ["sum", "count", "max", "percentile", "exceedance_share", "duty"])
def test_a_day_that_the_period_cuts_has_a_mean_only(name: str) -> None:
    """From 23:00 on a day before to 01:00 on a day after: these hours are not days."""
    numbers = {"count": {"threshold": 0}, "exceedance_share": {"threshold": 0}, "percentile": {"q": 50}}.get(
        name, {}
    )
    aggregation = Aggregation.model_validate({"name": name, **numbers})
    for start, hours, counted in (
        (START - HOUR, 26, [False, True, False]),
        (START, 24, [True]),
        (SPRING - HOUR, 25, [False, True, False]),
    ):
        unit = unit_of(np.full(hours, 2.0), start=start)
        found = day_values(aggregation, unit, share=0.75, scale=ARITHMETIC)
        assert np.isfinite(found).tolist() == counted
        assert day_values(MEAN, unit, share=0.75, scale=ARITHMETIC).tolist() == [2.0] * len(counted)
    assert (
        day_values(
            aggregation,
            unit_of(np.full(96, 2.0), start=START + HOUR / 12, step=HOUR / 4),
            share=0.75,
            scale=ARITHMETIC,
        )[0]
        > 0
    )


def test_windows_leave_the_day_rule_but_not_the_length_of_the_day() -> None:
    unit = unit_of([2.0] * 12 + [float("nan")] * 12)
    excused = Unit("u", unit.calendar, unit.value, np.arange(24) >= 12)
    assert day_values(Aggregation(name="sum"), excused, share=0.75, scale=ARITHMETIC).tolist() == [48.0]
    assert np.isnan(day_values(Aggregation(name="sum"), unit, share=0.75, scale=ARITHMETIC)).all()


def hours_kept(kept: Filter, start: datetime = START, hours: int = 24) -> list[float]:
    calendar = Calendar.of(start, start + hours * HOUR, HOUR, "Europe/Paris")
    return calendar.hour[inside(kept, MEAN, calendar)].tolist()


def test_hours_are_half_open_local_and_may_wrap_midnight() -> None:
    assert hours_kept(Filter(hours=("07:00", "10:00"))) == [7, 8, 9]
    assert hours_kept(Filter(hours=("22:00", "02:00"))) == [0, 1, 22, 23]
    assert hours_kept(Filter(hours=("22:00", "24:00"))) == [22, 23]
    assert hours_kept(Filter(hours=("01:00", "04:00")), SPRING, 23) == [1, 3]  # there is no hour 2
    assert hours_kept(Filter(hours=("01:00", "04:00")), AUTUMN, 25) == [1, 2, 2, 3]


def test_a_quarter_lies_where_it_begins() -> None:
    calendar = Calendar.of(START, START + DAY, HOUR / 4, "Europe/Paris")
    kept = calendar.hour[inside(Filter(hours=("07:30", "08:15")), MEAN, calendar)]
    assert kept.tolist() == [7.5, 7.75, 8.0]


def test_weekdays_are_those_of_the_local_date() -> None:
    """2026-03-01 was a Sunday."""
    calendar = Calendar.of(START, START + 14 * DAY, HOUR, "Europe/Paris")
    monday = inside(Filter(weekdays=["mon"]), MEAN, calendar)
    days = {date.fromordinal(int(day)) for day in calendar.day[monday]}
    assert days == {date(2026, 3, 2), date(2026, 3, 9)}
    assert [WEEKDAYS[day.weekday()] for day in sorted(days)] == ["mon", "mon"]


def test_the_public_holidays_of_france() -> None:
    """As listed by the government for 2024 to 2026."""
    for year, moving in (
        (2024, ["04-01", "05-09", "05-20"]),
        (2025, ["04-21", "05-29", "06-09"]),
        (2026, ["04-06", "05-14", "05-25"]),
    ):
        fixed = ["01-01", "05-01", "05-08", "07-14", "08-15", "11-01", "11-11", "12-25"]
        assert [f"{day:%m-%d}" for day in public_holidays(year)] == sorted(fixed + moving)


times = st.sampled_from([f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 15, 30, 45)])
starts = st.sampled_from([START, SPRING - DAY, AUTUMN - DAY, datetime(2025, 12, 30, 23, tzinfo=UTC)])


@given(starts, times, times, st.sets(st.sampled_from(WEEKDAYS), min_size=1, max_size=6))
def test_a_filter_and_its_complement_take_every_interval_apart_exactly_once(
    start: datetime, one: str, other: str, days: set[Any]
) -> None:
    calendar = Calendar.of(start, start + 9 * DAY, HOUR / 4, "Europe/Paris")
    pairs = [
        (Filter(weekdays=sorted(days)), Filter(weekdays=sorted(set(WEEKDAYS) - days))),
        (Filter(holidays="only"), Filter(holidays="without")),
    ]
    if one != other:
        pairs.append((Filter(hours=(one, other)), Filter(hours=(other, one))))
    for kept, rest in pairs:
        assert np.array_equal(inside(kept, MEAN, calendar), ~inside(rest, MEAN, calendar))
        both = Filter(**{**kept.model_dump(), "hours": ("06:00", "18:00")}) if kept.hours is None else kept
        assert not (inside(both, MEAN, calendar) & ~inside(kept, MEAN, calendar)).any()


@given(starts, times, times, st.integers(0, 2**32 - 1))
def test_the_sums_of_the_parts_of_a_day_make_the_sum_of_the_day(
    start: datetime, one: str, other: str, seed: int
) -> None:
    hours = 24 * 3
    unit = unit_of(np.random.default_rng(seed).normal(10, 3, hours * 4), start=start, step=HOUR / 4)
    total = Aggregation(name="sum")
    parts: list[Floats] = []
    for pair in ((one, other), (other, one)) if one != other else ():
        part = restricted(unit, inside(Filter(hours=pair), total, unit.calendar))
        parts.append(np.nan_to_num(day_values(total, part, share=0.75, scale=ARITHMETIC)))
    if parts:
        whole = day_values(total, unit, share=0.75, scale=ARITHMETIC)
        assert np.isfinite(whole[:-1]).all()  # the last may be cut, where the clocks change
        assert np.allclose(parts[0] + parts[1], np.nan_to_num(whole))


ONE = [period("reporting", 0, 20)]


def office(hours: int = 480) -> Floats:
    """40 in office hours of working days (with some noise), otherwise 5; 2026-03-01 was a Sunday."""
    hour, day = np.arange(hours) % 24, np.arange(hours) // 24
    busy = (hour >= 8) & (hour < 18) & (day % 7 >= 1) & (day % 7 <= 5)
    made: Floats = np.where(busy, 40.0, 5.0) + noise(np.random.default_rng(5), 0.2, hours)
    return made


def evaluated(
    streams: list[StreamInput], *, windows: Any = None, days: int = 40, **more: Any
) -> tuple[Evaluation, EndpointResult]:
    made = endpoint(
        "limit_compliance",
        [criterion("mean", high=30)],
        arms=["candidate"],
        parameters={"u_meas": 0.1},
        **more,
    )
    devices = {"candidate": list(dict.fromkeys(s.device for s in streams))}
    plan = protocol(made, periods=[period("reporting", 0, days)], devices=devices)
    evaluation = compute(inputs(plan, streams, windows=windows))
    return evaluation, evaluation.endpoints[0]


OFFICE = {"hours": ["08:00", "18:00"], "weekdays": ["mon", "tue", "wed", "thu", "fri"]}


def test_nothing_outside_the_filter_is_missing_and_nothing_of_it_counts() -> None:
    values = office(28 * 24)
    silent = np.where(values > 20, values, np.nan)  # it measures in office hours only
    evaluation, _ = evaluated([series("candidate-1", silent)], filter=OFFICE, days=28)
    (gate,) = evaluation.gate
    assert (gate.planned, gate.valid, gate.share, gate.days, gate.days_valid) == (200, 200, 1.0, 20, 20)
    assert gate.endpoint == "main"


def test_the_day_values_of_a_filter_are_the_means_of_what_it_keeps() -> None:
    _, found = evaluated([series("candidate-1", office())], filter=OFFICE, days=19)
    (line,) = found.lines
    there = [d for d in line.days if d.value is not None]
    assert {d.day.weekday() for d in there} == {0, 1, 2, 3, 4}
    assert len(there) == 14  # 2–6, 9–13 and 16–19 March
    assert all(abs((d.value or 0) - 40) < 2 for d in there)
    assert found.estimates[0].n == 14
    assert found.verdict is Verdict.NOT_MET
    _, everything = evaluated([series("candidate-1", office(28 * 24))], days=28)
    assert everything.verdict is Verdict.MET


def test_a_hole_inside_the_filter_is_missing() -> None:
    values = office()
    values[24 + 8 : 24 + 12] = np.nan  # four of the ten office hours of the first Monday
    evaluation, found = evaluated([series("candidate-1", values)], filter=OFFICE, days=19)
    (gate,) = evaluation.gate
    assert (gate.planned, gate.valid, gate.days, gate.days_valid) == (140, 136, 14, 13)
    assert found.verdict is Verdict.NOT_EVALUABLE  # 13 days
    windows = [window("candidate-1", 24 + 8, 24 + 12)]
    evaluation, found = evaluated([series("candidate-1", values)], filter=OFFICE, days=19, windows=windows)
    (gate,) = evaluation.gate
    assert (gate.planned, gate.excused, gate.valid, gate.days_valid) == (140, 4, 136, 14)
    assert found.verdict is Verdict.NOT_MET
    windows = [window("candidate-1", 0, 24)]  # a Sunday: outside
    evaluation, _ = evaluated([series("candidate-1", office())], filter=OFFICE, days=19, windows=windows)
    assert evaluation.gate[0].excused == 0


def test_ln_is_not_held_against_an_instrument_that_sleeps_by_day() -> None:
    rng = np.random.default_rng(2)
    hour = np.arange(480) % 24
    night = np.where((hour >= 22) | (hour < 6), 50 + noise(rng, 0.3, 480, 2.0), np.nan)
    stream = series("candidate-1", night, averaging_scale="energetic", unit="dB")
    evaluation, found = evaluated([stream], days=20, aggregation="ln")
    assert (evaluation.gate[0].planned, evaluation.gate[0].share) == (160, 1.0)
    assert found.verdict is not Verdict.NOT_EVALUABLE


def test_duty_counts_results_within_an_interval_and_sum_adds_them() -> None:
    """Two results an hour: on for the first half of each hour, 3 and 5 litres."""
    n = 480
    base = series("candidate-1", np.ones(n))
    twice = np.concatenate([base.time_us, base.time_us + 1_800_000_000])
    days = np.arange(n) // 24

    def stream(first: Floats, second: Floats) -> StreamInput:
        changed = {
            "time_us": twice,
            "result": np.concatenate([first, second]),
            "flag": np.ones(2 * n, np.int8),
        }
        return StreamInput(**{name: getattr(base, name) for name in base.__slots__} | changed)

    on = stream(np.ones(n), (days % 2).astype(float))
    _, duty = evaluated([on], days=20, aggregation="duty", unit="%")
    assert [d.value for d in duty.lines[0].days[:4]] == [50, 100, 50, 100]
    _, added = evaluated([stream(np.full(n, 3.0), 5.0 + days)], days=20, aggregation="sum", unit="L")
    assert [d.value for d in added.lines[0].days[:3]] == [24 * 8, 24 * 9, 24 * 10]


def test_a_duty_of_levels_is_a_share_of_time_and_not_of_energy() -> None:
    levels = np.where(np.arange(480) % 24 < 6 + (np.arange(480) // 24) % 2, 80.0, 40.0)
    stream = series("candidate-1", levels, averaging_scale="energetic", unit="dB")
    _, found = evaluated([stream], days=20, aggregation={"name": "duty", "threshold": 60}, unit="1")
    assert [d.value for d in found.lines[0].days[:2]] == pytest.approx([6 / 24, 7 / 24])
    assert found.estimates[0].value == pytest.approx(6.5 / 24)


def test_a_filter_by_device_leaves_the_others_out_everywhere() -> None:
    streams = [series("candidate-1", office()), series("candidate-2", office() + 100)]
    evaluation, found = evaluated(streams, days=20, filter={"devices": ["candidate-1"]})
    assert evaluation.gate[0].planned == 480
    assert max(d.value or 0 for d in found.lines[0].days) < 30
    assert not [s for s in found.sensitivity if s.name.startswith("leave_out")]


def test_a_filter_by_site_leaves_out_the_time_a_device_stood_elsewhere() -> None:
    places = [
        Placement("station", "roof", START - 30 * DAY, START + 28 * DAY),
        Placement("depot", "store", START + 28 * DAY, None),
    ]
    values = office(32 * 24)
    values[28 * 24 :] += 500
    evaluation, found = evaluated(
        [series("candidate-1", values, placements=places)], days=32, filter={"sites": ["station"]}
    )
    (gate,) = evaluation.gate
    assert (gate.planned, gate.days, gate.days_valid) == (28 * 24, 28, 28)
    assert found.estimates[0].n == 28
    assert found.estimates[0].value < 40


def test_two_endpoints_with_and_without_a_filter_have_a_capture_each() -> None:
    made = endpoint(
        "limit_compliance", [criterion("mean", high=30)], arms=["candidate"], parameters={"u_meas": 0.1}
    )
    other = {**made, "name": "office", "rank": "secondary", "filter": OFFICE}
    evaluation = compute(
        inputs(
            protocol(made, other, periods=[period("reporting", 0, 25)]), [series("candidate-1", office(600))]
        )
    )
    assert [(g.endpoint, g.planned) for g in evaluation.gate] == [(None, 600), ("office", 180)]


PERCENTILE = {"name": "percentile", "q": 95, "step": "PT2H"}


def written(**more: Any) -> str:
    made = endpoint("limit_compliance", [criterion("mean", high=30)], arms=["candidate"], **more)
    return json.dumps(protocol_json(made, periods=ONE))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"aggregation": "median"}, "endpoints.0.aggregation.name: Input should be 'mean', 'percentile'"),
    ({"aggregation": "percentile"}, "endpoints.0.aggregation: percentile needs q, as in 95"),
    ({"aggregation": {"name": "mean", "q": 95}}, "endpoints.0.aggregation: mean has no q"),
    (
        {"aggregation": {"name": "percentile", "q": 100}},
        "endpoints.0.aggregation.q: Input should be less than 100",
    ),
    ({"aggregation": "exceedance_share"}, "endpoints.0.aggregation: exceedance_share needs a threshold"),
    ({"aggregation": {"name": "max", "threshold": 3}}, "endpoints.0.aggregation: max has no threshold"),
    ({"aggregation": {"name": "sum", "step": "PT1H"}}, "endpoints.0.aggregation: sum has no step"),
    ({"aggregation": {"name": "max", "step": "PT7H"}}, "endpoints.0.aggregation: step must go into a day"),
    (
        {"aggregation": {"name": "max", "step": "PT30M"}},
        "endpoints.main.aggregation.step: not a whole number of the planned intervals",
    ),
    ({"aggregation": "duty"}, "endpoints.main.unit: duty is a share, its unit is 1 or %"),
    ({"filter": {}}, "endpoints.0.filter: a filter needs hours, weekdays, holidays, sites or devices"),
    ({"filter": {"hours": ["7:00", "19:00"]}}, "endpoints.0.filter.hours.0: String should match pattern"),
    (
        {"filter": {"hours": ["07:00", "07:00"]}},
        "endpoints.0.filter: hours must end at another time than they begin",
    ),
    ({"filter": {"weekdays": ["mon", "mon"]}}, "endpoints.0.filter.weekdays: name each only once"),
    ({"filter": {"weekdays": ["lundi"]}}, "endpoints.0.filter.weekdays.0: Input should be 'mon'"),
    (
        {"filter": {"devices": ["nobody"]}},
        "endpoints.main.filter.devices: 'nobody' is in no arm of this endpoint",
    ),
    ({"filter": {"months": [1]}}, "endpoints.0.filter.months: Extra inputs are not permitted"),
    (
        {"filter": {"hours": ["07:00", "19:00"]}, "aggregation": "lden"},
        "endpoints.main.filter.hours: lden has hours of its own",
    ),
]
