"""The formulas of the intervals, by hand and against statsmodels and SciPy; test_coverage tests their
coverage.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from insitu.errors import CorrectInput
from tests.trials.world import noise
from trials.statistics.intervals import (
    IDENTITY,
    LOG,
    R_SQUARED,
    DayJackknife,
    Scale,
    TwoPeriods,
    always_valid_reach,
    bootstrap,
    neighbour_spread,
    varies,
)

DAYS = np.arange(739_000, 739_008, dtype=np.int64)
VALUES = np.array([1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0])


def test_the_spread_of_eight_alternating_days_by_hand() -> None:
    """Slope: Σ(t − 3.5)(d − 1.5)/42 = 2/42; residuals alternate, so r₁ is strongly negative and clipped to 0,
    n′ = n.
    """
    found = neighbour_spread(DAYS, VALUES)
    assert found.mean == 1.5
    assert found.slope == pytest.approx(2 / 42)
    sse = 8 * 0.25 - (2 / 42) ** 2 * 42
    assert found.n_effective == 8
    assert found.standard_error == pytest.approx(np.sqrt(sse / 6 / 8))
    assert found.slope_error == pytest.approx(np.sqrt(sse / 6 / 42))
    half = stats.t.ppf(0.975, 6) * found.standard_error
    assert found.interval(0.95) == pytest.approx((1.5 - half, 1.5 + half))


def test_correlated_days_count_for_fewer() -> None:
    """Residuals −1 ×5, +1 ×5 about a trend; their r₁ by its definition, then n′ = n(1 − r)/(1 + r)."""
    days = np.arange(10, dtype=np.int64)
    values = np.r_[-np.ones(5), np.ones(5)]
    found = neighbour_spread(days, values)
    fit = sm.OLS(values, sm.add_constant(days)).fit()
    e = fit.resid
    r1 = float(np.sum(e[:-1] * e[1:]) / np.sum(e**2))
    r = min(0.99, max(0.0, (10 * r1 + 3) / 6))
    assert 0 < r < 0.99
    assert found.n_effective == pytest.approx(max(3.0, 10 * (1 - r) / (1 + r)))
    assert found.standard_error == pytest.approx(np.sqrt(fit.ssr / 8 / found.n_effective))


def test_days_that_are_not_neighbours_say_nothing_about_correlation() -> None:
    values = np.r_[-np.ones(5), np.ones(5)]
    apart = neighbour_spread(np.arange(0, 20, 2, dtype=np.int64), values)
    assert apart.n_effective == pytest.approx(10 * 0.5 / 1.5)  # r₁ 0: r = 3/6
    assert apart.n_effective > neighbour_spread(np.arange(10, dtype=np.int64), values).n_effective


@given(st.lists(st.floats(-50, 50), min_size=14, max_size=60).filter(lambda v: float(np.ptp(v)) > 1e-3))
def test_slope_and_residual_spread_are_those_of_least_squares(values: list[float]) -> None:
    days = np.arange(len(values), dtype=np.int64)
    found = neighbour_spread(days, np.array(values))
    fit = sm.OLS(values, sm.add_constant(days)).fit()
    assert found.mean == pytest.approx(float(np.mean(values)), abs=1e-9)
    assert found.slope == pytest.approx(fit.params[1], rel=1e-6, abs=1e-9)
    assert found.standard_error * np.sqrt(found.n_effective) == pytest.approx(
        np.sqrt(fit.mse_resid), rel=1e-6, abs=1e-9
    )
    assert 3 <= found.n_effective <= len(values)
    low, high = found.interval(0.95)
    wide = found.interval(0.99)
    assert wide[0] <= low <= found.mean <= high <= wide[1]


@pytest.mark.parametrize("value", [0.0, 7.3, -1e6])
def test_a_series_that_does_not_move_has_no_spread_and_no_trend(value: float) -> None:
    values = np.full(20, value) * np.where(np.arange(20) % 3, 1.0, 1.0 + 1e-16)
    found = neighbour_spread(np.arange(20, dtype=np.int64), values)
    assert not varies(values)
    assert found.interval(0.95) == pytest.approx((value, value))
    assert (found.standard_error, found.slope) == (0, 0)
    assert not found.has_trend(0.95)


def test_a_trend_is_noticed() -> None:
    rng = np.random.default_rng(1)
    days = np.arange(30, dtype=np.int64)
    assert neighbour_spread(days, 0.5 * days + rng.normal(0, 1, 30)).has_trend(0.95)
    assert not neighbour_spread(days, rng.normal(0, 1, 30)).has_trend(0.95)


def test_two_uncorrelated_periods_are_close_to_welchs_test() -> None:
    """The interval allows for a trend and for n′; on white days it is only a little wider than Welch's."""
    rng = np.random.default_rng(3)
    before, after = rng.normal(10, 1, 60), rng.normal(12, 2, 60)
    days = np.arange(60, dtype=np.int64)
    two = TwoPeriods(neighbour_spread(days, before), neighbour_spread(days, after))
    welch = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.95)
    low, high = two.interval(0.95)
    assert two.difference == pytest.approx(after.mean() - before.mean())
    assert (low + high) / 2 == pytest.approx(two.difference)
    assert 0.9 < (high - low) / (welch.high - welch.low) < 1.3


