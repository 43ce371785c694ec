"""Each series is made once and equals a fresh one; an evaluation depends neither on the order of rows nor on
earlier questions.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from insitu.model import AveragingScale, PeriodName
from insitu.times import to_whole_second_us
from tests.trials.world import (
    DAY,
    START,
    criterion,
    cycle,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    series,
    window,
    with_gaps,
)
from trials.designs import DESIGNS
from trials.evaluation import document_of
from trials.judge.compute import compute
from trials.judge.experimental_units import Units
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Arm, Period
from trials.plan.reading import canonical
from trials.series.aggregate import about, as_counted, is_about
from trials.series.inputs import USED, USED_WITH_SUSPECT, Placement, StreamInput, TrialInputs
from trials.series.scale import ARITHMETIC, ENERGETIC, Scale
from trials.series.slots import Bools, Calendar, Floats, Unit, fill, filled

HOURS = 48 * 24
UNITS = {"arithmetic": "ug/m3", "energetic": "dB"}
DEVICES = {"candidate": ["candidate-1", "candidate-2", "candidate-3"], "control": ["control-1", "control-2"]}
FILTER = {"hours": ["07:00", "19:00"], "weekdays": ["mon", "tue", "wed", "thu", "sat"]}
AGGREGATIONS: list[Any] = [
    "mean",
    {"name": "percentile", "q": 90, "step": "PT2H"},
    {"name": "exceedance_share", "threshold": 31},
    {"name": "duty", "threshold": 30},
    "sum",
    "max",
    "lden",
]


def world(aggregation: Any, scale: str, *, filtered: bool = False) -> TrialInputs:
    """Two periods of 24 days with gaps, a window, suspect and failed results, a swap, and minutes that share
    an hour.
    """
    name = aggregation if isinstance(aggregation, str) else aggregation["name"]
    made = endpoint(
        "control_sites",
        [criterion("effect", high=-1)],
        arms=["candidate", "control"],
        aggregation=aggregation,
        filter=FILTER if filtered else None,
    )
    made["unit"] = "1" if name in ("exceedance_share", "duty") else "ug/m3"
    other = made | {
        "name": "before-after",
        "design": "before_after",
        "rank": "secondary",
        "arms": {"candidate": "candidate"},
    }
    plan = protocol(
        made, other, periods=[period("baseline", 0, 24), period("reporting", 24, 48)], devices=DEVICES
    )
    rng = np.random.default_rng(6)
    streams = []
    for role, devices in DEVICES.items():
        for device in devices:
            values = with_gaps(rng, 30 + cycle(HOURS) + noise(rng, 0.6, HOURS, 1.5), 0.01)
            stream = series(device, values, role=role, averaging_scale=scale, unit=UNITS[scale])
            stream.flag[3::40], stream.flag[9::90], stream.flag[11::70] = 3, 4, 2
            streams.append(stream)
    swapped = Placement("station", "candidate-2", START - 30 * DAY, START + 10 * DAY)
    streams[1] = replace(streams[1], placements=[swapped])
    newcomer = series(
        "newcomer", 30 + cycle(HOURS) + noise(rng, 0.6, HOURS, 1.5), averaging_scale=scale, unit=UNITS[scale]
    )
    twice = np.sort(np.concatenate([newcomer.time_us, newcomer.time_us + 1_700_000_000]))
    streams.append(
        replace(
            newcomer,
            placements=[replace(swapped, start=START + 10 * DAY, end=None)],
            time_us=twice,
            result=np.repeat(newcomer.result, 2) + np.tile([0.0, 3.0], HOURS),
            flag=np.repeat(newcomer.flag, 2),
        )
    )
    return inputs(plan, streams, windows=[window("candidate-1", 100, 130)])


def of_slot(one: Endpoint, stream: StreamInput, results: list[float]) -> float:
    """Mean or sum of the results of one slot."""
    levels = stream.averaging_scale == AveragingScale.ENERGETIC and one.aggregation.name not in (
        "duty",
        "sum",
    )
    counted = as_counted(one.aggregation, np.array(results)).tolist()
    total = sum(10 ** (value / 10) for value in counted) if levels else sum(counted)
    if one.aggregation.name == "sum":
        return total
    return 10 * math.log10(total / len(results)) if levels else total / len(results)


def by_hand(given: TrialInputs, one: Endpoint, arm: Arm, span: Period, usable: tuple[int, ...]) -> list[Unit]:
    """The units of an arm from the observations, one after the other, without a cache."""
    protocol = given.protocol
    calendar = Calendar.of(
        span.start, span.end, protocol.interval_of(one.property, arm.name), protocol.time_zone
    )
    starts = calendar.starts_us
    found = []
    for device in arm.devices:
        streams = given.series_of(device, one.property)
        value, heard = slots_by_hand(one, streams, calendar, usable)
        excused = np.zeros(calendar.n, bool)
        for w in given.windows:
            if w.covers(device, [arm.site]) and w.end is not None:
                excused |= (starts >= to_whole_second_us(w.start)) & (starts < to_whole_second_us(w.end))
        places = [p for s in streams for p in s.placements if s.device == device]
        if is_about(one, device, places):
            found.append(
                about(one, Unit(device, calendar, value, excused, heard, np.zeros(calendar.n, bool)), places)
            )
    return found


def slots_by_hand(
    one: Endpoint, streams: list[StreamInput], calendar: Calendar, usable: tuple[int, ...]
) -> tuple[Floats, Bools]:
    """(value of each slot, from the first datastream that has one; whether it holds anything)."""
    value, heard = np.full(calendar.n, np.nan), np.zeros(calendar.n, bool)
    edges_us = calendar.edges_us.tolist()
    for stream in streams:
        rows: dict[int, list[float]] = {}
        for time_us, result, flag in zip(
            stream.time_us.tolist(), stream.result.tolist(), stream.flag.tolist(), strict=True
        ):
            slot = bisect_right(edges_us, time_us) - 1
            if 0 <= slot < calendar.n:
                heard[slot] = True
                rows.setdefault(slot, []).extend([result] * (flag in usable))
        for slot, results in rows.items():
            if results and np.isnan(value[slot]):
                value[slot] = of_slot(one, stream, results)
    return value, heard


CASES = [
    (a, scale, filtered)
    for a in AGGREGATIONS
    for scale in ("arithmetic", "energetic")
    for filtered in (False, True)
    if a != "lden" or not filtered
]


def named(part: Any) -> str:
    return part["name"] if isinstance(part, dict) else str(part)


@pytest.mark.parametrize(("aggregation", "scale", "filtered"), CASES, ids=named)
def test_units_that_are_kept_are_those_that_the_observations_make(
    aggregation: Any, scale: str, filtered: bool
) -> None:
    given = world(aggregation, scale, filtered=filtered)
    units = Units(given)
    for _, one in product(range(2), given.protocol.endpoints):  # the second time from the cache
        for suspect in (False, True):
            question = units.question(one, 0.95, suspect=suspect)
            for (role, name), found in question.units.items():
                span = given.protocol.period(name)
                assert span is not None
                wanted = by_hand(
                    given, one, given.protocol.arm(role), span, USED_WITH_SUSPECT if suspect else USED
                )
                assert [unit.name for unit in found] == [unit.name for unit in wanted]
                for unit, other in zip(found, wanted, strict=True):
                    assert np.allclose(unit.value, other.value, rtol=1e-13, atol=0, equal_nan=True)
                    for field in ("excused", "heard", "afterwards", "inside"):
                        assert np.array_equal(getattr(unit, field), getattr(other, field)), field


@pytest.mark.parametrize(("aggregation", "scale", "filtered"), CASES, ids=named)
def test_the_order_of_rows_and_of_datastreams_changes_no_number(
    aggregation: Any, scale: str, filtered: bool
) -> None:
    given = world(aggregation, scale, filtered=filtered)
    rng = np.random.default_rng(1)
    mixed = []
    for stream in reversed(given.streams):
        order = rng.permutation(len(stream.time_us))
        mixed.append(
            replace(
                stream, time_us=stream.time_us[order], result=stream.result[order], flag=stream.flag[order]
            )
        )
    one, other = compute(given), compute(replace(given, streams=mixed))
    assert canonical(document_of(one)["endpoints"]) == canonical(document_of(other)["endpoints"])
    assert one.gate == other.gate
    assert min(result.valid for result in one.gate) > 300
    if (aggregation, filtered) == ("mean", False):
        assert {found.name for found in one.endpoints[0].sensitivity} >= {
            "suspect_included",
            *(f"leave_out:{d}" for d in DEVICES["candidate"]),
        }


def test_an_answer_without_a_device_is_what_a_trial_without_it_would_answer() -> None:
    """Cached single units appear unchanged in other answers."""
    given = world("mean", "arithmetic")
    one = given.protocol.endpoints[0]
    units = Units(given)
    DESIGNS[one.design].answer(units.question(one, 0.95))
    for device in DEVICES["candidate"]:
        kept = (
            DESIGNS[one.design]
            .answer(units.question(one, 0.95).without([device]))
            .statistic("effect")
            .estimate(0.95)
        )
        alone = (
            DESIGNS[one.design]
            .answer(Units(given).question(one, 0.95).without([device]))
            .statistic("effect")
            .estimate(0.95)
        )
        assert kept == alone
    assert len(units.question(one, 0.95).without(["candidate-1"]).arm("candidate", PeriodName.REPORTING)) == 2


def test_each_series_is_made_once_for_all_that_asks_for_it() -> None:
    given = world("mean", "arithmetic")
    first, second = given.protocol.endpoints
    units = Units(given)
    asked = units.question(first, 0.95).arm("candidate", PeriodName.REPORTING)
    again = units.question(first, 0.9).without(["candidate-1"]).arm("candidate", PeriodName.REPORTING)
    other = units.question(second, 0.95).arm("candidate", PeriodName.REPORTING)
    assert [a is b for a, b in zip(asked[1:], again, strict=True)] == [True, True]
    assert [a is b for a, b in zip(asked, other, strict=True)] == [True, True, True]
    suspect = units.question(first, 0.95, suspect=True).arm("candidate", PeriodName.REPORTING)
    assert not any(a is b for a, b in zip(asked, suspect, strict=True))


def test_flags_that_no_observation_has_make_no_other_series() -> None:
    given = world("mean", "arithmetic")
    for stream in given.streams:
        stream.flag[:] = 1
    units = Units(given)
    one = given.protocol.endpoints[0]
    asked, suspect = (
        units.question(one, 0.95, suspect=suspect).arm("control", PeriodName.BASELINE)
        for suspect in (False, True)
    )
    assert [a is b for a, b in zip(asked, suspect, strict=True)] == [True, True]


@pytest.mark.parametrize("summed", [False, True], ids=["mean", "sum"])
@pytest.mark.parametrize("scale", [ARITHMETIC, ENERGETIC], ids=["arithmetic", "energetic"])
def test_a_slot_with_one_observation_is_as_exact_as_one_with_many(scale: Scale, summed: bool) -> None:
    """A slot with one observation takes a shorter path, with the same bits as the long path. A second
    observation in another slot forces the long path.
    """
    calendar = Calendar.of(START, START + DAY, DAY / 96, "Europe/Paris")
    rng = np.random.default_rng(2)
    time_us = int(calendar.edges_us[0]) + calendar.step_us * np.arange(95, dtype=np.int64) + 7
    result = np.r_[rng.normal(60, 5, 92), -0.0, 0.1 + 0.2, 1e-300]
    short = fill(calendar, time_us, result, scale, summed=summed)
    twice = int(calendar.edges_us[0]) + 95 * calendar.step_us
    long = fill(calendar, np.r_[time_us, twice, twice + 1], np.r_[result, 1.0, 1.0], scale, summed=summed)
    assert short[:95].tobytes() == long[:95].tobytes()
    assert np.isnan(short[95])
    assert filled(calendar, time_us).tolist() == [True] * 95 + [False]


def test_observations_outside_the_period_fill_no_slot_of_it() -> None:
    calendar = Calendar.of(START, START + DAY, DAY / 24, "Europe/Paris")
    ends = np.array(
        [
            int(calendar.edges_us[0]) - 1,
            int(calendar.edges_us[0]),
            int(calendar.edges_us[0]) + 86_400_000_000 - 1,
            int(calendar.edges_us[0]) + 86_400_000_000,
        ]
    )
    values: Floats = np.array([1.0, 2.0, 3.0, 4.0])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        found = fill(calendar, ends[order], values[order], ARITHMETIC)
        assert (found[0], found[23], np.isfinite(found).sum()) == (2.0, 3.0, 2)
