"""Deviations from the plan: devices, checks, intervals, looks, amendments, the time of the evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trials.test_gate import evaluated, streams_of, values_of
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
    protocol_text,
    series,
)
from trials.evaluation import Evaluation
from trials.judge.deviations import mostly_planned
from trials.judge.versions import changed_paths
from trials.plan.protocol import Protocol
from trials.plan.reading import digest
from trials.plan.reading import document_of as protocol_document
from trials.plan.rules import Rules
from trials.sentences import deviation
from trials.series.inputs import (
    CorrectionSummary,
    EarlierEvaluation,
    ErasureSummary,
    Placement,
    ProtocolVersion,
    TrialInputs,
    Unblinding,
)
from trials.statement import Statement

TWO = [period("baseline", 0, 20), period("reporting", 20, 40)]
END = START + 40 * DAY
STATION = ("station", "north")


def plan(**more: Any) -> Protocol:
    made = endpoint("before_after", [criterion("effect", high=-2)], arms=["candidate"])
    return protocol(made, periods=TWO, time_zone="Etc/GMT-1", **more)


def found(given: TrialInputs) -> list[Statement]:
    return evaluated(given).deviations


def placed(*places: tuple[str, str, float, float | None], made: Protocol | None = None) -> list[Statement]:
    """Deviations of a device that was at (site, position) from one day of the trial to another."""
    made = made or plan()
    where = [
        Placement(site, position, START + first * DAY, None if last is None else START + last * DAY)
        for site, position, first, last in places
    ]
    (stream,) = streams_of(made)
    return found(inputs(made, [replace(stream, placements=where)]))


# -- devices


def test_a_device_that_stood_where_planned_all_the_time_is_no_deviation() -> None:
    assert placed((*STATION, -30, None)) == []
    assert placed((*STATION, 0.9, 39.2)) == [], "less than a day late, less than a day early"


@pytest.mark.parametrize(
    ("places", "code", "evidence"),
    [
        (
            [(*STATION, 3, None)],
            "deployed_late",
            {"device": "candidate-1", "period": "baseline", "day": "2026-03-04"},
        ),
        (
            [(*STATION, -9, 36)],
            "removed_early",
            {"device": "candidate-1", "period": "reporting", "day": "2026-04-06"},
        ),
        (
            [(*STATION, -9, 5), (*STATION, 25, None)],
            "deployed_late",
            {"device": "candidate-1", "period": "reporting", "day": "2026-03-26"},
        ),
        ([(*STATION, -9, 12)], "device_absent", {"device": "candidate-1", "period": "reporting"}),
        (
            [("roof", "north", -9, None)],
            "other_site",
            {"device": "candidate-1", "site": "roof", "planned": "station"},
        ),
        (
            [(*STATION, -9, 25), ("station", "south", 25, None)],
            "device_moved",
            {"device": "candidate-1", "from": "station/north", "to": "station/south", "day": "2026-03-26"},
        ),
    ],
)
def test_a_device_that_came_late_left_early_moved_or_stood_elsewhere_is_named_with_the_day(
    places: list[tuple[str, str, float, float | None]], code: str, evidence: dict[str, Any]
) -> None:
    """The local day: the device came at 23:00 UTC, which is midnight in Paris."""
    assert deviation(code, **evidence) in placed(*places)


def test_a_move_before_the_trial_or_to_a_site_that_a_filter_names_is_planned() -> None:
    assert placed(("depot", "shelf", -9, -1), (*STATION, -1, None)) == []
    made = endpoint(
        "before_after",
        [criterion("effect", high=-2)],
        arms=["candidate"],
        filter={"sites": ["station", "roof"]},
    )
    both = protocol(made, periods=TWO, time_zone="Etc/GMT-1")
    codes = [one.code for one in placed((*STATION, -9, 25), ("roof", "north", 25, None), made=both)]
    assert "other_site" not in codes
    assert "device_moved" in codes, "when it moves is not planned"


def test_a_device_that_was_swapped_did_not_leave_early() -> None:
    made = plan()
    old = Placement("station", "north", START - DAY, START + 25 * DAY)
    new = Placement("station", "north", START + 25 * DAY, None)
    values = values_of("candidate")
    streams = [
        replace(series("candidate-1", values[: 25 * 24]), placements=[old]),
        replace(series("spare", values[25 * 24 :], start=START + 25 * DAY), placements=[new]),
    ]
    assert [one.code for one in found(inputs(made, streams))] == ["unplanned_swap"]


def test_a_period_that_no_endpoint_of_the_arm_needs_may_pass_without_the_device() -> None:
    made = endpoint(
        "limit_compliance", [criterion("mean", high=40)], arms=["candidate"], parameters={"u_meas": 1.0}
    )
    after = protocol(made, periods=TWO, time_zone="Etc/GMT-1")
    assert placed((*STATION, 20, None), made=after) == []
    assert [one.code for one in placed((*STATION, 24, None), made=after)] == ["deployed_late"]


def test_what_has_not_happened_yet_is_no_deviation() -> None:
    made = plan()
    (stream,) = streams_of(made)
    gone = replace(stream, placements=[Placement(*STATION, START - DAY, START + 35 * DAY)])
    look = inputs(made, [gone], now=START + 34 * DAY + HOUR)
    assert [one.code for one in found(look)] == ["unplanned_look"]


# -- datastreams


@pytest.mark.parametrize(("every_h", "deviates"), [(1, False), (2, True), (0.5, True)])
def test_the_median_interval_is_compared_with_the_plan(every_h: float, deviates: bool) -> None:
    made = plan()
    (stream,) = streams_of(made)
    n = round(960 / every_h)
    times = stream.time_us[0] + np.arange(n, dtype=np.int64) * round(every_h * 3.6e9)
    values = np.interp(times, stream.time_us, stream.result)
    other = replace(stream, time_us=times, result=values, flag=np.ones(n, np.int8))
    told = [one for one in found(inputs(made, [other])) if one.code == "other_interval"]
    expected = {"datastream": "candidate-1/no2", "measured_s": 3600 * every_h, "planned_s": 3600.0}
    assert [one.evidence for one in told] == ([expected] if deviates else [])


@given(
    every=st.lists(st.sampled_from([1, 500, 799, 800, 801, 1000, 1249, 1250, 1251, 1500, 4000]), min_size=1),
    planned=st.sampled_from([1.0, 3.0, 0.7]),
)
def test_times_that_are_mostly_as_planned_have_a_median_near_the_plan(
    every: list[int], planned: float
) -> None:
    micros = np.round(np.array(every) * planned * 1000).astype(np.int64)
    if mostly_planned(micros, planned):
        assert 0.8 * planned <= np.median(micros) / 1e6 <= 1.25 * planned
    else:
        assert 2 * sum(800 < one < 1250 for one in every) <= len(every)


def test_gaps_do_not_make_another_interval() -> None:
    made = plan()
    lost = values_of("candidate")
    lost[100:300] = np.nan
    assert "other_interval" not in {one.code for one in found(inputs(made, streams_of(made, candidate=lost)))}


def test_checks_that_ran_with_other_parameters_or_not_at_all_are_named() -> None:
    made = plan()
    (stream,) = streams_of(made)
    planned = '{"gross_range":{"fail_high":500.0,"fail_low":-50.0,"suspect_high":null,"suspect_low":null}}'
    assert found(inputs(made, [replace(stream, checked_with=planned)])) == []
    other = found(inputs(made, [replace(stream, checked_with=planned.replace("500", "900"))]))
    assert other == [deviation("other_parameters", datastream="candidate-1/no2")]
    none = found(inputs(made, [replace(stream, checks=[], ran=[])]))
    assert none == [deviation("check_not_run", check="gross_range", datastream="candidate-1/no2")]


# -- looks and the evaluation


def seen(day: float, *, interim: bool = True, blinded: bool = False) -> EarlierEvaluation:
    return EarlierEvaluation(START + day * DAY, f"{day:g}", interim, blinded)


def looked(now: float, planned: list[float], earlier: list[EarlierEvaluation]) -> Evaluation:
    made = plan(interim_looks=[(START + day * DAY).isoformat() for day in planned])
    return evaluated(replace(inputs(made, streams_of(made), now=START + now * DAY), earlier=earlier))


def codes(evaluation: Evaluation) -> list[str]:
    return [one.code for one in evaluation.deviations]


def rows(evaluation: Evaluation) -> list[tuple[float | None, float | None, str | None]]:
    """(planned day, made day, hash) of each look."""

    def day(at: datetime | None) -> float | None:
        return None if at is None else (at - START) / DAY

    return [(day(one.planned), day(one.made), one.sha256) for one in evaluation.looks or []]


def test_a_trial_without_looks_lists_none() -> None:
    evaluation = looked(41, [], [])
    assert (evaluation.looks, evaluation.deviations) == (None, [])


def test_a_planned_look_that_was_made_is_no_deviation() -> None:
    evaluation = looked(41, [34.5], [seen(34.6)])
    assert rows(evaluation) == [(34.5, 34.6, "34.6")]
    assert codes(evaluation) == []


def test_a_planned_look_may_be_made_two_days_later_or_earlier_that_day() -> None:
    assert rows(looked(41, [34.9], [seen(34.1)])) == [(34.9, 34.1, "34.1")]
    assert codes(looked(41, [34.9], [seen(36.9)])) == []
    assert codes(looked(41, [34.9], [seen(37.1)])) == ["look_not_made", "unplanned_look"]
    assert codes(looked(41, [34.9], [seen(33.9)])) == ["unplanned_look", "look_not_made"]


def test_an_unplanned_look_and_one_that_was_not_made_are_deviations() -> None:
    evaluation = looked(41, [34], [seen(27.5)])
    assert [(one.code, one.evidence) for one in evaluation.deviations] == [
        ("unplanned_look", {"looked_at": (START + 27.5 * DAY).isoformat(timespec="minutes")}),
        (
            "look_not_made",
            {"planned_at": (START + 34 * DAY).astimezone(START.tzinfo).isoformat(timespec="minutes")},
        ),
    ]


def test_an_evaluation_before_the_end_is_a_look_itself_and_one_that_lies_ahead_is_not_missed() -> None:
    evaluation = looked(35.5, [35, 38], [])
    assert rows(evaluation) == [(35, 35.5, None), (38, None, None)]
    assert codes(evaluation) == []
    assert codes(looked(35.5, [38], [])) == ["unplanned_look"]


def test_evaluations_of_one_day_are_one_look_and_blinded_ones_none() -> None:
    assert rows(looked(41, [34], [seen(34.2), seen(34.4)])) == [(34, 34.2, "34.2")]
    assert codes(looked(41, [], [seen(30.5, blinded=True)])) == []
    made = plan()
    document = protocol_document(made)
    document["endpoints"][0]["blinded"] = True
    assert (
        evaluated(inputs(Protocol.model_validate(document), streams_of(made), now=START + 35.5 * DAY)).looks
        is None
    )


def test_an_evaluation_before_the_reporting_period_shows_nothing_and_is_no_look() -> None:
    assert looked(41, [], [seen(12)]).looks is None
    assert looked(12, [], []).looks is None


def test_a_first_evaluation_later_than_planned_is_a_deviation_and_a_later_one_is_not() -> None:
    made = plan(evaluate_by=(END + 10 * DAY).isoformat())
    given = inputs(made, streams_of(made), now=END + 12 * DAY)
    assert [(one.code, one.evidence["evaluated_at"]) for one in found(given)] == [
        ("evaluated_late", (END + 12 * DAY).isoformat(timespec="minutes"))
    ]
    assert found(replace(given, earlier=[seen(45, interim=False)])) == []
    assert found(replace(given, now=END + 9 * DAY)) == []
    assert "evaluate_by" not in protocol_document(plan()), "a protocol without it keeps its hash"


# -- amendments


def version(number: int, day: float, **changed: Any) -> tuple[Protocol, ProtocolVersion]:
    more = {"version": number, "reason": TEXT} if number > 1 else {}
    made = plan(**more, **changed)
    return made, ProtocolVersion(
        number, START + day * DAY, digest(protocol_document(made)), protocol_text(made)
    )


def amended(day: float, **more: Any) -> Evaluation:
    """Version 2, locked on that day of the trial, changes the seed and adds a look."""
    _, first = version(1, -1)
    made, second = version(2, day, seed=5, interim_looks=[(START + 30 * DAY).isoformat()])
    given = replace(inputs(made, streams_of(made)), versions=[first, second], locked_at=second.locked_at)
    return evaluated(replace(given, earlier=[seen(30.5)], **more))


def test_every_version_is_listed_with_its_hash_its_reason_and_what_it_changed() -> None:
    evaluation = amended(5)
    assert evaluation.versions is not None
    assert [(v.version, v.changed) for v in evaluation.versions] == [
        (1, []),
        (2, ["interim_looks.0", "seed"]),
    ]
    assert evaluation.versions[0].reason is None
    assert evaluation.versions[1].reason is not None
    assert evaluation.versions[1].sha256 == evaluation.protocol_sha256
    assert codes(evaluation) == []


def test_an_amendment_after_reporting_began_is_a_deviation_of_its_own_and_no_late_lock() -> None:
    evaluation = amended(25)
    (one,) = evaluation.deviations
    assert one.code == "amended_during_reporting"
    assert one.evidence == {
        "version": 2,
        "locked_at": (START + 25 * DAY).isoformat(timespec="minutes"),
        "fields": ["interim_looks.0", "seed"],
    }


def test_an_amendment_cannot_move_the_reporting_period_away_from_its_own_lock() -> None:
    """The beginning of reporting in the previous version counts."""
    _, first = version(1, -1)
    document = protocol_document(plan()) | {
        "version": 2,
        "reason": TEXT,
        "periods": [period("baseline", 0, 26), period("reporting", 26, 40)],
    }
    made = Protocol.model_validate(document)
    second = ProtocolVersion(2, START + 25 * DAY, digest(protocol_document(made)), protocol_text(made))
    evaluation = evaluated(
        replace(inputs(made, streams_of(made)), versions=[first, second], locked_at=second.locked_at)
    )
    assert [(one.code, one.evidence["fields"]) for one in evaluation.deviations] == [
        ("amended_during_reporting", ["periods.baseline.end", "periods.reporting.start"])
    ]


def test_an_amendment_after_results_were_seen_or_an_endpoint_was_unblinded_says_so() -> None:
    opened = Unblinding("main", START + 30 * DAY, "judge", "harm")
    assert codes(amended(31, unblinded=[opened])) == [
        "unblinded_early",
        "amended_during_reporting",
        "amended_after_unblinding",
        "amended_after_result",
    ]


def test_an_amendment_after_an_evaluation_of_the_baseline_alone_saw_no_result() -> None:
    _, first = version(1, -1)
    made, second = version(2, 15, seed=5)
    given = replace(
        inputs(made, streams_of(made)),
        versions=[first, second],
        locked_at=second.locked_at,
        earlier=[seen(12)],
    )
    assert codes(evaluated(given)) == []


def test_a_first_version_that_was_locked_late_stays_late_whatever_was_amended() -> None:
    _, first = version(1, 21)
    made, second = version(2, 22, seed=5)
    given = replace(inputs(made, streams_of(made)), versions=[first, second], locked_at=second.locked_at)
    assert codes(evaluated(given)) == ["locked_late", "amended_during_reporting"]


def test_paths_of_what_changed_name_arms_periods_and_endpoints() -> None:
    before, after = (json.loads(protocol_text(plan())) for _ in range(2))
    after["arms"][0]["devices"].append("candidate-2")
    after["endpoints"][0]["criteria"][0]["target"]["high"] = -3.0
    after["endpoints"][0]["filter"] = {"holidays": "without"}
    after["checks"].append(after["checks"][0])
    after |= {"version": 2, "reason": TEXT}
    del after["missing_data"]
    assert list(changed_paths(before, after)) == [
        "arms.candidate.devices.1",
        "checks.1",
        "endpoints.main.criteria.0.target.high",
        "endpoints.main.filter",
        "missing_data",
    ]
    assert list(changed_paths(before, before)) == []


def test_things_with_the_same_name_are_compared_as_a_whole() -> None:
    twice = {"periods": [{"name": "a", "x": 1}, {"name": "a", "x": 2}]}
    assert list(changed_paths(twice, {"periods": [{"name": "a", "x": 1}]})) == ["periods"]


@pytest.mark.parametrize(
    ("begin", "end", "told"),
    [(None, None, 1), (-9, 0, 0), (-9, 1, 1), (39, 50, 1), (40, 50, 0), (45, None, 0), (None, 0, 0)],
)
def test_erased_results_of_a_planned_period_are_a_deviation(
    begin: float | None, end: float | None, told: int
) -> None:
    """Days from the beginning of the first period, which the erasure covers; the last ends on day 40."""
    made = plan()
    assert (made.periods[0].start, made.periods[-1].end) == (START, END)
    assert END - START == 40 * DAY
    erased = ErasureSummary(
        erasure_id=7,
        erased_at=END,
        reason="a visitor asked",
        device="a",
        start=None if begin is None else START + begin * DAY,
        end=None if end is None else START + end * DAY,
        results=24,
    )
    given = replace(inputs(made, streams_of(made), now=END + DAY), erasures=[erased])
    assert [one.code for one in found(given)] == ["results_erased"] * told


@pytest.mark.parametrize(
    ("corrected", "seen", "measured", "code"),
    [
        (-0.5, [], 5, "corrected_after_lock"),
        (-2, [], 5, None),
        (30, [], 5, "corrected_after_lock"),
        (30, [10], 5, "corrected_after_lock"),
        (30, [25], 5, "corrected_after_result"),
        (24, [25], 5, "corrected_after_lock"),
        (30, [25, 28], 45, None),
    ],
)
def test_results_that_were_replaced_after_the_lock_are_counted(
    corrected: float, seen: list[int], measured: int, code: str | None
) -> None:
    """Days from the beginning; locked a day before it. The reporting period begins on day 20. A look at the
    baseline shows nothing of it.
    """
    made = plan()
    device = made.arms[0].devices[0]
    one = CorrectionSummary(
        datastream=f"{device}/no2",
        file="again.csv",
        reason="the span was wrong",
        corrected_by="lab",
        corrected_at=START + corrected * DAY,
        first=START + measured * DAY,
        last=START + (measured + 1) * DAY,
        results=7,
        moved=-2.5,
    )
    earlier = [EarlierEvaluation(START + day * DAY, "a" * 64, interim=True, blinded=False) for day in seen]
    given = replace(inputs(made, streams_of(made), now=END + DAY), earlier=earlier)
    own = [
        stated
        for stated in found(replace(given, corrections=[one]))
        if stated.code not in {other.code for other in found(given)}
    ]
    assert [stated.code for stated in own] == ([] if code is None else [code])
    assert all((stated.evidence["corrected"], stated.evidence["moved"]) == (7, -2.5) for stated in own)
    assert found(replace(given, corrections=[one], rules=Rules(5))) == found(replace(given, rules=Rules(5)))
