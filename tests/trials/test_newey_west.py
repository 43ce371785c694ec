"""Newey–West errors by numpy alone, against statsmodels, which only the tests load."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trials.statistics.newey_west import hac_difference, lags_of, newey_west


def test_two_lags_over_four_days_by_hand() -> None:
    """y = 0, 2, 0, 2 on a constant: b = 1, e = −1, 1, −1, 1; S = 4 + ⅔·2·(−3) + ⅓·2·2 = 4/3; H = ¼, so the
    variance is 1/12.
    """
    found = newey_west(np.ones((4, 1)), np.array([0.0, 2.0, 0.0, 2.0]), lags=2)
    assert found.coefficients == pytest.approx([1.0])
    assert found.variances == pytest.approx([1 / 12])
    assert found.freedom == 3
    half = stats.t.ppf(0.975, 3) / np.sqrt(12)
    assert found.interval(0, 0.95) == pytest.approx((1 - half, 1 + half))


def test_a_hundred_days_have_four_lags() -> None:
    assert [lags_of(n) for n in (28, 99, 100, 365)] == [3, 3, 4, 5]


def test_newey_west_errors_of_a_step_by_their_formula() -> None:
    rng = np.random.default_rng(6)
    before, after = rng.normal(0, 1, 20), rng.normal(3, 1, 25)
    n, lags = 45, int(4 * 0.45 ** (2 / 9))
    x = np.stack([np.ones(n), np.r_[np.zeros(20), np.ones(25)]], axis=1)
    y = np.r_[before, after]
    inverse = np.linalg.inv(x.T @ x)
    scores = x * (y - x @ (inverse @ x.T @ y))[:, None]
    meat = scores.T @ scores
    for lag in range(1, lags + 1):
        product = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (lags + 1)) * (product + product.T)
    error = np.sqrt((inverse @ meat @ inverse)[1, 1])
    half = stats.t.ppf(0.975, n - 2) * error
    difference = after.mean() - before.mean()
    assert hac_difference(before, after, level=0.95) == pytest.approx((difference - half, difference + half))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(28, 400),
    share=st.floats(0.2, 0.8),
    phi=st.floats(-0.9, 0.95),
    centre=st.floats(-1e3, 1e3),
    scale=st.floats(1e-3, 1e3),
)
def test_a_difference_has_the_interval_of_statsmodels(
    seed: int, n: int, share: float, phi: float, centre: float, scale: float
) -> None:
    noise = np.random.default_rng(seed).normal(0, scale, n)
    for at in range(1, n):
        noise[at] += phi * noise[at - 1]
    values, first = centre + noise, round(share * n)
    step = sm.add_constant((np.arange(n) >= first).astype(float))
    fit = sm.OLS(values, step).fit(cov_type="HAC", cov_kwds={"maxlags": lags_of(n)}, use_t=True)
    found = hac_difference(values[:first], values[first:], level=0.95)
    assert found == pytest.approx(tuple(fit.conf_int(0.05)[1]), rel=1e-11, abs=1e-11 * scale)


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(30, 300), k=st.integers(1, 10), twice=st.booleans())
def test_columns_of_any_number_have_the_errors_of_statsmodels(seed: int, n: int, k: int, twice: bool) -> None:
    """`twice`: one column is there twice, and its coefficient is shared."""
    rng = np.random.default_rng(seed)
    columns, y = rng.normal(size=(n, k)), rng.normal(size=n)
    if twice:
        columns = np.column_stack([columns, columns[:, 0]])
    lags = int(rng.integers(0, 8))
    fit = sm.OLS(y, columns).fit(cov_type="HAC", cov_kwds={"maxlags": lags}, use_t=True)
    found = newey_west(columns, y, lags=lags)
    assert found.coefficients == pytest.approx(fit.params, rel=1e-9, abs=1e-12)
    assert found.variances == pytest.approx(np.diag(fit.cov_params()), rel=1e-9, abs=1e-15)
    assert found.freedom == fit.df_resid


def test_a_period_that_does_not_vary_has_an_interval() -> None:
    low, high = hac_difference(np.full(20, 3.0), np.full(20, 5.0), level=0.95)
    assert low == pytest.approx(2.0)
    assert high == pytest.approx(2.0)
