"""A trial that cannot be judged gets a finding with a code: never NaN, an exception or a verdict."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from insitu.model import Verdict
from insitu.spacing import Spacing
from tests.trials.world import (
    DAY,
    FINDING_CODES,
    HOUR,
    START,
    Floats,
    criterion,
    cycle,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    series,
    window,
)
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.plan.protocol import Protocol
from trials.report.sentence import sentence_of
from trials.series.inputs import Placement, StreamInput, TrialInputs

DAYS = 20
HOURS = DAYS * 24
TWO = [period("baseline", 0, DAYS), period("reporting", DAYS, 2 * DAYS)]
ONE = [period("reporting", 0, DAYS)]
DESIGNS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]] = {
    "reference_collocation": (
        [criterion("r2", low=0.7), criterion("nrmse", high=30)],
        ONE,
        ["candidate", "reference"],
    ),
    "replicates": ([criterion("sd", high=2)], ONE, ["candidate"]),
    "availability": ([criterion("completeness", low=90)], ONE, ["candidate"]),
    "before_after": ([criterion("effect", high=-2)], TWO, ["candidate"]),
    "adjusted_before_after": ([criterion("effect", high=-2)], TWO, ["candidate"]),
    "interrupted_series": ([criterion("level_change", high=-2)], TWO, ["candidate"]),
    "control_sites": ([criterion("effect", high=-2)], TWO, ["candidate", "control"]),
    "synthetic_control": ([criterion("effect", high=-2)], TWO, ["candidate", "control"]),
    "equivalence": ([criterion("difference", -5, 5)], ONE, ["candidate", "control"]),
    "limit_compliance": ([criterion("mean", high=40)], ONE, ["candidate"]),
    "crossover": ([criterion("effect", high=-2)], ONE, ["candidate"]),
}
every_design = pytest.mark.parametrize("design", DESIGNS)
every_design_about_values = pytest.mark.parametrize("design", [d for d in DESIGNS if d != "availability"])
every_design_about_days = pytest.mark.parametrize(
    "design", [d for d in DESIGNS if d not in ("availability", "crossover")]
)
BASELINE_DESIGNS = [design for design, (_, periods, _) in DESIGNS.items() if periods is TWO]
OTHER_ARM = [(design, arm) for design, (_, _, arms) in DESIGNS.items() for arm in arms[1:]]
DEVICES = {
    "replicates": {"candidate": ["candidate-1", "candidate-2"]},
    "synthetic_control": {"control": [f"control-{n}" for n in range(1, 22)]},
}


def more_of(design: str, days: int = DAYS) -> dict[str, Any]:
    """The fields that the endpoint of a design needs besides criteria and arms."""
    if design == "limit_compliance":
        return {"parameters": {"u_meas": 1.0}}
    if design == "adjusted_before_after":
        return {"parameters": {"covariates": ["outdoor"]}}
    if design == "crossover":
        blocks = [(START + n * DAY, START + (n + 1) * DAY, n % 4 in (0, 3)) for n in range(days - days % 2)]
        return {"schedule": [{"start": a.isoformat(), "end": b.isoformat(), "on": on} for a, b, on in blocks]}
    return {}


def plan_of(design: str, **more: Any) -> Protocol:
    criteria, periods, arms = DESIGNS[design]
    made = endpoint(design, criteria, arms=arms, **more_of(design))
    also = ["outdoor"] if design == "adjusted_before_after" else []
    return protocol(made, periods=periods, also=also, devices=DEVICES.get(design, {}), **more)


def values_of(arm: str, n: int = 2 * HOURS) -> Floats:
    """Each arm has an error of its own; all arms share the weather."""
    weather = 30 + cycle(n) + noise(np.random.default_rng(1), 0.5, n, 3.0)
    made: Floats = weather + noise(np.random.default_rng(list(arm.encode())), 0.3, n, 0.5)
    return made


def streams_of(plan: Protocol, **replaced: Floats) -> list[StreamInput]:
    """One series for each device; the second and later devices of an arm differ from the first, unless the
    arm is constant.
    """
    made = []
    for arm in plan.arms:
        values = replaced.get(arm.name, values_of(arm.name))
        known = values[np.isfinite(values)]
        moves = 0.3 if len(known) and np.ptp(known) > 0 else 0.0
        for number, device in enumerate(arm.devices):
            own = moves * (number > 0) * np.random.default_rng([number, 5]).normal(size=len(values))
            made.append(series(device, values + own, role=arm.role))
    if any(m.property == "outdoor" for m in plan.measurements):
        outdoor = 10 + noise(np.random.default_rng(8), 0.9, 2 * HOURS, 4.0)
        made.append(series("candidate-1", outdoor, property="outdoor", unit="Cel"))
    return made


def evaluated(given: TrialInputs) -> Evaluation:
    """Computes the evaluation. Checks that its document has a finite number wherever one belongs, and can be
    read back.
    """
    evaluation = compute(given)
    text = json.dumps(evaluation.model_dump(mode="json", by_alias=True), allow_nan=False)
    assert Evaluation.model_validate(document_of(evaluation)).verdict is evaluation.verdict
    assert "NaN" not in text
    for one in evaluation.endpoints:
        for found in [*one.findings, *evaluation.findings]:
            assert found.code in FINDING_CODES
            assert "{" not in sentence_of(found)
        for estimate in one.estimates:
            assert all(math.isfinite(number) for number in (estimate.value, estimate.low, estimate.high))
            assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9
    return evaluation


def codes(evaluation: Evaluation) -> set[str]:
    return {found.code for one in evaluation.endpoints for found in one.findings}


def blocked(evaluation: Evaluation, code: str) -> None:
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    assert code in codes(evaluation)
    assert evaluation.endpoints[0].estimates == []
    assert {c.estimate for c in evaluation.endpoints[0].criteria} == {None}


@every_design
def test_a_sound_trial_passes_the_gate(design: str) -> None:
    plan = plan_of(design)
    evaluation = evaluated(inputs(plan, streams_of(plan)))
    assert evaluation.verdict is not Verdict.NOT_EVALUABLE
    assert all(result.passed and result.share == 1 for result in evaluation.gate)


@every_design
def test_no_observation_at_all(design: str) -> None:
    plan = plan_of(design)
    blocked(
        evaluated(
            inputs(plan, streams_of(plan, **{arm.name: np.full(2 * HOURS, np.nan) for arm in plan.arms}))
        ),
        "no_observations",
    )


@every_design
def test_a_device_that_has_no_datastream(design: str) -> None:
    plan = plan_of(design)
    evaluation = evaluated(inputs(plan, []))
    blocked(evaluation, "no_observations")
    assert {d.code for d in evaluation.deviations} == {"device_not_deployed"}


@pytest.mark.parametrize(("design", "missing"), OTHER_ARM)
def test_the_other_arm_is_not_there(design: str, missing: str) -> None:
    plan = plan_of(design)
    streams = [s for s in streams_of(plan) if not s.device.startswith(missing)]
    blocked(evaluated(inputs(plan, streams)), "no_observations")


@pytest.mark.parametrize(("design", "missing"), OTHER_ARM)
def test_an_endpoint_that_names_no_such_arm(design: str, missing: str) -> None:
    criteria, periods, _ = DESIGNS[design]
    plan = protocol(endpoint(design, criteria, arms=["candidate"], **more_of(design)), periods=periods)
    evaluation = evaluated(inputs(plan, streams_of(plan)))
    blocked(evaluation, "no_observations")
    assert any(f.evidence.get("arm") == missing for f in evaluation.endpoints[0].findings)


@every_design
def test_all_observations_failed_their_checks(design: str) -> None:
    plan = plan_of(design)
    streams = streams_of(plan)
    for stream in streams:
        stream.flag[:] = 4
    blocked(evaluated(inputs(plan, streams)), "no_observations")


@every_design
def test_suspect_observations_are_not_used_but_their_effect_is_shown(design: str) -> None:
    plan = plan_of(design)
    streams = streams_of(plan)
    for stream in streams:
        stream.flag[5::24] = 3 if stream.property == "no2" else 1
    evaluation = evaluated(inputs(plan, streams))
    assert all(result.valid == result.planned * 23 // 24 for result in evaluation.gate)
    assert evaluation.verdict is not Verdict.NOT_EVALUABLE
    assert "suspect_included" in {s.name for s in evaluation.endpoints[0].sensitivity}


@every_design_about_days
def test_fewer_than_fourteen_days(design: str) -> None:
    criteria, periods, arms = DESIGNS[design]
    short = [period(p["name"], 13 * n, 13 * (n + 1)) for n, p in enumerate(periods)]
    also = ["outdoor"] if design == "adjusted_before_after" else []
    made = endpoint(design, criteria, arms=arms, **more_of(design))
    plan = protocol(made, periods=short, also=also, devices=DEVICES.get(design, {}))
    evaluation = evaluated(inputs(plan, streams_of(plan)))
    blocked(evaluation, "too_few_days")
    found = next(f for f in evaluation.endpoints[0].findings if f.code == "too_few_days")
    assert (found.evidence["days"], found.evidence["needed"]) == (13, 14)


@every_design_about_values
def test_days_that_do_not_count_are_below_the_protocols_capture(design: str) -> None:
    """Ten hours of each day: every day has some observations, and none has three quarters."""
    plan = plan_of(design)
    night = np.where(np.arange(2 * HOURS) % 24 < 10, 1.0, np.nan)
    streams = streams_of(plan, **{arm.name: night * values_of(arm.name) for arm in plan.arms})
    evaluation = evaluated(inputs(plan, streams))
    blocked(evaluation, "below_capture")
    assert all(result.days_valid == 0 and not result.passed for result in evaluation.gate)


@every_design_about_values
def test_a_stuck_series_is_no_evidence(design: str) -> None:
    """7.3 has no exact binary form: with gaps, its day and hour means differ in the last digit."""
    plan = plan_of(design)
    stuck = np.where(np.random.default_rng(2).random(2 * HOURS) < 0.1, np.nan, 7.3)
    evaluation = evaluated(inputs(plan, streams_of(plan, **{arm.name: stuck for arm in plan.arms})))
    blocked(evaluation, "constant_series")


def test_a_reference_that_moves_on_one_day_only_makes_no_slope() -> None:
    plan = plan_of("reference_collocation")
    reference = np.full(HOURS, 10.0)
    reference[100:110] = 50.0
    evaluation = evaluated(inputs(plan, streams_of(plan, reference=reference)))
    blocked(evaluation, "constant_series")


def test_a_candidate_equal_to_its_reference_but_for_one_day_still_has_numbers() -> None:
    plan = plan_of("reference_collocation")
    reference = values_of("reference", HOURS)
    candidate = reference.copy()
    candidate[100:110] += 1
    evaluation = evaluated(inputs(plan, streams_of(plan, reference=reference, candidate=candidate)))
    assert "r2" in {e.statistic for e in evaluation.endpoints[0].estimates}


def test_per_cent_of_a_reference_around_zero_are_not_told() -> None:
    """Winter temperatures: RMSE over a mean of −2 °C would be below every target."""
    plan = plan_of("reference_collocation")
    shifted = {arm.name: values_of(arm.name) - 32 for arm in plan.arms}
    evaluation = evaluated(inputs(plan, streams_of(plan, **shifted)))
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    found = next(f for f in evaluation.endpoints[0].findings if f.code == "margin_missing")
    assert found.evidence["statistic"] == "nrmse"


def test_a_ratio_to_a_mean_around_zero_is_not_told() -> None:
    """The mean is tiny beside its standard error, so the ratio overflows; the difference is a number."""
    plan = plan_of("before_after")
    halves = np.random.default_rng(1).normal(0, 5, (2, HOURS))
    values = (halves - halves.mean(axis=1, keepdims=True) + 1e-6).ravel()
    evaluation = evaluated(inputs(plan, streams_of(plan, candidate=values)))
    assert [e.statistic for e in evaluation.endpoints[0].estimates] == ["effect"]


def test_candidate_and_reference_that_never_measure_together() -> None:
    plan = plan_of("reference_collocation", capture={"share": 0.3, "days": 0.3, "day": 0.3})
    half = np.arange(2 * HOURS) % 2 == 0
    streams = streams_of(
        plan,
        candidate=np.where(half, values_of("candidate"), np.nan),
        reference=np.where(half, np.nan, values_of("reference")),
    )
    evaluation = evaluated(inputs(plan, streams))
    blocked(evaluation, "no_overlap")
    assert next(f for f in evaluation.endpoints[0].findings if f.code == "no_overlap").evidence["pairs"] == 0


def test_treated_and_control_days_that_never_meet() -> None:
    plan = plan_of("control_sites", capture={"share": 0.3, "days": 0.3, "day": 0.75})
    even = (np.arange(2 * HOURS) // 24) % 2 == 0
    streams = streams_of(
        plan,
        candidate=np.where(even, values_of("candidate"), np.nan),
        control=np.where(even, np.nan, values_of("control")),
    )
    blocked(evaluated(inputs(plan, streams)), "too_few_days")


def test_one_site_is_said_to_be_one_site() -> None:
    plan = plan_of("control_sites")
    evaluation = evaluated(inputs(plan, streams_of(plan)))
    found = next(f for f in evaluation.endpoints[0].findings if f.code == "few_sites")
    assert found.evidence["units"] == 1
    assert evaluation.verdict in (Verdict.NOT_MET, Verdict.INCONCLUSIVE)  # nothing changed


def test_arms_that_drift_apart_before_anything_was_done_are_not_comparable() -> None:
    plan = plan_of("control_sites")
    drifting = values_of("candidate") + np.linspace(0, 12, 2 * HOURS)
    blocked(evaluated(inputs(plan, streams_of(plan, candidate=drifting))), "baseline_trend")


def test_arms_of_unequal_completeness_are_pointed_out() -> None:
    plan = plan_of("control_sites")
    thin = np.where(np.arange(2 * HOURS) % 24 < 5, np.nan, values_of("control"))
    assert "unbalanced_completeness" in codes(evaluated(inputs(plan, streams_of(plan, control=thin))))


@pytest.mark.parametrize("u_meas", [None, "unknown", -1.0, True])
def test_a_limit_without_the_instruments_uncertainty(u_meas: float | str | None) -> None:
    criteria, periods, arms = DESIGNS["limit_compliance"]
    made = endpoint(
        "limit_compliance", criteria, arms=arms, parameters={} if u_meas is None else {"u_meas": u_meas}
    )
    plan = protocol(made, periods=periods)
    blocked(evaluated(inputs(plan, streams_of(plan))), "u_meas_missing")


@every_design
def test_a_criterion_about_a_statistic_that_the_design_does_not_know(design: str) -> None:
    _, periods, arms = DESIGNS[design]
    made = endpoint(design, [criterion("happiness", low=1)], arms=arms, **more_of(design))
    also = ["outdoor"] if design == "adjusted_before_after" else []
    plan = protocol(made, periods=periods, also=also, devices=DEVICES.get(design, {}))
    evaluation = evaluated(inputs(plan, streams_of(plan)))
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    assert "margin_missing" in codes(evaluation)


def test_a_design_that_nobody_has_written() -> None:
    plan = protocol(endpoint("horoscope", [criterion("effect", high=-2)], arms=["candidate"]), periods=TWO)
    blocked(evaluated(inputs(plan, streams_of(plan))), "margin_missing")


@pytest.mark.parametrize("design", BASELINE_DESIGNS)
def test_a_protocol_without_the_baseline_that_its_design_needs(design: str) -> None:
    criteria, _, arms = DESIGNS[design]
    also = ["outdoor"] if design == "adjusted_before_after" else []
    plan = protocol(
        endpoint(design, criteria, arms=arms, **more_of(design)),
        periods=ONE,
        also=also,
        devices=DEVICES.get(design, {}),
    )
    blocked(evaluated(inputs(plan, streams_of(plan))), "period_missing")


@every_design
def test_a_reporting_period_that_has_not_begun(design: str) -> None:
    plan = plan_of(design)
    evaluation = evaluated(
        inputs(plan, streams_of(plan), now=START + 10 * DAY if design in BASELINE_DESIGNS else START - DAY)
    )
    blocked(evaluation, "period_in_future")
    assert evaluation.interim


@pytest.mark.parametrize(
    "design", [d for d in DESIGNS if d not in ("availability", "crossover", "replicates")]
)
def test_windows_leave_the_denominator_and_do_not_excuse_too_few_days(design: str) -> None:
    plan = plan_of(design)
    quiet = values_of("candidate")
    quiet[24 : 10 * 24] = np.nan
    evaluation = evaluated(
        inputs(plan, streams_of(plan, candidate=quiet), windows=[window("candidate-1", 24, 240)])
    )
    result = next(g for g in evaluation.gate if g.arm == "candidate")
    assert (result.excused, result.share, result.passed) == (9 * 24, 1.0, True)
    blocked(evaluation, "too_few_days")


# -- before/after: season


def seasonal(outdoor: Floats, **more: Any) -> Evaluation:
    made = endpoint(
        "before_after",
        [criterion("effect", high=-2)],
        arms=["candidate"],
        parameters={"covariates": ["outdoor"]},
        **more,
    )
    plan = protocol(
        made,
        periods=TWO,
        also=["outdoor"],
        devices={"candidate": ["candidate-1", "candidate-2", "candidate-3"]},
    )
    streams = [series(f"candidate-{n}", values_of("candidate") + n) for n in (1, 2, 3)]
    streams.append(series("candidate-2", outdoor, property="outdoor", unit="Cel"))
    return evaluated(inputs(plan, streams))


def test_days_like_those_before_can_be_compared_though_one_device_alone_measures_the_weather() -> None:
    evaluation = seasonal(10 + noise(np.random.default_rng(6), 0.9, 2 * HOURS, 4.0))
    assert not codes(evaluation) & {"season_mismatch", "season_unchecked"}
    assert evaluation.verdict is not Verdict.NOT_EVALUABLE


def test_another_season_cannot_be_compared() -> None:
    blocked(
        seasonal(np.repeat([5.0, 25.0], HOURS) + noise(np.random.default_rng(6), 0.9, 2 * HOURS)),
        "season_mismatch",
    )


def test_a_covariate_measured_more_rarely_than_the_endpoint_is_judged_on_its_own_interval() -> None:
    sparse = 10 + noise(np.random.default_rng(6), 0.9, 2 * HOURS, 4.0)
    sparse[np.arange(2 * HOURS) % 3 != 0] = np.nan
    made = endpoint(
        "before_after",
        [criterion("effect", high=-2)],
        arms=["candidate"],
        parameters={"covariates": ["outdoor"]},
    )
    plan = protocol(made, periods=TWO, also=["outdoor"])
    three = {"interval": Spacing(timedelta(hours=3))}
    rarely = [m.model_copy(update=three) if m.property == "outdoor" else m for m in plan.measurements]
    plan = plan.model_copy(update={"measurements": rarely})
    streams = [*streams_of(plan), series("candidate-1", sparse, property="outdoor", unit="Cel")]
    assert "season_mismatch" not in codes(evaluated(inputs(plan, streams)))


def test_no_covariate_is_a_warning_in_the_report() -> None:
    plan = plan_of("before_after")
    assert {"season_unchecked", "no_control"} <= codes(evaluated(inputs(plan, streams_of(plan))))


# -- series


def placed(stream: StreamInput, position: str, first: int, last: int | None) -> StreamInput:
    place = Placement(
        "station", position, START + first * DAY, START + last * DAY if last is not None else None
    )
    return StreamInput(**{name: getattr(stream, name) for name in stream.__slots__} | {"placements": [place]})


def test_a_swapped_device_continues_the_series_for_the_time_it_stood_there() -> None:
    plan = plan_of("limit_compliance")
    values = values_of("candidate", HOURS)
    old, new = values.copy(), values.copy()
    old[9 * 24 :] = np.nan  # it died a day before its replacement
    new[: 10 * 24] = 400.0  # at the bench
    streams = [
        placed(series("candidate-1", old), "roof", 0, 10),
        placed(series("spare", new), "roof", 10, None),
    ]
    evaluation = evaluated(inputs(plan, streams))
    assert (evaluation.gate[0].valid, evaluation.gate[0].days_valid) == (HOURS - 24, DAYS - 1)
    assert evaluation.endpoints[0].estimates[0].value == pytest.approx(
        np.delete(values, slice(9 * 24, 10 * 24)).mean()
    )
    assert evaluation.swaps == ["candidate-1 → spare"]


def test_a_reference_at_the_same_position_does_not_fill_the_candidates_gaps() -> None:
    plan = plan_of("reference_collocation")
    candidate = values_of("candidate", HOURS) + 5
    candidate[np.arange(HOURS) % 24 >= 20] = np.nan
    streams = [placed(s, "roof", 0, None) for s in streams_of(plan, candidate=candidate)]
    evaluation = evaluated(inputs(plan, streams))
    assert next(g for g in evaluation.gate if g.arm == "candidate").valid == HOURS * 20 // 24
    assert {e.n for e in evaluation.endpoints[0].estimates} == {HOURS * 20 // 24}


def test_a_grid_finer_than_the_reference_uses_the_steps_that_both_have() -> None:
    criteria, periods, arms = DESIGNS["reference_collocation"]
    made = endpoint("reference_collocation", criteria, arms=arms, grid="PT30M")
    plan = protocol(made, periods=periods)
    quarter = [
        m.model_copy(update={"arms": [arm], "interval": Spacing(HOUR / 4 if arm == "candidate" else HOUR)})
        for m in plan.measurements
        for arm in m.arms
    ]
    plan = plan.model_copy(update={"measurements": quarter})
    candidate = series("candidate-1", values_of("candidate", HOURS))
    often = np.concatenate([candidate.time_us + shift * 900_000_000 for shift in range(4)])
    candidate = StreamInput(
        **{name: getattr(candidate, name) for name in candidate.__slots__}
        | {"time_us": often, "result": np.tile(candidate.result, 4), "flag": np.tile(candidate.flag, 4)}
    )
    evaluation = evaluated(
        inputs(plan, [candidate, series("reference-1", values_of("reference", HOURS), role="reference")])
    )
    assert {e.n for e in evaluation.endpoints[0].estimates} == {HOURS}
