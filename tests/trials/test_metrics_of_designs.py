"""Metrics of designs 2, 3, 5, 8, 9 and 11 on numbers small enough for a pencil; regressions against
statsmodels.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.optimize import minimize

from insitu.errors import CorrectInput
from trials.statistics.fits import effective, lag_one, least_squares, quasi_poisson
from trials.statistics.intervals import block_weights, neighbour_spread
from trials.statistics.metrics import (
    between_units_u,
    completeness,
    cv_rmse,
    donor_weights,
    fractional_savings_uncertainty,
    gap_hours,
    gap_lengths,
    limits_of_agreement,
    mtbf,
    nmbe,
    rank_p,
    savings_alpha,
    sign_flip_p,
)

NAN = float("nan")


def test_the_uncertainty_between_two_units_is_that_of_half_their_squared_differences() -> None:
    """Differences 2, 2: √((4 + 4)/(2·2)) = √2; the third interval is not complete."""
    units = [[10.0, 12.0], [21.0, 19.0], [NAN, 5.0]]
    assert between_units_u(units=units) == pytest.approx(np.sqrt(2))


def test_limits_of_agreement_of_four_pairs() -> None:
    """d = 1, 0, 2, 1: mean 1, s² = 2/3."""
    half = 1.96 * np.sqrt(2 / 3)
    found = limits_of_agreement(candidate=[2, 2, 5, 5, NAN], reference=[1, 2, 3, 4, 5])
    assert found == pytest.approx((1 - half, 1 + half))


def test_shares_and_gaps_of_ten_intervals() -> None:
    """· is not due, x is missing: 1 1 x x · x 1 · 1 x; the window neither ends nor lengthens the first
    gap.
    """
    present = [1, 1, 0, 0, 0, 0, 1, 0, 1, 0]
    due = [1, 1, 1, 1, 0, 1, 1, 0, 1, 1]
    assert completeness(present=present, due=due) == 50.0
    assert gap_lengths(present=present, due=due).tolist() == [3, 1]
    assert gap_lengths(present=[1, 1], due=[1, 1]).tolist() == []
    hours = [24, 24, 23, 24, 99, 24, 24, 99, 24, 25]  # lengths of intervals that are not due count nowhere
    assert gap_hours(present=present, due=due, hours=hours).tolist() == [23 + 24 + 24, 25]
    assert gap_hours(present=[1, 1], due=[1, 1], hours=[1, 1]).tolist() == []
    assert completeness(present=[1] * 19 + [0], due=[1] * 20) == 95.0
    assert (mtbf(up_h=40.0, gaps=2), mtbf(up_h=40.0, gaps=0)) == (20.0, 40.0)


def test_the_quality_of_a_model_on_four_results() -> None:
    """y 8, 12, 10, 10 (mean 10), ŷ 9, 11, 10, 9: errors −1, 1, 0, 1."""
    observed, predicted = [8.0, 12.0, 10.0, 10.0], [9.0, 11.0, 10.0, 9.0]
    assert cv_rmse(observed=observed, predicted=predicted) == pytest.approx(100 * np.sqrt(3 / 4) / 10)
    assert cv_rmse(observed=observed, predicted=predicted, parameters=1) == pytest.approx(10.0)
    assert nmbe(observed=observed, predicted=predicted) == pytest.approx(2.5)


def test_the_uncertainty_of_savings_by_hand() -> None:
    """CV 10 %, n = n′ = 12, p = 2, m = 12 months, F 10 %: t(10)·α·.1·√((1 + 2/12)/12)/.1."""
    alpha = savings_alpha(resolution="monthly", months=12)
    assert alpha == pytest.approx(-0.00022 * 144 + 0.03306 * 12 + 0.94054)
    assert savings_alpha(resolution="daily", months=1) == pytest.approx(1.03797)
    assert savings_alpha(resolution="hourly", months=7) == 1.26
    given = {"cv": 0.1, "n": 12, "parameters": 2, "m": 12, "alpha": alpha, "level": 0.68}
    t = stats.t.ppf(0.84, 10)
    found = fractional_savings_uncertainty(**given, n_effective=12, fraction=0.1)
    assert found == pytest.approx(t * alpha * np.sqrt(14 / 144))
    worth_less = fractional_savings_uncertainty(**given, n_effective=6, fraction=0.1)
    assert worth_less == pytest.approx(stats.t.ppf(0.84, 4) * alpha * np.sqrt(10 / 4 * (1 + 2 / 6) / 12))


def test_sign_flips_of_three_differences() -> None:
    """|±1 ± 2 ± 3| ≥ 6 in two of eight patterns; |1 + 2 − 3| = 0 in all."""
    assert sign_flip_p(differences=[1, 2, 3]) == 2 / 8
    assert sign_flip_p(differences=[1, 2, -3, NAN]) == 1.0
    many = np.random.default_rng(1).normal(0.8, 1, 30)
    assert sign_flip_p(differences=many, seed=3) == sign_flip_p(differences=many, seed=3) < 0.01


def test_the_exact_permutation_is_that_of_scipy() -> None:
    d = np.random.default_rng(2).normal(0.5, 1, 9)
    oracle = stats.permutation_test(
        (d,), np.sum, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
    )
    assert sign_flip_p(differences=d) == pytest.approx(oracle.pvalue)


def test_the_rank_among_placebos() -> None:
    assert rank_p(observed=3.0, placebos=[1.0, -4.0, 2.0]) == 2 / 4
    assert rank_p(observed=-5.0, placebos=[1.0, -4.0, 2.0]) == 1 / 4


def test_a_treated_unit_that_is_a_mixture_gets_its_weights_back() -> None:
    donors = np.random.default_rng(1).normal(10, 3, (30, 4))
    weights = donor_weights(treated=donors @ [0.5, 0.3, 0.0, 0.2], donors=donors)
    assert weights == pytest.approx([0.5, 0.3, 0.0, 0.2], abs=1e-6)


def test_donor_weights_are_those_of_a_constrained_minimiser() -> None:
    rng = np.random.default_rng(3)
    donors = rng.normal(0, 1, (25, 5))
    treated = donors @ [0.9, 0.4, -0.2, 0.1, 0.1] + rng.normal(0, 0.3, 25)
    oracle = minimize(
        lambda w: float(np.sum((treated - donors @ w) ** 2)),
        np.full(5, 0.2),
        method="SLSQP",
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12},
    )
    assert donor_weights(treated=treated, donors=donors) == pytest.approx(oracle.x, abs=1e-4)


def series_and_columns() -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(7)
    t = np.arange(60) - 30.0
    step = (t >= 0).astype(float)
    return (
        np.arange(60, dtype=np.int64),
        np.stack([np.ones(60), t, step, step * t], axis=1),
        rng.normal(0, 1, 60),
    )


def test_least_squares_with_n_in_place_of_its_worth_is_statsmodels() -> None:
    days, columns, noise = series_and_columns()
    y = columns @ [20, 0.1, -4, 0.05] + noise
    fit, oracle = least_squares(columns, y, days, 4), sm.OLS(y, columns).fit()
    assert fit.coefficients == pytest.approx(oracle.params)
    assert fit.covariance * fit.n_effective / fit.n == pytest.approx(oracle.cov_params())


def test_quasi_poisson_with_n_in_place_of_its_worth_is_statsmodels() -> None:
    days, columns, _ = series_and_columns()
    y = np.random.default_rng(8).negative_binomial(5, 0.3, 60).astype(float)
    fit = quasi_poisson(columns, y, days, 4)
    oracle = sm.GLM(y, columns, family=sm.families.Poisson()).fit(scale="X2")
    assert fit.coefficients == pytest.approx(oracle.params, rel=1e-6, abs=1e-9)
    assert fit.covariance * fit.n_effective / fit.n == pytest.approx(oracle.cov_params(), rel=1e-6, abs=1e-12)


def test_the_worth_of_days_about_a_line_is_that_of_a_mean_of_days() -> None:
    """With p = 2 the correction is that of `intervals.neighbour_spread`."""
    days = np.arange(40, dtype=np.int64)
    y = np.cumsum(np.random.default_rng(4).normal(0, 1, 40))
    residuals = y - np.polyval(np.polyfit(days, y, 1), days)
    assert effective(days, residuals, 2) == pytest.approx(
        max(4.0, neighbour_spread(days, y).n_effective), rel=1e-6
    )


def test_autocorrelation_counts_adjacent_days_only() -> None:
    """e = 1, −1, 1, −1 with a hole in the middle: two adjacent pairs of −1, Σe² = 4, times 3/2."""
    assert lag_one(np.array([1, 2, 4, 5]), np.array([1.0, -1.0, 1.0, -1.0])) == pytest.approx(-2 / 4 * 3 / 2)
    assert lag_one(np.array([1, 3]), np.array([1.0, 1.0])) == 0.0


def test_blocks_put_together_have_as_many_days_as_the_series() -> None:
    weights = block_weights(10, block=4, replicates=500, seed=1)
    assert weights.sum(axis=1) == pytest.approx(np.full(500, 10))
    assert weights.mean(axis=0) == pytest.approx(np.ones(10), abs=0.15)
    assert (block_weights(10, block=10, replicates=3, seed=1) == 1).all()


def test_what_has_no_meaning_is_refused_in_words() -> None:
    with pytest.raises(CorrectInput, match="No interval is due"):
        completeness(present=[1, 1], due=[0, 0])
    with pytest.raises(CorrectInput, match="as long as each other"):
        gap_lengths(present=[1, 1], due=[1])
    with pytest.raises(CorrectInput, match="hours must be as long as due"):
        gap_hours(present=[1, 1], due=[1, 1], hours=[1])
    with pytest.raises(CorrectInput, match="0 hours or more"):
        gap_hours(present=[1, 1], due=[1, 1], hours=[1, -1])
    with pytest.raises(CorrectInput, match="not negative"):
        mtbf(up_h=-1.0, gaps=1)
    with pytest.raises(CorrectInput, match="mean above 0"):
        cv_rmse(observed=[-1, -2], predicted=[-1, -2])
    with pytest.raises(CorrectInput, match="more results than parameters"):
        nmbe(observed=[1, 2], predicted=[1, 2], parameters=2)
    usual = {"cv": 0.1, "n": 12, "parameters": 2, "m": 12, "alpha": 1.0, "level": 0.9}
    with pytest.raises(CorrectInput, match="too few for 2 parameters"):
        fractional_savings_uncertainty(**usual, n_effective=3, fraction=0.1)
    with pytest.raises(CorrectInput, match="no savings"):
        fractional_savings_uncertainty(**usual, n_effective=12, fraction=0.0)
    with pytest.raises(CorrectInput, match="at least 2"):
        sign_flip_p(differences=[1.0, NAN])
    with pytest.raises(CorrectInput, match="no placebo"):
        rank_p(observed=1.0, placebos=[NAN])
    with pytest.raises(CorrectInput, match="one row per time"):
        donor_weights(treated=[1, 2], donors=[1, 2])
    with pytest.raises(CorrectInput, match="all units have a value"):
        donor_weights(treated=[1, NAN], donors=[[1, 2], [3, 4]])
