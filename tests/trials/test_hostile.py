"""Whatever the arrays hold, the answer is a finite estimate, a finding with a code, or one clear error. Never
NaN, never a warning, never a traceback.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insitu.errors import CorrectInput
from insitu.model import Verdict
from tests.trials.test_gate import DAYS, DEVICES, HOURS, evaluated, more_of, plan_of, streams_of
from tests.trials.test_gate import DESIGNS as PLANS
from tests.trials.world import DAY, FINDING_CODES, HOUR, START, Floats, endpoint, inputs, protocol
from trials import designs
from trials.designs import DESIGNS, Answer
from trials.series.inputs import StreamInput

TINY, HUGE, MOST = 5e-324, 1e300, 8e307
every_design = pytest.mark.parametrize("design", DESIGNS)
often = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def noisy(n: int, seed: int = 1) -> Floats:
    made: Floats = 20 + np.random.default_rng(seed).normal(0, 3, n)
    return made


def with_one(value: float) -> Callable[[int], Floats]:
    """Usual values, and one unusual one."""

    def made(n: int) -> Floats:
        values = noisy(n, 7)
        values[n // 2 :][:1] = value
        return values

    return made


HOSTILE: dict[str, Callable[[int], Floats]] = {
    "missing": lambda n: np.full(n, np.nan),
    "infinite": lambda n: np.full(n, np.inf),
    "minus infinite": lambda n: np.full(n, -np.inf),
    "zero": np.zeros,
    "constant": lambda n: np.full(n, 7.3),
    "huge": lambda n: np.full(n, HUGE),
    "huge and noisy": lambda n: HUGE * noisy(n, 2),
    "most of both signs": lambda n: MOST * np.where(np.arange(n) % 2, 1.0, -1.0),
    "most by days": lambda n: MOST * np.where(np.arange(n) // 24 % 2, 1.0, -1.0),
    "denormal": lambda n: np.full(n, TINY),
    "denormal and noisy": lambda n: TINY * np.rint(noisy(n, 3)),
    "small and noisy": lambda n: 1e-160 * noisy(n, 3),
    "large and noisy": lambda n: 1e160 * noisy(n, 3),
    "one value": lambda n: np.where(np.arange(n) == n // 2, 5.0, np.nan),
    "one moves": lambda n: np.where(np.arange(n) == n // 2, 6.0, 5.0),
    "one huge": with_one(MOST),
    "one infinite": with_one(np.inf),
    "one day": lambda n: np.where(np.arange(n) // 24 == 3, noisy(n, 4), np.nan),
    "a step": lambda n: np.where(np.arange(n) < n // 2, 1.0, 2.0),
    "a line": lambda n: np.arange(n, dtype=np.float64),
    "negative": lambda n: -noisy(n, 5),
    "around zero": lambda n: noisy(n, 6) - 20,
    "sparse": lambda n: np.where(np.arange(n) % 24 < 5, noisy(n, 8), np.nan),
    "last digit": lambda n: 1e15 + np.arange(n) % 2,
    "usual": lambda n: noisy(n, 9),
    "usual with gaps": lambda n: np.where(np.random.default_rng(2).random(n) < 0.1, np.nan, noisy(n, 10)),
}
kinds = st.sampled_from(sorted(HOSTILE))
scales = st.sampled_from(
    [("arithmetic", "1"), ("energetic", "dB"), ("circular", "deg"), ("time_weighted", "1"), ("sum", "1")]
)
lengths = st.sampled_from([0, 1, 2, 23, 24, 13 * 24, 14 * 24, DAYS * 24])


def sound(answer: Answer) -> None:
    """Requires that findings have a code and that numbers are finite."""
    for found in answer.findings:
        assert found.code in FINDING_CODES
        assert all(math.isfinite(e) for e in found.evidence.values() if isinstance(e, float)), found
    if answer.blocked:
        return
    for known in answer.statistics:
        estimate = known.estimate(0.95)
        assert all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))), estimate
        assert estimate.low <= estimate.high
        assert estimate.n_effective is None or math.isfinite(estimate.n_effective)
    for _, estimate in answer.sensitivity:
        assert all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))), estimate
    for drawn in answer.lines:
        assert all(day.value is None or math.isfinite(day.value) for day in drawn.days)
    assert all(math.isfinite(pair.x) and math.isfinite(pair.y) for pair in answer.pairs)


def asked(design: str, series: Callable[[str, int], Floats], n: int, **more: Any) -> Answer | None:
    """The answer on arrays from `series` (of device and period); None if it is a refusal in words."""
    _, _, arms = PLANS[design]
    made = {
        arm: {
            str(period): {
                device: series(device, number) for device in DEVICES.get(design, {}).get(arm, [f"{arm}-1"])
            }
            for number, period in enumerate(DESIGNS[design].periods)
        }
        for arm in arms
    }
    start = {
        str(period): START + number * timedelta(hours=n)
        for number, period in enumerate(DESIGNS[design].periods)
    }
    given_more = {name: value for name, value in more_of(design).items() if name == "parameters"}
    if design == "reference_collocation":
        given_more = {"parameters": {"limit_value": 40}}
    criterion = PLANS[design][0][0]
    targets = {criterion["statistic"]: (criterion["target"]["low"], criterion["target"]["high"])}
    try:
        return designs.ask(
            design, arms=made, start=start, interval=HOUR, targets=targets, **{**given_more, **more}
        )
    except CorrectInput:
        return None


@every_design
@often
@given(first=kinds, second=kinds, third=kinds, n=lengths, scale=scales)
def test_any_arrays_have_an_answer_or_a_clear_error(
    design: str, first: str, second: str, third: str, n: int, scale: tuple[str, str]
) -> None:
    picked = {"candidate-1": first, "reference-1": second, "control-1": second}

    def series(device: str, number: int) -> Floats:
        return HOSTILE[picked.get(device, third) if number == 0 else third](n)

    answer = asked(design, series, n, scale=scale[0], unit=scale[1])
    if answer is not None:
        sound(answer)


@every_design
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_whole_arm_of_one_kind_has_an_answer_or_a_finding(design: str, kind: str) -> None:
    """All series hostile in the same way, and a hostile candidate against usual series."""
    n = DAYS * 24
    for hostile in (lambda _: True, lambda device: device.startswith("candidate")):

        def series(device: str, _: int, hostile: Callable[[str], bool] = hostile) -> Floats:
            return HOSTILE[kind](n) if hostile(device) else noisy(n, sum(device.encode()))

        answer = asked(design, series, n)
        assert answer is not None
        sound(answer)


AGGREGATIONS: list[dict[str, Any]] = [
    {"name": "percentile", "q": 95},
    {"name": "exceedance_share", "threshold": 20},
    {"name": "count", "threshold": 20, "step": "PT2H"},
    {"name": "duty"},
    {"name": "sum"},
    {"name": "min"},
    {"name": "max"},
    {"name": "la10"},
    {"name": "lden"},
    {"name": "ln"},
]


@pytest.mark.parametrize("aggregation", AGGREGATIONS, ids=[a["name"] for a in AGGREGATIONS])
@often
@given(
    first=kinds,
    second=kinds,
    scale=scales,
    design=st.sampled_from(["before_after", "limit_compliance", "equivalence"]),
)
def test_every_aggregation_of_any_arrays_has_an_answer(
    aggregation: dict[str, Any], first: str, second: str, scale: tuple[str, str], design: str
) -> None:
    n = DAYS * 24
    answer = asked(
        design,
        lambda device, number: HOSTILE[second if number or device == "control-1" else first](n),
        n,
        aggregation=aggregation,
        scale=scale[0],
        unit=scale[1],
    )
    if answer is not None:
        sound(answer)


@often
@given(first=kinds, second=kinds, n=st.sampled_from([14 * 24, DAYS * 24, 45 * 24]))
def test_rates_of_any_arrays_have_an_answer_or_a_finding(first: str, second: str, n: int) -> None:
    answer = asked(
        "interrupted_series",
        lambda _, number: np.abs(HOSTILE[second if number else first](n)),
        n,
        parameters={"family": "poisson"},
    )
    assert answer is not None
    sound(answer)


# -- the same through a whole evaluation


@every_design
@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if "infinite" not in kind])
def test_a_whole_evaluation_of_any_arrays_is_a_document_without_holes(design: str, kind: str) -> None:
    """`evaluated` checks every estimate and that the document can be written and read back. Infinite results
    are left out, since the database refuses them.
    """
    plan = plan_of(design)
    evaluation = evaluated(inputs(plan, streams_of(plan, candidate=HOSTILE[kind](2 * HOURS))))
    assert evaluation.verdict in set(Verdict)


@every_design
@pytest.mark.parametrize("flag", [2, 3, 4, 9])
def test_observations_that_all_have_one_bad_flag_are_no_evidence(design: str, flag: int) -> None:
    plan = plan_of(design)
    streams = [replace(stream, flag=np.full(len(stream.flag), flag, np.int8)) for stream in streams_of(plan)]
    evaluation = evaluated(inputs(plan, streams))
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    assert "no_observations" in {f.code for f in evaluation.endpoints[0].findings}


@every_design
@often
@given(flags=st.lists(st.sampled_from([1, 2, 3, 4, 9]), min_size=1, max_size=50), kind=kinds)
def test_flags_in_any_order_do_not_break_an_evaluation(design: str, flags: list[int], kind: str) -> None:
    plan = plan_of(design)

    def flagged(stream: StreamInput) -> StreamInput:
        return replace(stream, flag=np.resize(np.array(flags, np.int8), len(stream.flag)))

    values = HOSTILE[kind](2 * HOURS)
    streams = [
        flagged(stream)
        for stream in streams_of(plan, candidate=np.where(np.isfinite(values), values, np.nan))
    ]
    evaluated(inputs(plan, streams))


SEASONS = {
    "usual": "season_mismatch",
    "constant": "season_mismatch",
    "around zero": "season_mismatch",
    "missing": "covariate_missing",
    "one value": "covariate_missing",
    "most of both signs": "out_of_scale",
    "denormal": "out_of_scale",
}
"""Content of the covariate → code of the finding; in the reporting period it is 100 degrees higher."""


@pytest.mark.parametrize("design", ["before_after", "adjusted_before_after", "interrupted_series"])
@pytest.mark.parametrize(("kind", "code"), SEASONS.items())
def test_a_season_that_cannot_be_compared_is_a_finding_and_no_verdict(
    design: str, kind: str, code: str
) -> None:
    plan = plan_of(design)
    more = {**plan.endpoints[0].parameters, "covariates": ["outdoor"]}
    plan = plan.model_copy(update={"endpoints": [plan.endpoints[0].model_copy(update={"parameters": more})]})
    outdoor = HOSTILE[kind](2 * HOURS)
    outdoor[HOURS:] += 100
    there = np.isfinite(outdoor)
    streams = [s for s in streams_of(plan) if s.property != "outdoor"]
    like = streams[0]
    weather = replace(
        like,
        property="outdoor",
        name="outdoor",
        unit="Cel",
        time_us=like.time_us[there],
        result=outdoor[there],
        flag=like.flag[there],
    )
    evaluation = evaluated(inputs(plan, [*streams, weather]))
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    assert code in {f.code for f in evaluation.endpoints[0].findings}


@every_design
def test_a_trial_that_begins_tomorrow_is_in_the_future(design: str) -> None:
    plan = plan_of(design)
    evaluation = evaluated(inputs(plan, [], now=START - DAY))
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    assert "period_in_future" in {f.code for f in evaluation.endpoints[0].findings}


# -- refusals: each is a code and no verdict, for every design that it concerns

OVERLAP = {
    "reference_collocation": "no_overlap",
    "replicates": "no_common_intervals",
    "equivalence": "too_few_days",
    "control_sites": "too_few_days",
    "synthetic_control": "too_few_days",
}


@pytest.mark.parametrize(("design", "code"), OVERLAP.items())
def test_series_that_are_never_there_on_the_same_day(design: str, code: str) -> None:
    plan = plan_of(design, capture={"share": 0.3, "days": 0.3, "day": 0.75})
    even = np.arange(2 * HOURS) // 24 % 2 == 0
    streams = []
    for number, stream in enumerate(streams_of(plan)):
        turn = number % 2 if design == "replicates" else int(not stream.device.startswith("candidate"))
        kept = even[(stream.time_us - stream.time_us[0]) // 3_600_000_000] == (turn == 0)
        streams.append(
            replace(stream, time_us=stream.time_us[kept], result=stream.result[kept], flag=stream.flag[kept])
        )
    evaluation = evaluated(inputs(plan, streams))
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    assert code in {f.code for f in evaluation.endpoints[0].findings}


FEW = {"replicates": "one_unit", "control_sites": "few_sites", "synthetic_control": "too_few_donors"}


@pytest.mark.parametrize(("design", "code"), FEW.items())
def test_one_device_or_site_an_arm_where_it_takes_several(design: str, code: str) -> None:
    criteria, periods, arms = PLANS[design]
    plan = protocol(endpoint(design, criteria, arms=arms, **more_of(design)), periods=periods)
    evaluation = evaluated(inputs(plan, streams_of(plan)))
    assert code in {f.code for f in evaluation.endpoints[0].findings}
    assert evaluation.verdict in (Verdict.NOT_EVALUABLE, Verdict.INCONCLUSIVE, Verdict.NOT_MET)
    assert evaluation.verdict is not Verdict.MET


@every_design
def test_an_endpoint_in_which_one_device_of_each_arm_stands_still(design: str) -> None:
    """The other devices vary, so the arm's mean does, and no formula divides by the spread of the constant
    one.
    """
    criteria, periods, arms = PLANS[design]
    devices = {arm: [f"{arm}-1", f"{arm}-2", f"{arm}-3"] for arm in arms}
    plan = protocol(
        endpoint(design, criteria, arms=arms, **more_of(design)),
        periods=periods,
        devices=devices,
        also=["outdoor"] if design == "adjusted_before_after" else [],
    )
    streams = [
        replace(s, result=np.full(len(s.result), 7.3))
        if s.device.endswith("-1") and s.property == "no2"
        else s
        for s in streams_of(plan)
    ]
    evaluated(inputs(plan, streams))
