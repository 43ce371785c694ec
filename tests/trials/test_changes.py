"""Why numbers have changed: two evaluations that differ in one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.trials.test_deviations import plan
from tests.trials.test_gate import evaluated, streams_of
from tests.trials.world import START, inputs, window
from trials.evaluation import Evaluation
from trials.judge.changes import causes
from trials.report.sentence import sentence_of
from trials.series.inputs import TrialInputs


def given() -> TrialInputs:
    made = plan()
    return inputs(made, streams_of(made), windows=[window("candidate-1", 30, 40)])


def why(before: Evaluation, after: Evaluation) -> list[tuple[str, dict[str, Any]]]:
    found = causes(before, after)
    for one in found:
        assert "{" not in sentence_of(one)
        assert sentence_of(one) != f"{one.code}: {one.evidence}"
    return [(one.code, dict(one.evidence)) for one in found]


@pytest.fixture(scope="module")
def before() -> Evaluation:
    return evaluated(given())


def test_the_same_twice_has_no_cause(before: Evaluation) -> None:
    assert why(before, evaluated(given())) == []


def test_a_corrected_result_other_flags_more_and_fewer_results(before: Evaluation) -> None:
    (stream,) = given().streams
    corrected, flagged = stream.result.copy(), stream.flag.copy()
    corrected[5] += 1
    flagged[5:8] = 3
    fewer = replace(stream, time_us=stream.time_us[:-4], result=stream.result[:-4], flag=stream.flag[:-4])
    for other, expected in (
        (replace(stream, result=corrected), ("results_corrected", {"datastream": "candidate-1/no2"})),
        (
            replace(stream, flag=flagged),
            ("flags_changed", {"datastream": "candidate-1/no2", "flags": ["PASS -3", "SUSPECT +3"]}),
        ),
        (fewer, ("results_removed", {"datastream": "candidate-1/no2", "removed": 4})),
    ):
        after = evaluated(replace(given(), streams=[other]))
        assert why(before, after) == [expected]
    less = evaluated(replace(given(), streams=[fewer]))
    assert why(less, before) == [("results_added", {"datastream": "candidate-1/no2", "added": 4, "late": 0})]


def test_a_datastream_that_came_or_went(before: Evaluation) -> None:
    (stream,) = given().streams
    more = evaluated(replace(given(), streams=[stream, replace(stream, device="x")]))
    assert why(before, more) == [("datastream_added", {"datastream": "x/no2"})]
    assert why(more, before) == [("datastream_removed", {"datastream": "x/no2"})]


def test_a_deployment_that_was_amended(before: Evaluation) -> None:
    (stream,) = given().streams
    (place,) = stream.placements
    later = replace(stream, placements=[replace(place, start=START + timedelta(hours=12))])
    after = evaluated(replace(given(), streams=[later]))
    assert why(before, after) == [
        ("deployments_changed", {"datastream": "candidate-1/no2", "before": 960, "after": 948})
    ]


def test_a_window_declared_amended_or_gone(before: Evaluation) -> None:
    (old,) = given().windows
    assert old.end is not None
    longer = replace(old, end=old.end + timedelta(hours=3))
    new = replace(window("candidate-1", 100, 110), end=None)
    amended = evaluated(replace(given(), windows=[longer, new]))
    (first, second) = why(before, amended)
    assert first == (
        "window_amended",
        {
            "kind": "maintenance",
            "target": "candidate-1",
            "start_at": "2026-03-02T05:00+00:00",
            "end_at": "2026-03-02T18:00+00:00",
            "before_at": "2026-03-02T15:00+00:00",
        },
    )
    assert (second[0], second[1]["end_at"]) == ("window_declared", None)
    assert [code for code, _ in why(before, evaluated(replace(given(), windows=[])))] == ["window_removed"]


def test_other_versions_of_the_code(before: Evaluation) -> None:
    after = before.model_copy(update={"code": before.code | {"numpy": "9.9"}})
    assert why(before, after) == [
        ("other_code", {"name": "numpy", "before": before.code["numpy"], "after": "9.9"})
    ]
