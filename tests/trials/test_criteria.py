"""Every branch of the verdict rule, and how several criteria combine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from insitu.model import Verdict
from tests.trials.world import criterion, cycle, endpoint, inputs, noise, period, protocol, series
from trials.evaluation import EndpointResult, Evaluation, document_of
from trials.judge.changes import changes
from trials.judge.compute import compute
from trials.plan.parts import Target
from trials.statistics.criteria import all_of, any_of, holm, judge, margin, overall

MET, NOT_MET = Verdict.MET, Verdict.NOT_MET
INCONCLUSIVE, NOT_EVALUABLE = Verdict.INCONCLUSIVE, Verdict.NOT_EVALUABLE
DOWN_BY_2 = Target(high=-2)
UP_BY_2 = Target(low=2)
WITHIN_2 = Target(low=-2, high=2)
BRANCHES = [
    ("downwards: all of it below", -5, -3, DOWN_BY_2, MET),
    ("downwards: ends on the margin, which belongs to the target", -5, -2, DOWN_BY_2, MET),
    ("downwards: margin inside", -5, -1.9, DOWN_BY_2, INCONCLUSIVE),
    ("downwards: begins on the margin", -2, 3, DOWN_BY_2, INCONCLUSIVE),
    ("downwards: a real but too small reduction", -1.9, -0.1, DOWN_BY_2, NOT_MET),
    ("downwards: an increase", 1, 3, DOWN_BY_2, NOT_MET),
    ("upwards: all of it above", 2, 9, UP_BY_2, MET),
    ("upwards: margin inside", 1.9, 9, UP_BY_2, INCONCLUSIVE),
    ("upwards: too little", -1, 1.9, UP_BY_2, NOT_MET),
    ("equivalence: all of it inside", -2, 2, WITHIN_2, MET),
    ("equivalence: a difference that is sure but small is equivalent", 0.5, 1.5, WITHIN_2, MET),
    ("equivalence: over the upper end", 1, 3, WITHIN_2, INCONCLUSIVE),
    ("equivalence: over the lower end", -3, 1, WITHIN_2, INCONCLUSIVE),
    ("equivalence: over both ends", -3, 3, WITHIN_2, INCONCLUSIVE),
    ("equivalence: above", 2.1, 3, WITHIN_2, NOT_MET),
    ("equivalence: below", -3, -2.1, WITHIN_2, NOT_MET),
    ("non-inferiority, lower is better: not worse by 2", -4, 1.9, Target(high=2), MET),
    ("non-inferiority, lower is better: maybe worse by 2", -4, 2.1, Target(high=2), INCONCLUSIVE),
    ("non-inferiority, lower is better: worse by 2", 2.1, 5, Target(high=2), NOT_MET),
    ("non-inferiority, higher is better: not worse by 2", -1.9, 4, Target(low=-2), MET),
    ("non-inferiority, higher is better: maybe worse by 2", -2.1, 4, Target(low=-2), INCONCLUSIVE),
    ("non-inferiority, higher is better: worse by 2", -5, -2.1, Target(low=-2), NOT_MET),
    ("no sampling error: on the bound", 2, 2, UP_BY_2, MET),
    ("no sampling error: off the bound", 1.999, 1.999, UP_BY_2, NOT_MET),
]


@pytest.mark.parametrize(
    ("low", "high", "target", "verdict"), [b[1:] for b in BRANCHES], ids=[b[0] for b in BRANCHES]
)
def test_an_interval_against_a_target(low: float, high: float, target: Target, verdict: Verdict) -> None:
    assert judge(low, high, target) is verdict


bounds = st.floats(-100, 100)


@given(
    ends=st.tuples(bounds, bounds).map(sorted),
    target=st.tuples(bounds, bounds).map(sorted),
    inside=st.floats(0, 1),
)
def test_a_decided_verdict_is_true_of_every_point_of_the_interval(
    ends: list[float], target: list[float], inside: float
) -> None:
    point = min(max(ends[0] + inside * (ends[1] - ends[0]), ends[0]), ends[1])
    verdict = judge(ends[0], ends[1], Target(low=target[0], high=target[1]))
    within = target[0] <= point <= target[1]
    assert not (verdict is MET and not within)
    assert not (verdict is NOT_MET and within)


@given(ends=st.tuples(bounds, bounds).map(sorted), wider=st.floats(0, 10), bound=bounds)
def test_a_wider_interval_never_decides_what_a_narrower_one_left_open(
    ends: list[float], wider: float, bound: float
) -> None:
    narrow, wide = (
        judge(ends[0], ends[1], Target(high=bound)),
        judge(ends[0] - wider, ends[1] + wider, Target(high=bound)),
    )
    assert wide in (narrow, INCONCLUSIVE)


@pytest.mark.parametrize(
    ("verdicts", "strict", "verdict"),
    [
        ([MET, MET], [MET, INCONCLUSIVE], MET),
        ([MET, INCONCLUSIVE], [MET, INCONCLUSIVE], INCONCLUSIVE),
        ([MET, NOT_MET], [MET, NOT_MET], NOT_MET),
        ([MET, NOT_MET], [MET, INCONCLUSIVE], INCONCLUSIVE),  # not_met only without the correction
        ([INCONCLUSIVE, NOT_MET], [INCONCLUSIVE, NOT_MET], NOT_MET),
        ([NOT_EVALUABLE, NOT_MET], [NOT_EVALUABLE, NOT_MET], NOT_EVALUABLE),
        ([], [], NOT_EVALUABLE),
    ],
)
def test_all_criteria_together(verdicts: list[Verdict], strict: list[Verdict], verdict: Verdict) -> None:
    assert all_of(verdicts, strict) is verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([MET, NOT_MET], MET),
        ([MET, NOT_EVALUABLE], MET),
        ([NOT_MET, NOT_MET], NOT_MET),
        ([NOT_MET, INCONCLUSIVE], INCONCLUSIVE),
        ([NOT_MET, NOT_EVALUABLE], NOT_EVALUABLE),
        ([INCONCLUSIVE, NOT_EVALUABLE], NOT_EVALUABLE),
    ],
)
def test_one_or_the_other(verdicts: list[Verdict], verdict: Verdict) -> None:
    assert any_of(verdicts) is verdict
    assert any_of(verdicts[::-1]) is verdict


@pytest.mark.parametrize(
    ("primary", "verdict"),
    [
        ([MET, MET], MET),
        ([MET, INCONCLUSIVE], INCONCLUSIVE),
        ([MET, NOT_MET], NOT_MET),
        ([NOT_MET, NOT_EVALUABLE], NOT_EVALUABLE),
        ([], NOT_EVALUABLE),
    ],
)
def test_a_trial_is_met_only_if_every_primary_endpoint_is(primary: list[Verdict], verdict: Verdict) -> None:
    assert overall(primary) is verdict


def test_the_margin_of_a_target_is_its_distance_from_nothing() -> None:
    assert [margin(t) for t in (DOWN_BY_2, UP_BY_2, WITHIN_2, Target(low=-1, high=3))] == [2, 2, 2, 3]


# -- through the whole computation


def collocated(criteria: list[dict[str, Any]], *, slope: float = 1.0, sd: float = 1.0) -> EndpointResult:
    """30 days of a candidate that reads 1 + slope·x, with white errors: its statistics are sharp."""
    rng = np.random.default_rng(3)
    x = 30 + cycle(720, 10) + noise(rng, 0.5, 720, 5)
    made = endpoint("reference_collocation", criteria, arms=["candidate", "reference"])
    streams = [
        series("candidate-1", 1 + slope * x + rng.normal(0, sd, 720)),
        series("reference-1", x, role="reference"),
    ]
    return compute(inputs(protocol(made, periods=[period("reporting", 0, 30)]), streams)).endpoints[0]


def test_all_criteria_of_a_good_sensor_are_met_together() -> None:
    criteria = [criterion("slope", 0.65, 1.35), criterion("r2", low=0.7), criterion("rmse", high=7)]
    found = collocated(criteria)
    assert [c.verdict for c in found.criteria] == [MET, MET, MET]
    assert found.verdict is MET


def test_one_criterion_that_is_not_met_decides() -> None:
    found = collocated(
        [criterion("slope", 0.65, 1.35), criterion("r2", low=0.7), criterion("bias", -0.2, 0.2)]
    )
    assert [c.verdict for c in found.criteria] == [MET, MET, NOT_MET]
    assert found.verdict is NOT_MET


def test_two_criteria_about_one_statistic_both_count() -> None:
    """The slope 1.6 is above .65, the first criterion, but not below 1.35, the second; the order does not
    matter.
    """
    criteria = [criterion("slope", high=1.35), criterion("slope", low=0.65)]
    for order in (criteria, criteria[::-1]):
        found = collocated(order, slope=1.6)
        assert sorted(c.verdict for c in found.criteria) == ["met", "not_met"]
        assert found.verdict is NOT_MET
        assert {s.verdict for s in found.sensitivity} == {NOT_MET}


def test_a_or_b_is_met_by_one_of_them_and_the_others_still_count() -> None:
    """RMSE ≤ 1 is not met (the bias alone is 1), but NRMSE ≤ 30 % is."""
    either = [criterion("rmse", high=0.5, alternative_to="nrmse"), criterion("nrmse", high=30)]
    found = collocated([*either, criterion("r2", low=0.7)])
    assert [c.verdict for c in found.criteria] == [NOT_MET, MET, MET]
    assert found.verdict is MET
    assert collocated([*either, criterion("slope", high=0.5)]).verdict is NOT_MET


def test_a_or_b_is_not_met_only_if_neither_is() -> None:
    assert (
        collocated([criterion("rmse", high=0.5, alternative_to="nrmse"), criterion("nrmse", high=1)]).verdict
        is NOT_MET
    )


def test_two_criteria_that_name_each_other_are_one_choice() -> None:
    each = [
        criterion("rmse", high=0.5, alternative_to="nrmse"),
        criterion("nrmse", high=30, alternative_to="rmse"),
    ]
    assert collocated(each).verdict is MET


def limited(limit: float, u_meas: float, *, level: float = 40.0) -> EndpointResult:
    values = level + cycle(720) + noise(np.random.default_rng(8), 0.2, 720, 1.0)
    made = endpoint(
        "limit_compliance", [criterion("mean", high=limit)], arms=["candidate"], parameters={"u_meas": u_meas}
    )
    plan = protocol(made, periods=[period("reporting", 0, 30)])
    return compute(inputs(plan, [series("candidate-1", values)])).endpoints[0]


@pytest.mark.parametrize(
    ("limit", "verdict"), [(45.0, MET), (42.1, INCONCLUSIVE), (37.9, INCONCLUSIVE), (35.0, NOT_MET)]
)
def test_a_limit_inside_the_guard_band_of_the_instrument_decides_nothing(
    limit: float, verdict: Verdict
) -> None:
    """u_meas 1.5: the band is a little wider than 2·1.5 either side of 40."""
    found = limited(limit, 1.5)
    assert found.verdict is verdict
    inside = [f for f in found.findings if f.code == "within_guard_band"]
    assert len(inside) == (verdict is INCONCLUSIVE)
    estimate = found.criteria[0].estimate
    assert estimate is not None
    assert estimate.high - estimate.value == pytest.approx(3.0, abs=0.1)
    for one in inside:
        assert one.evidence["width"] == pytest.approx(estimate.high - estimate.value)


def test_the_same_limit_is_decided_where_the_instrument_is_better() -> None:
    assert (limited(42.1, 0.1).verdict, limited(37.9, 0.1).verdict) == (MET, NOT_MET)


def before_after(criteria: list[dict[str, Any]], effect: float, **more: Any) -> Evaluation:
    values = 40 + cycle(60 * 24) + noise(np.random.default_rng(5), 0.2, 60 * 24, 1.0)
    values[30 * 24 :] += effect
    made = endpoint("before_after", criteria, arms=["candidate"])
    plan = protocol(made, periods=[period("baseline", 0, 30), period("reporting", 30, 60)], **more)
    return compute(inputs(plan, [series("candidate-1", values)]))


@pytest.mark.parametrize(
    ("target", "effect", "verdict"),
    [
        ((None, -2), -4, MET),
        ((None, -2), -2, INCONCLUSIVE),
        ((None, -2), 0, NOT_MET),
        ((None, -2), 4, NOT_MET),
        ((2, None), 4, MET),
        ((-1, 1), 0, MET),
        ((-1, 1), 1, INCONCLUSIVE),
        ((-1, 1), -3, NOT_MET),
        ((None, 1), 0, MET),  # not worse by 1, where lower is better
        ((None, 1), 3, NOT_MET),
        ((-1, None), 0, MET),  # not worse by 1, where higher is better
        ((-1, None), -3, NOT_MET),
    ],
)
def test_an_effect_of_known_size_gets_the_verdict_it_deserves(
    target: tuple[float | None, float | None], effect: float, verdict: Verdict
) -> None:
    assert before_after([criterion("effect", *target)], effect).verdict is verdict


def test_a_higher_level_of_confidence_is_harder_to_convince() -> None:
    widths = []
    for confidence in (0.8, 0.95, 0.999):
        found = (
            before_after([criterion("effect", high=-2)], -4, confidence=confidence)
            .endpoints[0]
            .criteria[0]
            .estimate
        )
        assert found is not None
        assert found.level == pytest.approx(confidence)
        widths.append(found.high - found.low)
    assert widths == sorted(widths)


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=8), st.sampled_from([0.05, 0.1]))
def test_holm_decides_what_statsmodels_rejects(smallest: list[float], alpha: float) -> None:
    """A question is decided at a level if its smallest α (its p value) is within it."""
    from statsmodels.stats.multitest import multipletests

    # Exactly on the bound 1 − (1 − α/k) is not α/k in floats: that would test rounding.
    assume(all(abs(p - alpha / k) > 1e-12 for p in smallest for k in range(1, len(smallest) + 1)))
    levels = holm(range(len(smallest)), alpha, lambda number, level: smallest[number] <= 1 - level)
    decided = [smallest[number] <= 1 - levels[number] for number in range(len(smallest))]
    assert decided == list(multipletests(smallest, alpha, method="holm")[0])


def test_holm_by_hand() -> None:
    """.01 ≤ .05/3; then .02 ≤ .05/2; then .06 > .05."""
    smallest = {"a": 0.02, "b": 0.06, "c": 0.01}
    levels = holm(list(smallest), 0.05, lambda name, level: smallest[name] <= 1 - level)
    assert levels == pytest.approx({"c": 1 - 0.05 / 3, "a": 1 - 0.05 / 2, "b": 0.95})


def test_what_changed_compares_each_criterion_with_itself_though_two_are_about_one_statistic() -> None:
    both = [criterion("effect", high=-2), criterion("effect", low=-3)]
    before = before_after(both, effect=-4)
    assert [c.verdict for c in before.endpoints[0].criteria] == [MET, NOT_MET]
    stored = Evaluation.model_validate(document_of(before))
    assert changes(stored, "x", before_after(both, effect=-4)) == []
    found = changes(stored, "x", before_after(both, effect=-2.5))
    assert {(c.verdict_before, c.verdict_after) for c in found} <= {
        (MET, MET),
        (MET, INCONCLUSIVE),
        (NOT_MET, MET),
        (NOT_MET, INCONCLUSIVE),
    }
    assert len(found) == 2
