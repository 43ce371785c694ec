"""Lost tails: by pencil, against SciPy, and in whole trials; and rules 2, which stay as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from insitu.model import Verdict
from proving.coverage.missing import ERROR_HIGH, OTHERS, SHARES, Silent, _answer
from tests.trials.world import Floats, criterion, endpoint, inputs, noise, period, protocol, series
from trials.judge.answers import judged
from trials.judge.compute import compute
from trials.judge.tails import lost_above, lost_above_by_ratio, lost_on_both_sides, shift_of, spread
from trials.plan.rules import NEWEST, Rules

HOURS = 30 * 24


def test_the_lowest_mirrored_are_the_highest() -> None:
    """1 to 8 were seen and two more are missing above them: the median of ten is 6."""
    assert lost_above(np.arange(1.0, 9.0), 2).tolist() == [11.0, 10.0]


def test_by_ratio_the_lowest_are_mirrored_on_the_logarithm() -> None:
    """1, 2, 4, 8, 16 and one above them: the median of six is 8, and 8²/1 = 64. With a shift of 8, 16²/9 − 8.
    Near 0 the lowest hundredth counts.
    """
    seen = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    lowest = float(np.quantile(seen, 0.01))
    assert lost_above_by_ratio(seen, 1).tolist() == [64 / lowest]
    assert lost_above_by_ratio(seen, 1, 8.0).tolist() == [256 / (lowest + 8) - 8]


def test_a_shift_makes_the_quartiles_symmetric_where_they_lean_to_the_high_side() -> None:
    """(Q1 + s)(Q3 + s) = (m + s)²: 0 of exp(z), .3 of exp(z) − .3; of exp(z) + 5 not −5 but 0."""
    made = np.exp(stats.norm.ppf((np.arange(4000) + 0.5) / 4000))
    assert shift_of(made, 0) == pytest.approx(0.0, abs=0.01)
    assert shift_of(made - 0.3, 0) == pytest.approx(0.3, abs=0.01)
    assert shift_of(made + 5, 0) == 0.0
    assert shift_of(np.arange(100.0), 0) is None
    assert shift_of(-made[::-1], 0) is None
    assert shift_of(made[:2800], 1200) is None, "the upper quartile is lost"


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_the_largest_deviations_on_both_sides_are_those_of_a_normal_distribution(share: float) -> None:
    """E[z² | |z| > c] = 1 + 2c·φ(c)/share, from whole normal quantiles without the outer ones."""
    n = 20_000
    whole = 3 * stats.norm.ppf((np.arange(n) + 0.5) / n)
    lost = int(share * n)
    seen = whole[lost // 2 : n - lost // 2]
    c = stats.norm.isf(share / 2)
    wanted = 9 * (1 + 2 * c * stats.norm.pdf(c) / share)
    assert np.mean(lost_on_both_sides(seen, lost) ** 2) == pytest.approx(wanted, rel=0.01)


@given(st.integers(1, 200), st.integers(1, 200))
def test_values_are_spread_evenly_over_slots(values: int, number: int) -> None:
    found = np.bincount(spread(np.arange(float(values)), number).astype(int), minlength=values)
    assert found.sum() == number
    assert found.max() - found.min() <= 1


def test_neighbouring_slots_get_values_from_all_over() -> None:
    found = spread(np.arange(100.0), 100)
    assert np.abs(np.diff(found)).min() > 20


# -- in whole trials


def verdicts(cell: Silent, rules: int, replications: int = 12) -> list[Verdict]:
    found = []
    for number in range(replications):
        answer = _answer(cell, np.random.default_rng([number, 5]))
        assert answer.question is not None
        answer.question = replace(answer.question, rules=Rules(rules))
        found.append(judged(answer, tell=False).verdict)
    return found


@pytest.mark.parametrize(("design", "lost", "of"), OTHERS)
def test_what_was_lost_because_of_its_value_was_met_by_rules_2_and_is_not_any_more(
    design: str, lost: str, of: str
) -> None:
    cell = Silent(design, 0.0, lost, SHARES[3], of=of)
    assert verdicts(cell, 2).count(Verdict.MET) >= 4
    assert verdicts(cell, NEWEST).count(Verdict.MET) <= 2


def test_a_protocol_may_still_call_a_lower_percentile_the_plausible_worst() -> None:
    cell = Silent("equivalence", 0.0, ERROR_HIGH, SHARES[0], of="difference")
    milder = 0
    for number in range(12):
        answer = _answer(cell, np.random.default_rng([number, 5]))
        milder += judged(answer, tell=False, worst_percentile=60.0).verdict is Verdict.MET
    assert milder > verdicts(cell, NEWEST).count(Verdict.MET)


def silent_maximum() -> Floats:
    """Hours whose highest tenth is lost; nothing resembles what came before."""
    values = np.random.default_rng(1).normal(20, 4, HOURS)
    values[np.argsort(-values)[: HOURS // 10]] = np.nan
    return values


def test_a_daily_maximum_returns_with_its_tail() -> None:
    """The highest of 24 normal hours is 1.95 standard deviations above their mean: 27.8, seen is 25.0."""
    made = endpoint(
        "limit_compliance",
        [criterion("mean", high=27.4)],
        arms=["candidate"],
        aggregation="max",
        parameters={"u_meas": 0.1},
    )
    plan = protocol(made, periods=[period("reporting", 0, 30)])
    given = inputs(plan, [series("candidate-1", silent_maximum())])
    assert compute(given).verdict is Verdict.INCONCLUSIVE
    assert compute(replace(given, rules=Rules(2))).verdict is Verdict.MET


# -- rules 2 stay as they were


def lossy_trial(design: str) -> Floats:
    """Number of the verdict, tipping point and plausible worst where the highest hours are lost."""
    arms = {"before_after": ["candidate"], "limit_compliance": ["candidate"]}.get(
        design, ["candidate", "control" if design == "equivalence" else "reference"]
    )
    statistic, high = {
        "before_after": ("effect", 2.0),
        "limit_compliance": ("mean", 60.2),
        "equivalence": ("difference", 0.5),
        "reference_collocation": ("rmse", 1.25),
    }[design]
    low = -9.0 if design == "equivalence" else None
    made = endpoint(design, [criterion(statistic, low, high)], arms=arms, parameters={"u_meas": 0.1})
    periods = [period("reporting", 30, 60)]
    if design == "before_after":
        periods = [period("baseline", 0, 30), *periods]
    rng = np.random.default_rng(7)
    level = 60 + noise(rng, 0.6, 2 * HOURS, 4.0)
    values = level + noise(rng, 0.3, 2 * HOURS, 1.0) - 3 * (np.arange(2 * HOURS) >= HOURS)
    own = values - level if len(arms) > 1 else values
    values[own > np.quantile(own[HOURS:], 0.96)] = np.nan
    more = {"unit": "dB", "averaging_scale": "energetic"} if design == "limit_compliance" else {}
    streams = [series("candidate-1", values + 3.3 * (len(arms) > 1), **more)]
    streams += [series(f"{arm}-1", level, role=arm) for arm in arms[1:]]
    given = inputs(protocol(made, periods=periods), streams)
    (found,) = compute(replace(given, rules=Rules(2))).endpoints
    assert found.missing is not None
    tip = found.missing.tipping
    return np.array(
        [
            list(Verdict).index(found.verdict),
            np.nan if tip is None else tip.value,
            np.nan if tip is None else tip.percentile,
            np.nan if found.missing.plausible is None else found.missing.plausible,
        ]
    )


@pytest.mark.parametrize(
    ("design", "wanted"),
    [
        ("before_after", [0.0, 74.44, 146.9]),
        ("limit_compliance", [0.0, 68.02, 115.6]),
        ("equivalence", [0.0, 4.212, 140.6]),
        ("reference_collocation", [0.0, -3.265, 99.9]),
    ],
)
def test_what_rules_2_made_of_missing_intervals_is_what_the_version_before_printed(
    design: str, wanted: list[float]
) -> None:
    assert lossy_trial(design)[:3].tolist() == wanted
