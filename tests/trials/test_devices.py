"""A device of an arm that comes or goes makes no effect: rules 6, decision 0039.

The oracle for a device's own level is the world itself, which the tests make: level of the day + level of the
device.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.model import PeriodName, Verdict
from trials.designs import Answer, ask
from trials.designs.devices import lacking
from trials.designs.registry import DESIGNS
from trials.judge.answers import judged
from trials.plan.rules import Rules
from trials.series.standing import Standing

BASELINE, REPORTING = PeriodName.BASELINE, PeriodName.REPORTING
DAYS = 40
START = datetime(2026, 3, 2, tzinfo=UTC)
STARTS = {BASELINE: START, REPORTING: START + timedelta(days=DAYS)}
FIVE = [0.0, 2.0, -3.0, 1.0, 15.0]
"""Levels of devices: one stands out."""


def arm(
    rng: np.random.Generator, weather: np.ndarray[Any, Any], levels: list[float]
) -> dict[str, np.ndarray[Any, Any]]:
    return {f"d{n}": weather + level + rng.normal(0, 1.0, len(weather)) for n, level in enumerate(levels)}


def by_period(whole: dict[str, np.ndarray[Any, Any]]) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    half = 24 * DAYS
    return {
        BASELINE: {name: values[:half] for name, values in whole.items()},
        REPORTING: {name: values[half:] for name, values in whole.items()},
    }


def asked(
    number: int,
    *,
    lost: tuple[str, str, slice] | None = None,
    candidates: list[float] | None = None,
    controls: list[float] | None = None,
    design: str = "control_sites",
    target: float = 0.0,
    statistic: str = "effect",
) -> Answer:
    """Nothing is done. `lost`: role, device, its hours."""
    rng = np.random.default_rng(number)
    weather = 40 + np.repeat(rng.normal(0, 3, 2 * DAYS), 24)
    arms = {
        "candidate": arm(rng, weather, candidates or [0.0]),
        "control": arm(rng, weather, controls or FIVE),
    }
    if lost is not None:
        arms[lost[0]][lost[1]][lost[2]] = np.nan
    given = {role: by_period(found) for role, found in arms.items()}
    if design in ("before_after", "limit_compliance"):
        del given["control"]
    if REPORTING in DESIGNS[design].periods and BASELINE not in DESIGNS[design].periods:
        given = {role: {REPORTING: found[REPORTING]} for role, found in given.items()}
    return ask(
        design,
        arms=given,
        start=STARTS,
        interval=timedelta(hours=1),
        targets={statistic: (None, target)},
        parameters={"trend_tolerance": 5.0} if design == "control_sites" else {},
        bare=True,
    )


def codes(answer: Answer) -> set[str]:
    return {one.code for one in (*answer.findings, *judged(answer, tell=False).findings)}


AFTER, BEFORE = slice(24 * DAYS, None), slice(0, 24 * DAYS)
LOST = {
    "dies at the change": AFTER,
    "comes at the change": BEFORE,
    "leaves half-way": slice(36 * DAYS, None),
    "a third of the reporting period": slice(32 * DAYS, 40 * DAYS),
}


@pytest.mark.parametrize("role", ["control", "candidate"])
@pytest.mark.parametrize("hours", LOST.values(), ids=LOST)
def test_a_device_that_stands_out_and_is_lost_decides_nothing_in_either_arm(role: str, hours: slice) -> None:
    candidates = FIVE if role == "candidate" else [0.0]
    for number in range(5):
        answer = asked(number, lost=(role, "d4", hours), candidates=candidates)
        assert judged(answer, tell=False).verdict not in (Verdict.MET, Verdict.NOT_MET)


@pytest.mark.parametrize("role", ["control", "candidate"])
@pytest.mark.parametrize("hours", [AFTER, BEFORE], ids=["dies", "comes"])
def test_it_is_named_with_what_the_effect_would_be(role: str, hours: slice) -> None:
    candidates = FIVE if role == "candidate" else [0.0]
    for number in range(5):
        answer = asked(number, lost=(role, "d4", hours), candidates=candidates)
        told = next(one for one in answer.findings if one.code == "device_explains")
        assert told.evidence["device"] == "d4"
        assert told.evidence["arm"] == role
        assert abs(float(str(told.evidence["steady"]))) < 0.5 < abs(float(str(told.evidence["value"])))
        assert judged(answer, tell=False).verdict is Verdict.NOT_EVALUABLE


def test_rules_5_were_certain_and_wrong_there() -> None:
    """Earlier rules compute as they did."""
    answer = asked(1, lost=("control", "d4", AFTER))
    question = answer.question
    assert question is not None
    earlier = replace(question, rules=Rules(5), made={})
    old = DESIGNS["control_sites"].answer(earlier)
    old.question = earlier
    assert old.statistic("effect").value == pytest.approx(3.0, abs=0.5)
    assert judged(old, tell=False).verdict is Verdict.NOT_MET


def test_the_sentence_counts_its_days() -> None:
    told = next(
        one
        for one in asked(2, lost=("control", "d4", slice(24 * 60, None))).findings
        if one.code == "device_explains"
    )
    assert (told.evidence["silent"], told.evidence["days"], told.evidence["period"]) == (20, 40, "reporting")


def test_two_arms_of_one_period_are_asked_too() -> None:
    half = slice(36 * DAYS, None)
    answer = asked(3, lost=("control", "d4", half), design="equivalence", statistic="difference")
    assert "device_explains" in codes(answer)


def test_where_all_are_there_or_a_device_is_like_the_others_nothing_is_told() -> None:
    for number in range(20):
        assert not codes(asked(number)) & {"device_explains", "tipping_device"}
        alike = asked(number, controls=[0.0] * 5, lost=("control", "d4", slice(24 * 70, 24 * 73)))
        assert "device_explains" not in codes(alike)


def test_a_verdict_that_only_the_device_makes_is_inconclusive() -> None:
    """The mean moves by less than the interval is wide, and the target lies between the two ends."""
    levels = [0.0, 0.0, 0.0, 0.0, 0.2]
    answer = asked(4, lost=("control", "d4", AFTER), controls=levels)
    question = answer.question
    assert question is not None
    steady = DESIGNS["control_sites"].answer(replace(question, steady=True)).statistic("effect")
    plain = answer.statistic("effect")
    ends = plain.interval(0.95)[0], steady.interval(0.95)[0]
    assert ends[0] > ends[1]
    between = asked(4, lost=("control", "d4", AFTER), controls=levels, target=sum(ends) / 2)
    found = judged(between, tell=False)
    assert found.verdict is Verdict.INCONCLUSIVE
    told = next(one for one in found.findings if one.code == "tipping_device")
    assert (told.evidence["device"], told.evidence["silent"], told.evidence["verdict"]) == (
        "d4",
        40,
        "not_met",
    )


def test_no_device_is_blamed_where_the_arms_are_whole() -> None:
    question = asked(5).question
    assert question is not None
    assert lacking(question) is None


# -- a device's own level


@given(
    st.integers(0, 10**6),
    st.integers(2, 6),
    st.integers(3, 30),
    st.floats(0.1, 0.9),
)
def test_what_was_lost_of_days_plus_devices_comes_back(
    number: int, devices: int, days: int, share: float
) -> None:
    """Without noise the table is the world again, wherever the devices hang together; what was measured stays
    as it is.
    """
    rng = np.random.default_rng(number)
    world = rng.normal(0, 5, days) + rng.normal(0, 5, devices)[:, None]
    table = np.where(rng.random(world.shape) < share, np.nan, world)
    table[0, :] = world[0, :]  # the first is always there, so that all hang together
    first = days // 2
    given_table = {
        BASELINE: {f"d{n}": row[:first] for n, row in enumerate(table)},
        REPORTING: {f"d{n}": row[first:] for n, row in enumerate(table)},
    }
    standing = Standing.of(given_table)
    ever = np.isfinite(table).any(axis=1)
    if np.isfinite(table[ever]).all():
        assert standing is None
        return
    assert standing is not None
    for period, of in ((BASELINE, slice(0, first)), (REPORTING, slice(first, None))):
        np.testing.assert_allclose(standing.of_period(period), world[ever, of], atol=1e-8)


def test_groups_that_were_never_there_together_are_not_compared() -> None:
    here, gone = np.arange(10.0), np.full(10, np.nan)
    assert Standing.of({BASELINE: {"a": here, "b": gone}, REPORTING: {"a": gone, "b": here}}) is None


def test_a_device_that_was_never_there_is_left_out() -> None:
    here, gone = np.arange(10.0), np.full(10, np.nan)
    assert Standing.of({REPORTING: {"a": here, "b": gone}}) is None
    late = np.where(np.arange(10) < 5, np.nan, here + 2)
    standing = Standing.of({REPORTING: {"a": here, "b": gone, "c": late}})
    assert standing is not None
    assert [one.device for one in standing.absences()] == ["c"]