def test_the_degrees_of_freedom_of_a_difference_by_hand() -> None:
    one, other = neighbour_spread(DAYS, VALUES), neighbour_spread(DAYS, 3 * VALUES)
    v1, v2 = one.standard_error**2, other.standard_error**2
    freedom = (v1 + v2) ** 2 / (v1**2 / 6 + v2**2 / 6)
    half = stats.t.ppf(0.95, freedom) * np.sqrt(v1 + v2)
    assert TwoPeriods(one, other).interval(0.9) == pytest.approx((3 - half, 3 + half))


# -- day jackknife


def test_the_jackknife_of_a_mean_is_the_interval_of_the_mean() -> None:
    sums = np.stack([np.ones(8), VALUES], axis=1)
    jack = DayJackknife.of(DAYS, sums, lambda s: s[..., 1] / s[..., 0])
    assert jack.estimate == 1.5
    assert jack.interval(0.95) == pytest.approx(neighbour_spread(DAYS, VALUES).interval(0.95))


def test_the_jackknife_leaves_out_whole_days_of_any_length() -> None:
    """Pseudo-values of a ratio of sums, written out."""
    sums = np.array([[24.0, 48.0], [20.0, 50.0], [24.0, 40.0], [23.0, 60.0], [24.0, 30.0], [25.0, 55.0]])
    days = np.arange(6, dtype=np.int64)
    total = sums.sum(axis=0)
    theta = total[1] / total[0]
    pseudo = [6 * theta - 5 * (total[1] - s[1]) / (total[0] - s[0]) for s in sums]
    jack = DayJackknife.of(days, sums, lambda s: s[..., 1] / s[..., 0])
    expected = neighbour_spread(days, np.array(pseudo))
    shift = theta - expected.mean
    assert jack.interval(0.9) == pytest.approx([end + shift for end in expected.interval(0.9)])


@pytest.mark.parametrize(
    ("scale", "values"),
    [(IDENTITY, [-3.0, 0.0, 2.5]), (LOG, [1e-6, 1.0, 40.0]), (R_SQUARED, [0.0, 0.5, 0.99])],
)
def test_a_scale_goes_forth_and_back(scale: Scale, values: list[float]) -> None:
    there = scale.forth(np.array(values))
    assert scale.back(there) == pytest.approx(values)
    assert np.all(np.diff(there) > 0)


def test_intervals_on_a_scale_stay_where_the_statistic_lives() -> None:
    rng = np.random.default_rng(2)
    sums = np.stack([np.ones(20), rng.exponential(1.0, 20)], axis=1)
    days = np.arange(20, dtype=np.int64)
    low, high = DayJackknife.of(days, sums, lambda s: s[..., 1] / s[..., 0], LOG).interval(0.999)
    assert 0 < low < high < np.inf
    low, high = DayJackknife.of(
        days, sums, lambda s: np.clip(s[..., 1] / s[..., 0] / 1.2, 0, 1), R_SQUARED
    ).interval(0.999)
    assert 0 <= low < high <= 1


def test_a_statistic_that_one_day_makes_has_finite_ends() -> None:
    sums = np.stack([np.ones(20), np.r_[1.0, np.zeros(19)]], axis=1)
    jack = DayJackknife.of(np.arange(20, dtype=np.int64), sums, lambda s: np.sqrt(s[..., 1] / s[..., 0]), LOG)
    assert all(np.isfinite(end) for end in jack.interval(0.9999))


# -- sensitivities


def test_the_bootstrap_is_the_same_for_a_seed_and_close_to_theory_on_white_days() -> None:
    values = np.random.default_rng(5).normal(10, 1, 100)
    sums = np.stack([np.ones(100), values], axis=1)

    def interval(seed: int, block: int = 1) -> tuple[float, float]:
        return bootstrap(
            sums, lambda s: s[..., 1] / s[..., 0], block=block, replicates=2500, seed=seed, level=0.95
        )

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)
    half = 1.96 * values.std() / 10
    assert interval(1) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert interval(1, block=5)[0] < values.mean() < interval(1, block=5)[1]


def test_blocks_of_all_days_move_nothing() -> None:
    sums = np.stack([np.ones(10), np.arange(10.0)], axis=1)
    assert bootstrap(sums, lambda s: s[..., 1] / s[..., 0], block=10, replicates=50, seed=1, level=0.9) == (
        4.5,
        4.5,
    )


# -- looks before the end


