"""Exclusion rules of a protocol: events that leave results out, and those that do not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from insitu.arrays import Floats
from tests.trials.world import (
    DAY,
    HOUR,
    START,
    TEXT,
    criterion,
    endpoint,
    inputs,
    period,
    protocol,
    protocol_json,
    series,
    window,
)
from trials.evaluation import Evaluation
from trials.judge.compute import compute
from trials.plan.reading import WrongProtocol, read_protocol
from trials.plan.rules import Rules
from trials.series.inputs import Placement, TrialInputs

DAYS = 30
MADE = endpoint(
    "limit_compliance", [criterion("mean", high=40.0)], arms=["candidate"], parameters={"u_meas": 0.1}
)
PERIODS = [period("reporting", 0, DAYS)]
CLEANING = {"event": "maintenance", "strategy": "exclude", "reason": TEXT}


def values() -> Floats:
    """About 30; the filter is open on the third and fourth day, where the device reads 90."""
    found = 30 + np.random.default_rng(4).normal(0, 2, 24 * DAYS)
    found[48:96] = 90.0
    return found


def given(*rules: dict[str, Any], kind: str = "maintenance") -> TrialInputs:
    plan = protocol(MADE, periods=PERIODS, exclusions=list(rules))
    opened = replace(window("candidate-1", 48, 96), kind=kind)
    return inputs(plan, [series("candidate-1", values())], windows=[opened])


def mean(evaluation: Evaluation) -> float:
    return next(one.value for one in evaluation.endpoints[0].estimates if one.statistic == "mean")


def told(evaluation: Evaluation) -> list[dict[str, Any]]:
    findings = evaluation.endpoints[0].findings
    return [dict(one.evidence) for one in findings if one.code == "left_out_as_planned"]


def test_without_a_rule_a_result_in_a_window_counts() -> None:
    for rules in ([], [TEXT], [CLEANING | {"strategy": "keep"}]):
        evaluation = compute(given(*rules))
        assert mean(evaluation) == pytest.approx(values().mean(), abs=0.1)
        assert told(evaluation) == []


def test_a_rule_leaves_its_event_out_and_says_so() -> None:
    evaluation = compute(given(CLEANING))
    kept = np.delete(values(), np.arange(48, 96))
    assert mean(evaluation) == pytest.approx(kept.mean(), abs=0.1)
    assert told(evaluation) == [
        {"arm": "candidate", "period": "reporting", "event": "maintenance", "intervals": 48}
    ]
    (gate,) = evaluation.gate
    # The clocks change, so the last hour lies on a 31st day, which is none.
    assert (gate.planned, gate.valid, gate.days) == (24 * DAYS - 48, 24 * DAYS - 48, 28)
    assert evaluation.endpoints[0].missing is not None
    assert evaluation.endpoints[0].missing.missing == 0


def test_the_time_to_settle_counts_with_the_event() -> None:
    evaluation = compute(given(CLEANING | {"settles": "PT6H"}))
    assert [one["intervals"] for one in told(evaluation)] == [54]


def test_another_event_is_not_touched() -> None:
    assert told(compute(given(CLEANING, kind="incident"))) == []


def test_nobody_can_declare_a_bad_day_away() -> None:
    opened = given(CLEANING)
    late = replace(opened, windows=[replace(opened.windows[0], declared_at=opened.now)])
    evaluation = compute(late)
    assert mean(evaluation) == pytest.approx(values().mean(), abs=0.1)
    assert told(evaluation) == []


def test_a_swap_leaves_out_the_time_in_which_the_new_device_settles() -> None:
    rule = {"event": "swap", "strategy": "exclude", "settles": "P1D", "reason": TEXT}
    plan = protocol(MADE, periods=PERIODS, exclusions=[rule])
    at = START + 10 * DAY
    old = series(
        "candidate-1",
        values()[: 10 * 24],
        placements=[Placement("station", "door", START - 30 * DAY, at)],
    )
    new = series(
        "spare-1", values()[10 * 24 :], start=at, placements=[Placement("station", "door", at, None)]
    )
    assert [one["intervals"] for one in told(compute(inputs(plan, [old, new])))] == [24]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"event": "storm", "strategy": "exclude", "reason": TEXT}, "exclusions.0.event"),
        ({"event": "access", "strategy": "drop", "reason": TEXT}, "exclusions.0.strategy"),
        ({"event": "access", "strategy": "exclude"}, "exclusions.0.reason"),
        ({"event": "swap", "strategy": "exclude", "reason": TEXT}, "say with `settles` how long"),
        ({"event": "swap", "strategy": "exclude", "settles": "P1M", "reason": TEXT}, "write days or hours"),
        ({"en": "Prose."}, "exclusions.0.fr"),
    ],
)
def test_a_wrong_rule_is_told_with_its_path(rule: dict[str, Any], message: str) -> None:
    document = protocol_json(MADE, periods=PERIODS, exclusions=[rule])
    with pytest.raises(WrongProtocol) as error:
        read_protocol(json.dumps(document, indent=1))
    assert message in str(error.value)
    assert "~" not in str(error.value)


def test_a_wrong_percentile_is_told_with_its_path() -> None:
    document = protocol_json(MADE, periods=PERIODS, missing_data={"worst_percentile": 20, "reason": TEXT})
    with pytest.raises(WrongProtocol, match=r"missing_data\.worst_percentile: .*50"):
        read_protocol(json.dumps(document, indent=1))


def test_a_stretch_is_taken_by_half_of_an_interval() -> None:
    opened = given(CLEANING)
    shifted = replace(opened.windows[0], start=START + 48 * HOUR + timedelta(minutes=20), declared_at=START)
    assert [one["intervals"] for one in told(compute(replace(opened, windows=[shifted])))] == [48]


def said(evaluation: Evaluation) -> tuple[str, list[dict[str, Any]], list[str]]:
    """Verdict, what it is with everything left in, and the sentences beside it."""
    own = evaluation.endpoints[0]
    turned = [dict(one.evidence) for one in own.findings if one.code == "exclusions_turn"]
    return str(own.verdict), turned, [one.text.en for one in evaluation.cautions or []]


def test_a_verdict_that_rests_on_what_was_left_out_says_so_beside_it() -> None:
    """About 30 with two days of 90 among thirty: 34 on average, with a limit of 33."""
    found = given(CLEANING)
    limit = endpoint(
        "limit_compliance", [criterion("mean", high=33.0)], arms=["candidate"], parameters={"u_meas": 0.1}
    )
    strict = protocol(limit, periods=PERIODS, exclusions=[CLEANING])
    turned = replace(found, protocol=strict)
    verdict, evidence, beside = said(compute(turned))
    assert (verdict, evidence) == ("met", [{"intervals": 48, "verdict_left_in": "inconclusive"}])
    assert beside == [
        "Nitrogen dioxide: 48 planned intervals were left out for events. With them the verdict would be "
        "another."
    ]
    assert said(compute(replace(turned, rules=Rules(5)))) == ("met", [], [])
    assert said(compute(replace(turned, windows=[])))[1] == []
    far = endpoint(
        "limit_compliance", [criterion("mean", high=80.0)], arms=["candidate"], parameters={"u_meas": 0.1}
    )
    lax = replace(found, protocol=protocol(far, periods=PERIODS, exclusions=[CLEANING]))
    assert said(compute(lax)) == ("met", [], [])
