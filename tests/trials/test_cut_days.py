"""Periods that begin or end within a day, a week or a month: the rest is no whole one. Counted again here
with the clock of the standard library alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insitu.model import PeriodName, Verdict
from insitu.spacing import Spacing
from tests.examples import examples
from tests.trials.world import DAY, HOUR, START, criterion, endpoint, inputs, period, protocol, series
from trials.designs import ask
from trials.evaluation import Evaluation
from trials.judge.compute import compute
from trials.plan.rules import NEWEST, Rules

PARIS = ZoneInfo("Europe/Paris")


def evaluated(first: datetime, last: datetime, *, rules: int = NEWEST, **more: Any) -> Evaluation:
    """A limit over [first, last), with a value in every hour of more than that."""
    made = endpoint(
        more.pop("design", "limit_compliance"),
        [criterion(*more.pop("asked", ("mean", None, 30.0)))],
        arms=more.pop("arms", ["candidate"]),
        parameters=more.pop("parameters", {"u_meas": 0.1}),
        **more,
    )
    span = {"name": "reporting", "start": first.isoformat(), "end": last.isoformat()}
    hours = int((last - first) / HOUR) + 96
    rng = np.random.default_rng(3)
    level = 20 + rng.normal(0, 2, hours)
    begins = first.replace(minute=0) - 48 * HOUR
    streams = [
        series(f"{arm}-1", level + rng.normal(0, 1, hours), start=begins, role=arm) for arm in made["arms"]
    ]
    given_inputs = inputs(protocol(made, periods=[span]), streams)
    return compute(replace(given_inputs, rules=Rules(rules)))


def gate_days(found: Evaluation) -> tuple[int, int]:
    return found.gate[0].days, found.gate[0].days_valid


def test_a_period_from_23_hours_has_no_day_of_one_hour() -> None:
    """13 days and an hour were the 14 that an interval needs."""
    begins = START - HOUR
    old = evaluated(begins, begins + 13 * DAY + HOUR, rules=3)
    assert (gate_days(old), old.verdict) == ((14, 14), Verdict.MET)
    new = evaluated(begins, begins + 13 * DAY + HOUR)
    assert (gate_days(new), new.verdict) == ((13, 13), Verdict.NOT_EVALUABLE)
    assert "too_few_days" in {one.code for one in new.endpoints[0].findings}


def test_the_rest_of_a_day_at_the_end_of_a_period_is_no_day_either() -> None:
    assert gate_days(evaluated(START, START + 20 * DAY + 2 * HOUR, rules=3)) == (21, 21)
    assert gate_days(evaluated(START, START + 20 * DAY + 2 * HOUR)) == (20, 20)


def test_three_quarters_of_a_day_are_one_as_everywhere() -> None:
    assert gate_days(evaluated(START + 6 * HOUR, START + 20 * DAY)) == (20, 20)
    assert gate_days(evaluated(START + 7 * HOUR, START + 20 * DAY)) == (19, 19)


def test_a_filter_decides_what_a_whole_day_plans() -> None:
    """From 8 to 10 h: a period from 7 h has both hours of its first day, one from 9 h the half."""
    office = {"filter": {"hours": ["08:00", "10:00"]}}
    assert gate_days(evaluated(START + 7 * HOUR, START + 20 * DAY, **office)) == (20, 20)
    assert gate_days(evaluated(START + 9 * HOUR, START + 20 * DAY, **office)) == (19, 19)


@settings(max_examples=examples(quick=25, nightly=200), deadline=None)
@given(st.integers(0, 60 * 24), st.integers(15 * 24, 45 * 24))
def test_the_days_of_a_period_are_those_that_a_clock_counts(first: int, hours: int) -> None:
    """Over the change of the clocks on 29 March: each local date that has 18 hours or more in the period,
    since three quarters of the usual 24 are 18.
    """
    begins = START + first * HOUR
    inside: dict[date, int] = {}
    for number in range(hours):
        there = (begins + number * HOUR).astimezone(PARIS).date()
        inside[there] = inside.get(there, 0) + 1
    ends = min(inside), max(inside)
    whole = [day for day, count in inside.items() if day not in ends or count >= 18]
    assert gate_days(evaluated(begins, begins + hours * HOUR)) == (len(whole), len(whole))


@pytest.mark.parametrize(
    ("grid", "first", "last", "old", "new"),
    [
        ("P1D", -HOUR, 20 * DAY, 21, 20),
        ("P1D", timedelta(), 20 * DAY + 2 * HOUR, 21, 20),
        ("PT6H", 5 * HOUR, 20 * DAY, 80, 79),
        ("P7D", timedelta(), 10 * 7 * DAY + 2 * DAY, 11, 10),
        ("P1M", timedelta(), 96 * DAY, 4, 3),
    ],
)
def test_a_step_of_the_grid_that_the_period_cuts_is_no_pair(
    grid: str, first: timedelta, last: timedelta, old: int, new: int
) -> None:
    """One hour at 23 h was a daily mean, two days a weekly one, four days of June a month."""
    hours = int((last - first) / HOUR)
    answer = ask(
        "reference_collocation",
        arms={role: {"reporting": np.arange(float(hours))} for role in ("candidate", "reference")},
        start={"reporting": START + first},
        interval=HOUR,
        time_zone="Europe/Paris",
        grid=Spacing.parse(grid),
        bare=True,
    )
    assert answer.question is not None
    steps = []
    for rules in (3, NEWEST):
        question = replace(answer.question, rules=Rules(rules), made={})
        _, ((values,),) = question.on_grid(question.arm("candidate", PeriodName.REPORTING))
        steps.append(int(np.isfinite(values).sum()))
    assert steps == [old, new]


def test_newey_west_errors_want_no_value_of_a_day_that_the_period_cuts() -> None:
    made = endpoint("before_after", [criterion("effect", high=0)], arms=["candidate"])
    begins = START - HOUR
    plan = protocol(made, periods=[period("baseline", 0, 20, begins), period("reporting", 20, 40, begins)])
    values = np.random.default_rng(1).normal(20, 2, 40 * 24)
    values[20 * 24 :] -= 4
    (found,) = compute(inputs(plan, [series("candidate-1", values, start=begins)])).endpoints
    assert "hac" in {one.name for one in found.sensitivity}
    assert "hac_needs_full_grid" not in {one.code for one in found.findings}