def white(n: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(10, 2, n)


def test_the_always_valid_interval_of_twenty_of_forty_days_by_hand() -> None:
    """α = .05: −2 ln α = 5.99146, ρ² = (5.99146 + ln 6.99146)/40 = .198401, 20ρ² + 1 = 4.96802;
    ln(√4.96802/.05) = 3.79724; reach = √(2·4.96802/3.96802·3.79724) = 3.08357.
    """
    assert always_valid_reach(20, 40, 0.95) == pytest.approx(3.08357, abs=1e-5)
    found = neighbour_spread(np.arange(20, dtype=np.int64), white(20))
    mean, error, n = found.mean, found.standard_error, 20
    rho = np.sqrt((-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 40)
    root = np.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * np.log(np.sqrt(n * rho**2 + 1) / 0.05))
    half = error * np.sqrt(n) * root
    assert half == pytest.approx(3.08357 * error, rel=1e-5)
    assert found.always_valid(0.95, 40) == pytest.approx((mean - half, mean + half))


def test_of_days_so_far_and_planned_days_only_their_share_matters() -> None:
    assert always_valid_reach(14, 30, 0.95) == pytest.approx(always_valid_reach(28, 60, 0.95))
    assert always_valid_reach(30, 30, 0.95) == pytest.approx(always_valid_reach(365, 365, 0.95))


@pytest.mark.parametrize("days", [5, 13])
def test_there_is_no_always_valid_interval_before_day_14(days: int) -> None:
    found = neighbour_spread(np.arange(days, dtype=np.int64), white(days))
    with pytest.raises(CorrectInput, match="begins with day 14"):
        found.always_valid(0.95, 30)
    with pytest.raises(CorrectInput, match="begins with day 14"):
        TwoPeriods(neighbour_spread(np.arange(20, dtype=np.int64), white(20)), found).always_valid(0.95, 30)


def test_a_period_without_planned_days_is_refused() -> None:
    with pytest.raises(CorrectInput, match="planned days"):
        always_valid_reach(14, 0, 0.95)


@given(
    st.integers(14, 90),
    st.integers(14, 90),
    st.sampled_from([0.0, 0.7, 0.95]),
    st.sampled_from([0.8, 0.9, 0.95, 0.99]),
    st.integers(0, 99),
)
def test_the_always_valid_interval_holds_the_one_of_a_single_look(
    n: int, planned: int, phi: float, level: float, seed: int
) -> None:
    found = neighbour_spread(np.arange(n, dtype=np.int64), noise(np.random.default_rng(seed), phi, n))
    low, high = found.interval(level)
    wide = found.always_valid(level, planned)
    assert wide[0] <= low < high <= wide[1]
    assert sum(wide) / 2 == pytest.approx(found.mean, abs=1e-9)
    if found.freedom > 10:  # t is close to the normal distribution's: strictly wider
        assert wide[0] < low


@given(st.integers(20, 120), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_always_valid_interval_shrinks_day_by_day_until_the_plan_is_done(
    planned: int, level: float
) -> None:
    """The interval shrinks in standard errors, and faster in the unit of the mean, whose standard error falls
    with √n.
    """
    reach = [always_valid_reach(n, planned, level) for n in range(14, planned + 1)]
    assert all(after < before for before, after in pairwise(reach))
    assert reach[-1] > stats.norm.ppf((1 + level) / 2)


def test_a_difference_of_periods_counts_the_days_of_the_second_alone() -> None:
    days = np.arange(60, dtype=np.int64)
    before, after = neighbour_spread(days, white(60, 2)), neighbour_spread(days[:20], white(20, 3))
    two = TwoPeriods(before, after)
    half = always_valid_reach(20, 40, 0.95) * np.hypot(before.standard_error, after.standard_error)
    assert two.always_valid(0.95, 40) == pytest.approx((two.difference - half, two.difference + half))


def test_the_always_valid_interval_of_a_jackknife_lies_on_its_scale() -> None:
    values = np.random.default_rng(2).exponential(1.0, 20)
    sums, days = np.stack([np.ones(20), values], axis=1), np.arange(20, dtype=np.int64)
    jack = DayJackknife.of(days, sums, lambda s: s[..., 1] / s[..., 0], LOG, short=0.4)
    half = (
        (1 + 0.4 / np.sqrt(jack.spread.n_effective))
        * always_valid_reach(20, 40, 0.95)
        * jack.spread.standard_error
    )
    expected = np.exp([np.log(values.mean()) - half, np.log(values.mean()) + half])
    assert jack.always_valid(0.95, 40) == pytest.approx(expected)


def test_ten_looks_at_nothing_leave_the_true_mean_seldom_outside() -> None:
    """Fifty days at most, a look every four: intervals for one look exclude the truth in far more than 5 % of
    trials, always-valid ones do not.
    """
    once = ever = 0
    for seed in range(400):
        values = noise(np.random.default_rng(seed), 0.0, 50)
        looks = [neighbour_spread(np.arange(n, dtype=np.int64), values[:n]) for n in range(14, 51, 4)]
        assert len(looks) == 10
        once += any(low > 0 or high < 0 for low, high in (found.interval(0.95) for found in looks))
        ever += any(low > 0 or high < 0 for low, high in (found.always_valid(0.95, 50) for found in looks))
    assert ever / 400 <= 0.05
    assert once / 400 > 0.07
