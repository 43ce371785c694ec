"""Planned intervals of a day and longer: which of them a window or a place takes, and the finding where
several results share one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.arrays import Floats
from insitu.model import Flag
from insitu.spacing import Spacing
from tests.trials.world import DAY, HOUR, START, criterion, endpoint, inputs, period, protocol, series, window
from trials.evaluation import EndpointResult, Evaluation
from trials.judge.compute import compute
from trials.plan.rules import RULES_1, Rules
from trials.report.sentence import sentence_of
from trials.series.aggregate import within
from trials.series.inputs import StreamInput, TrialInputs
from trials.series.slots import Calendar
from trials.statement import AsFinding

WEEK = timedelta(days=7)


def tubes(*, weeks: int = 12, every: str = "P1W", name: str = "reporting") -> TrialInputs:
    """A passive tube a week, or a filter a day, against a limit."""
    made = endpoint("limit_compliance", [criterion("mean", high=40.0)], arms=["candidate"])
    plan = protocol(
        made,
        periods=[period(name, 0, 7 * weeks)],
        measurements=[{"property": "no2", "arms": ["candidate"], "interval": every}],
    )
    step = Spacing.parse(every)
    count = 7 * weeks if every == "P1D" else weeks
    times = [START + timedelta(days=(n + 0.5) * step.days) for n in range(count)]
    values = 30 + np.random.default_rng(5).normal(0, 2, count)
    return inputs(plan, [stamped(times, values)])


def stamped(times: list[datetime], values: Floats) -> StreamInput:
    made = series("candidate-1", values)
    return replace(made, time_us=np.array([round(at.timestamp() * 1e6) for at in times], np.int64))


def excused(given_: TrialInputs) -> int:
    return compute(given_).gate[0].excused


def without(given_: TrialInputs, *lost: int) -> TrialInputs:
    (stream,) = given_.streams
    kept = np.delete(np.arange(len(stream.time_us)), list(lost))
    thinned = replace(
        stream, time_us=stream.time_us[kept], result=stream.result[kept], flag=stream.flag[kept]
    )
    return replace(given_, streams=[thinned])


@pytest.mark.parametrize(
    ("first_hour", "last_hour", "expected"),
    [
        (7 * 24 + 1, 14 * 24 - 1, 1),  # six days and 22 hours of the second week
        (7 * 24, 7 * 24 + 1, 0),  # one hour at its beginning
        (7 * 24 - 12, 7 * 24 + 3 * 24 + 11, 0),  # just less than half
        (10 * 24 + 12, 14 * 24, 1),  # just half
    ],
)
def test_a_window_excuses_a_week_of_which_it_takes_at_least_half(
    first_hour: int, last_hour: int, expected: int
) -> None:
    base = without(tubes(), 1)
    shut = replace(base, windows=[window("candidate-1", first_hour, last_hour)])
    assert excused(shut) == expected


def test_two_windows_that_overlap_are_counted_once() -> None:
    base = without(tubes(), 1)
    first, second = window("candidate-1", 7 * 24, 9 * 24), window("candidate-1", 8 * 24, 10 * 24)
    assert excused(replace(base, windows=[first, second])) == 0  # three days of seven
    third = window("candidate-1", 12 * 24, 13 * 24)
    assert excused(replace(base, windows=[second, third, first])) == 1  # four


def test_by_rules_1_the_beginning_of_an_interval_decides() -> None:
    base = replace(without(tubes(), 1), rules=Rules(RULES_1))
    assert excused(replace(base, windows=[window("candidate-1", 7 * 24 + 1, 14 * 24 - 1)])) == 0
    assert excused(replace(base, windows=[window("candidate-1", 7 * 24, 7 * 24 + 1)])) == 1


spans = st.lists(
    st.tuples(st.integers(-2_000, 12_000), st.one_of(st.none(), st.integers(0, 6_000))), max_size=5
)


@given(spans=spans, step=st.sampled_from(["PT15M", "PT1H", "P1D"]))
def test_the_half_is_that_of_the_minutes(spans: list[tuple[int, int | None]], step: str) -> None:
    """The oracle counts minutes; the clocks change within the period."""
    start = datetime(2026, 3, 26, 23, tzinfo=UTC)
    end = datetime(2026, 4, 1, 22, tzinfo=UTC)
    calendar = Calendar.of(start, end, Spacing.parse(step), "Europe/Paris")
    minutes = np.zeros(round((end - start).total_seconds() / 60), bool)
    declared = []
    for first, length in spans:
        last = None if length is None else first + length
        minutes[max(0, first) : None if last is None else max(0, last)] = True
        begin = start + timedelta(minutes=first)
        declared.append((begin, None if length is None else begin + timedelta(minutes=length)))
    bounds = ((calendar.edges_us / 1e6 - start.timestamp()) / 60).astype(int)
    expected = [2 * minutes[a:b].sum() >= b - a for a, b in pairwise(bounds)]
    assert within(declared, calendar, by_half=True).tolist() == expected


# -- several results in one interval


def findings(evaluation: Evaluation) -> list[str]:
    (result,) = evaluation.endpoints
    return [sentence_of(one) for one in _crowded(result)]


def _crowded(result: EndpointResult) -> list[AsFinding]:
    return [one for one in result.findings if one.code == "several_in_interval"]


def doubled(base: TrialInputs, *at: int, shift: timedelta = 3 * HOUR, flag: Flag = Flag.PASS) -> TrialInputs:
    (stream,) = base.streams
    more = stream.time_us[list(at)] + round(shift.total_seconds() * 1e6)
    times = np.concatenate([stream.time_us, more])
    order = np.argsort(times)
    results = np.concatenate([stream.result, np.full(len(at), 90.0)])
    flags = np.concatenate([stream.flag, np.full(len(at), int(flag), np.int8)])
    joined = replace(stream, time_us=times[order], result=results[order], flag=flags[order])
    return replace(base, streams=[joined])


def test_two_filters_of_one_day_are_told() -> None:
    told = findings(compute(doubled(tubes(every="P1D"), 3, 10)))
    assert len(told) == 1
    assert "candidate-1 has 4 results in 2 of its 84 planned intervals" in told[0]


def test_one_each_and_many_each_are_as_planned() -> None:
    base = tubes(every="P1D")
    assert not findings(compute(base))
    hourly = replace(base, streams=[series("candidate-1", 30 + np.arange(84 * 24) % 24)])
    assert not findings(compute(hourly))


def test_a_result_that_is_not_used_shares_nothing() -> None:
    assert not findings(compute(doubled(tubes(every="P1D"), 3, flag=Flag.FAIL)))


def test_rules_1_say_nothing_of_it() -> None:
    assert not findings(compute(replace(doubled(tubes(every="P1D"), 3), rules=Rules(RULES_1))))


def test_a_tube_read_twice_in_its_week_is_told() -> None:
    told = findings(compute(doubled(tubes(), 4, shift=2 * DAY)))
    assert "2 results in 1 of its 12 planned intervals" in told[0]
