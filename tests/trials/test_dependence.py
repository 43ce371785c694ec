"""Dependence by true lags: against an exact likelihood with dense matrices that shares no code, and its
properties.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from insitu.spacing import Spacing
from tests.trials.exact_lags import exact_half
from tests.trials.world import criterion, endpoint, inputs, period, protocol
from tests.trials.world import series as series_of
from trials.designs import DESIGNS, ask
from trials.designs.question import Answer
from trials.designs.registry import misfits
from trials.evaluation import document_of
from trials.judge.compute import compute
from trials.plan.endpoint import Endpoint
from trials.plan.rules import Rules
from trials.statistics.block_pairs import widening
from trials.statistics.spread import AveragedPeriods, averaged

SEED = 20261129
WHY = {"en": "patients in any order", "fr": "des patients dans un ordre quelconque"}


def walk(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    found = rng.normal(size=n)
    for at in range(1, n):
        found[at] = phi * found[at - 1] + np.sqrt(1 - phi**2) * found[at]
    return found


@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("spacing", [[1], [2, 2, 3], [1, 6], [7]])
def test_the_interval_is_that_of_an_exact_likelihood(phi: float, spacing: list[int]) -> None:
    days = np.cumsum(np.resize(spacing, 20)).astype(np.int64)
    values = walk(np.random.default_rng([SEED, int(10 * phi), len(spacing)]), 20, phi)
    assert averaged(days, values, float(days.mean())).half(0.95) == pytest.approx(
        exact_half(days.astype(float), values, 0.95), rel=3e-4
    )


series = st.lists(st.floats(-50, 50), min_size=14, max_size=40).filter(lambda v: float(np.ptp(v)) > 1e-2)


@settings(max_examples=40, deadline=None)
@given(series, st.integers(1, 30), st.floats(-1e3, 1e3), st.sampled_from([1e-3, 7.0, 1e3]))
def test_shift_scale_reversal_and_the_unit_of_time_change_nothing_else(
    values: list[float], step: int, shift: float, scale: float
) -> None:
    found = np.array(values)
    days = np.arange(len(found), dtype=np.int64)
    half = averaged(days, found).half(0.95)
    assert averaged(step * days, found).half(0.95) == pytest.approx(half, rel=1e-6)
    assert averaged(days, found[::-1]).half(0.95) == pytest.approx(half, rel=1e-5)
    assert averaged(days, scale * found).half(0.95) == pytest.approx(scale * half, rel=1e-6)
    assert averaged(days, found + shift).half(0.95) == pytest.approx(half, rel=1e-4)
    assert averaged(days, found).half(0.99) >= half


@pytest.mark.parametrize(
    ("n", "phi", "step"), [(29, 0.5, 1), (29, 0.7, 1), (52, 0.7, 7), (60, 0.8, 2), (20, 0.8, 1), (14, 0.7, 1)]
)
def test_intervals_cover_or_refuse_and_are_not_too_wide(n: int, phi: float, step: int) -> None:
    """400 series; bounds .93 less three standard errors, and 1.6 times the ideal width plus its error."""
    rng = np.random.default_rng([SEED, n, int(10 * phi)])
    days = step * np.arange(n, dtype=np.int64)
    found = [averaged(days, walk(rng, n, phi)) for _ in range(400)]
    refused = [one.needed(0.95) is not None for one in found]
    held = [low <= 0 <= high for low, high in (one.interval(0.95) for one in found)]
    assert np.mean(np.logical_or(refused, held)) >= 0.93 - 3 * np.sqrt(0.07 * 0.93 / 400)
    ideal = 1.96 * np.sqrt((phi ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))).mean())
    if n == 29:
        assert np.median([one.half(0.95) for one in found]) / ideal <= 1.7


def test_two_periods_tell_one_autocorrelation_and_are_shorter_for_it() -> None:
    rng = np.random.default_rng(SEED)
    days = np.arange(14, dtype=np.int64)
    parts = [averaged(days + 14 * at, rng.normal(size=14)) for at in (0, 1)]
    both = AveragedPeriods.of(*parts)
    assert both.half(0.95) < np.hypot(parts[0].half(0.95), parts[1].half(0.95))
    assert both.difference == parts[1].mean - parts[0].mean


def test_a_series_that_does_not_vary_has_no_width_and_is_not_refused() -> None:
    still = averaged(np.arange(20, dtype=np.int64), np.full(20, 7.3))
    assert still.interval(0.95) == pytest.approx((7.3, 7.3))
    assert still.needed(0.95) is None


def limit(values: np.ndarray, independent: bool) -> Answer:
    return ask(
        "limit_compliance",
        arms={"candidate": {"reporting": values}},
        start={"reporting": datetime(2026, 3, 2, tzinfo=UTC)},
        interval=timedelta(days=1),
        parameters={"u_meas": 0.0},
        independent=WHY if independent else None,
    )


@settings(max_examples=20, deadline=None)
@given(st.permutations(list(range(15))))
def test_independent_values_in_any_order_give_the_same_numbers(order: list[int]) -> None:
    """15 patients: the plain t, to the last bit, whatever the order of rows."""
    values = np.random.default_rng(SEED).normal(20, 1, 15)
    plain, other = (limit(one, True).statistic("mean") for one in (values, values[order]))
    assert plain.interval(0.95) == other.interval(0.95)
    assert plain.inference_by == "sample"
    half = stats.t.ppf(0.975, 14) * values.std(ddof=1) / np.sqrt(15)
    assert plain.interval(0.95)[1] == pytest.approx(values.mean() + half)


PAIRED = ("reference_collocation", "equivalence", "before_after", "replicates", "limit_compliance")


def patients(design: str, order: list[int]) -> Answer:
    """Each patient measured by two devices, in any order of rows."""
    rng = np.random.default_rng(SEED)
    first = rng.normal(20, 3, 30)
    second = first + rng.normal(0.5, 1, 30)
    both = {"candidate-1": first[order], "candidate-2": second[order]}
    arms: dict[str, Any] = {
        "reference_collocation": {
            "candidate": {"reporting": first[order]},
            "reference": {"reporting": second[order]},
        },
        "equivalence": {"candidate": {"reporting": first[order]}, "control": {"reporting": second[order]}},
        "before_after": {"candidate": {"baseline": first, "reporting": second[order]}},
        "replicates": {"candidate": {"reporting": both}},
        "limit_compliance": {"candidate": {"reporting": first[order]}},
    }
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    return ask(
        design,
        arms=arms[design],
        start={"baseline": begin - timedelta(days=30), "reporting": begin},
        interval=timedelta(days=1),
        grid="P1D",
        parameters={"u_meas": 0.0} if design == "limit_compliance" else {},
        independent=WHY,
    )


@pytest.mark.parametrize("design", PAIRED)
@settings(max_examples=10, deadline=None)
@given(st.permutations(list(range(30))))
def test_every_number_of_independent_values_is_the_same_in_any_order(design: str, order: list[int]) -> None:
    """Estimates and other choices, to nine digits, as documents have them."""

    def numbers(answer: Answer) -> dict[str, tuple[float, ...]]:
        found = {known.statistic: known.estimate(0.95) for known in answer.statistics}
        found |= {f"{name} {one.statistic}": one for name, one in answer.sensitivity}
        return {name: (one.value, one.low, one.high) for name, one in found.items()}

    plain, other = (numbers(patients(design, one)) for one in (list(range(30)), order))
    assert plain.keys() == other.keys()
    for name, ends in plain.items():
        assert other[name] == pytest.approx(ends, rel=1e-9, abs=1e-12), name


def test_designs_that_rest_on_the_order_of_days_refuse_to_leave_it_out() -> None:
    for name, design in DESIGNS.items():
        made = Endpoint.model_validate(
            endpoint(name, [criterion("effect", high=1)], arms=list(design.arms), independent=WHY)
        )
        refused = [problem for problem in misfits(made) if problem.startswith("independent: ")]
        assert bool(refused) is (name not in {*PAIRED, "crossover"}), name
        if refused:
            assert "leave independent out" in refused[0]


def test_days_that_are_all_alike_are_refused_with_the_next_step() -> None:
    slow = 20 + np.repeat([0.0, 1.0, 0.0], 5)
    answer = limit(slow, False)
    (found,) = [one for one in answer.findings if one.code == "too_few_effective_days"]
    assert answer.blocked
    assert int(str(found.evidence["needed"])) > 15


def blocks(pairs: int, length: int, mirrored: bool) -> np.ndarray:
    """Weights of the days in each pair of blocks, on first, or in turn on and off first."""
    weights = np.zeros((pairs, 2 * length * pairs))
    for pair in range(pairs):
        sign = -1.0 if mirrored and pair % 2 else 1.0
        first = 2 * length * pair
        weights[pair, first : first + length] = sign / length
        weights[pair, first + length : first + 2 * length] = -sign / length
    return weights


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_pairs_of_a_mirrored_crossover_cover_though_their_blocks_meet(phi: float, length: int) -> None:
    """2,000 crossovers of eight pairs; s/√n alone covers .90 at φ .8 and blocks of a week."""
    weights = blocks(8, length, True)
    n = weights.shape[1]
    wider = widening(np.arange(n), weights)
    rng = np.random.default_rng([SEED, length, int(10 * phi)])
    d = np.stack([walk(rng, n, phi) for _ in range(2000)]) @ weights.T
    half = stats.t.ppf(0.975, 7) * d.std(axis=1, ddof=1) / np.sqrt(8)
    held = np.abs(d.mean(axis=1)) <= wider * half
    assert held.mean() >= 0.93
    if (phi, length) == (0.8, 7):
        assert np.mean(np.abs(d.mean(axis=1)) <= half) < 0.93
    assert 1.0 < wider < 1.25
    assert widening(np.arange(n), blocks(8, length, False)) == 1.0


def test_a_crossover_by_rules_2_is_wider_in_a_mirrored_schedule_only() -> None:
    values = np.random.default_rng(SEED).normal(20, 1, 32)
    start = datetime(2026, 3, 2, tzinfo=UTC)

    def half(mirrored: bool, **more: Any) -> float:
        on = [True, False, False, True] * 4 if mirrored else [True, False] * 8
        schedule = [
            {"start": start + timedelta(days=2 * at), "end": start + timedelta(days=2 * at + 2), "on": is_on}
            for at, is_on in enumerate(on)
        ]
        known = ask(
            "crossover",
            arms={"candidate": {"reporting": values}},
            start={"reporting": start},
            interval=timedelta(days=1),
            schedule=schedule,
            **more,
        ).statistic("effect")
        assert known.inference_by == "block_pair"
        low, high = known.interval(0.95)
        differences = values.reshape(8, 2, 2).mean(axis=2) @ np.array([1.0, -1.0])
        differences *= np.where(np.resize(on[::2], 8), 1.0, -1.0)
        return (high - low) / 2 / (stats.t.ppf(0.975, 7) * differences.std(ddof=1) / np.sqrt(8))

    assert half(False) == pytest.approx(1.0)
    assert half(True) == pytest.approx(widening(np.arange(32), blocks(8, 2, True)))
    assert half(True, independent=WHY) == pytest.approx(1.0)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("n", [29, 365])
def test_a_trend_of_three_standard_deviations_is_taken_out_and_covers(n: int, phi: float) -> None:
    """200 series; the interval is that of the same series without the trend, and a year is no harder than a
    month.
    """
    rng = np.random.default_rng([SEED, n, int(10 * phi), 3])
    days = np.arange(n, dtype=np.int64)
    trend = 3 * (days - days.mean()) / (n - 1)
    held = []
    for _ in range(200):
        values = walk(rng, n, phi)
        level, rising = averaged(days, values), averaged(days, values + trend)
        assert rising.half(0.95) == pytest.approx(level.half(0.95), rel=1e-6)
        low, high = rising.interval(0.95)
        held.append(low <= 0 <= high or rising.needed(0.95) is not None)
    assert np.mean(held) >= 0.93 - 3 * np.sqrt(0.93 * 0.07 / 200)


@pytest.mark.parametrize("values", ["rising", "large", "small", "one apart"])
@pytest.mark.parametrize("n", [14, 365, 1830])
def test_extreme_series_have_finite_intervals(n: int, values: str) -> None:
    """Numbers far from 1, a line, and one day apart from all others: no overflow, no NaN, no warning."""
    noise = np.random.default_rng([SEED, n]).normal(size=n)
    made = {
        "rising": np.arange(n) * 1.0,
        "large": 1e12 + noise,
        "small": 1e-12 * noise,
        "one apart": np.where(np.arange(n) == n // 2, 1e6, noise),
    }[values]
    found = averaged(np.arange(n, dtype=np.int64), made)
    for level in (0.5, 0.95, 0.999999):
        low, high = found.interval(level)
        assert np.isfinite([low, high]).all()
        assert low <= found.mean <= high
    assert 1 <= found.n_effective <= n


def test_a_mean_of_a_year_by_true_lags_takes_milliseconds() -> None:
    """Statistics of one endpoint share what depends on days alone: fifty means of a year in a second."""
    rng = np.random.default_rng(SEED)
    days = np.arange(365, dtype=np.int64)
    averaged(days, rng.normal(size=365)).interval(0.95)
    begun = time.process_time()
    for _ in range(50):
        averaged(days, rng.normal(size=365)).interval(0.95)
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    ("interval", "by"),
    [
        ("PT1H", "day"),
        ("P1D", "day"),
        ("P2D", "interval"),
        ("P7D", "week"),
        ("P1M", "month"),
        ("P1Y", "year"),
    ],
)
def test_what_an_interval_infers_by_follows_the_planned_interval(interval: str, by: str) -> None:
    known = ask(
        "limit_compliance",
        arms={"candidate": {"reporting": np.random.default_rng(SEED).normal(20, 1, 24 * 40)}},
        start={"reporting": datetime(1000, 1, 1, tzinfo=UTC)},
        interval=Spacing.parse(interval),
        parameters={"u_meas": 0.0},
    ).statistic("mean")
    assert known.inference_by == by


def test_an_evaluation_names_what_it_infers_by_and_one_by_rules_1_does_not() -> None:
    made = endpoint(
        "limit_compliance", [criterion("mean", high=30)], arms=["candidate"], parameters={"u_meas": 0.1}
    )
    values = np.random.default_rng(SEED).normal(20, 1, 24 * 30)
    plan = protocol(made, periods=[period("reporting", 0, 30)])
    given_inputs = inputs(plan, [series_of("candidate-1", values)])
    documents = [
        document_of(compute(replace(given_inputs, rules=Rules(version))))["endpoints"][0]["criteria"][0]
        for version in (1, 2)
    ]
    assert [one["estimate"]["inference_by"] for one in documents] == [None, "day"]
