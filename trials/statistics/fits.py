"""Regressions on day values whose errors resemble those of the day before: standard errors use n′ instead of
n.

Pure. `docs/designs/6-interrupted-series.md` has the formulas in words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats, Ints
from trials.statistics.intervals import t_quantile

Days = Ints
STEPS = 50
"""Most iterations of a Poisson fit; it settles in five or six."""


class Fit(NamedTuple):
    """Coefficients b with their covariance, enlarged by n/n′."""

    coefficients: Floats
    covariance: Floats
    residuals: Floats
    """y − ŷ; for a Poisson fit divided by √ŷ (Pearson)."""
    n: int
    n_effective: float
    freedom: float

    def interval(self, at: int, level: float) -> tuple[float, float]:
        """Interval of coefficient number `at`, two-sided at `level`: b ± t(n′ − p)·se."""
        half = t_quantile(level, self.freedom) * float(np.sqrt(self.covariance[at, at]))
        return float(self.coefficients[at]) - half, float(self.coefficients[at]) + half

    def error_of(self, combination: Floats) -> float:
        """Standard error of combination·b."""
        return float(np.sqrt(combination @ self.covariance @ combination))

    def within(self, at: int, errors: float, level: float) -> tuple[float, float]:
        """b ± `errors` standard errors, never narrower than the interval at `level`."""
        low, high = self.interval(at, level)
        b, half = float(self.coefficients[at]), errors * float(np.sqrt(self.covariance[at, at]))
        return min(low, b - half), max(high, b + half)


def lag_one(days: Days, residuals: Floats) -> float:
    """Autocorrelation of the residuals over adjacent calendar days; 0 where there are none."""
    sse = float(np.sum(residuals**2))
    adjacent = np.diff(days) == 1
    pairs = int(adjacent.sum())
    if sse <= 0 or not pairs:
        return 0.0
    return float(np.sum((residuals[:-1] * residuals[1:])[adjacent]) / sse) * (len(residuals) - 1) / pairs


def lag_next(_days: Days, residuals: Floats) -> float:
    """Autocorrelation of each residual with the next one there is, however far away."""
    sse = float(np.sum(residuals**2))
    return float(np.sum(residuals[:-1] * residuals[1:])) / sse if sse > 0 else 0.0


def effective(days: Days, residuals: Floats, trends: int) -> float:
    """n′ = max(p + 2, n(1 − r)/(1 + r)), r = min(.99, max(0, (n·r₁ + 1.5p)/(n − 2p))); p: columns that move
    slowly (1, day, step, …).

    For p = 2 this is the correction of `intervals.neighbour_spread`; for two lines of n/2 days, p = 4, it
    is the same for each line.
    """
    n = len(residuals)
    r = min(0.99, max(0.0, (n * lag_one(days, residuals) + 1.5 * trends) / (n - 2 * trends)))
    return float(max(trends + 2.0, n * (1 - r) / (1 + r)))


def least_squares(columns: Floats, y: Floats, days: Days, trends: int) -> Fit:
    """OLS of y on `columns` (n, k), n > k. `trends`: number of slowly moving columns, which come first."""
    inverse = np.linalg.pinv(columns.T @ columns)
    b = inverse @ columns.T @ y
    residuals = y - columns @ b
    return _fit(columns.shape[1], b, inverse, residuals, days, trends)


def quasi_poisson(columns: Floats, y: Floats, days: Days, trends: int) -> Fit:
    """log E(y) = columns·b, Var(y) = φ·E(y), φ = Σ(y − ŷ)²/ŷ/(n − k), by iterated weighted least squares; y ≥
    0 with a mean above 0.
    """
    b = np.zeros(columns.shape[1])
    mean = y + 0.5 * y.mean()
    eta = np.log(mean)
    for _ in range(STEPS):
        working = eta + (y - mean) / mean
        new = np.linalg.pinv(columns.T @ (columns * mean[:, None])) @ (columns.T @ (mean * working))
        eta = np.clip(columns @ new, -50.0, 50.0)
        mean = np.exp(eta)
        settled = bool(np.max(np.abs(new - b)) < 1e-10)
        b = new
        if settled:
            break
    inverse = np.linalg.pinv(columns.T @ (columns * mean[:, None]))
    return _fit(columns.shape[1], b, inverse, (y - mean) / np.sqrt(mean), days, trends)


def _fit(
    k: int, b: Floats, inverse: NDArray[np.floating[Any]], residuals: Floats, days: Days, trends: int
) -> Fit:
    n = len(residuals)
    n_effective = effective(days, residuals, trends)
    dispersion = float(np.sum(residuals**2)) / max(1, n - k)
    return Fit(
        b,
        np.asarray(inverse, np.float64) * dispersion * n / n_effective,
        residuals,
        n,
        n_effective,
        n_effective - trends,
    )
