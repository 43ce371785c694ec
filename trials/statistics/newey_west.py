"""Least squares with the standard errors of Newey and West, for residuals that resemble those of the days
before. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from insitu.arrays import Floats
from trials.statistics.intervals import t_quantile

SINGULAR = 1e-15
"""Singular values below this share of the largest count as 0."""


class NeweyWest(NamedTuple):
    """Coefficients with their variances."""

    coefficients: Floats
    variances: Floats
    freedom: int
    """Rows less the rank of the columns."""

    def interval(self, at: int, level: float) -> tuple[float, float]:
        """Interval of coefficient number `at`, two-sided at `level`: b ± t(n − k)·√variance. A variance below
        0 from rounding counts as 0: the own level of a period that does not vary has such a variance.
        """
        b = float(self.coefficients[at])
        half = t_quantile(level, self.freedom) * float(np.sqrt(max(0.0, float(self.variances[at]))))
        return b - half, b + half


def lags_of(n: int) -> int:
    """⌊4(n/100)^{2/9}⌋ lags for n days."""
    return int(4 * (n / 100) ** (2 / 9))


def newey_west(columns: Floats, y: Floats, *, lags: int) -> NeweyWest:
    """OLS of y on `columns` (n, k), one row for every day. Covariance H·S·H with H = (X'X)⁻¹ and S = Σ over
    l = −lags…lags of (1 − |l|/(lags + 1))·Σ xₜeₜ(xₜ₋ₗeₜ₋ₗ)'; no correction for small samples.
    """
    u, s, vt = np.linalg.svd(columns, full_matrices=False)
    inverted = np.divide(1.0, s, out=np.zeros_like(s), where=s > SINGULAR * s.max())
    inverse = vt.T @ (inverted[:, None] * u.T)
    b = inverse @ y
    scores = columns * (y - columns @ b)[:, None]
    inner = scores.T @ scores
    for lag in range(1, lags + 1):
        apart = scores[lag:].T @ scores[:-lag]
        inner += (1 - lag / (lags + 1)) * (apart + apart.T)
    bread = inverse @ inverse.T
    rank = int(np.sum(s > s.max() * len(s) * np.finfo(float).eps))
    return NeweyWest(b, np.diag(bread @ inner @ bread.T), len(y) - rank)


def hac_difference(before: Floats, after: Floats, *, level: float) -> tuple[float, float]:
    """Interval of after − before by OLS on a step; needs every day."""
    values = np.r_[before, after]
    step = np.r_[np.zeros(len(before)), np.ones(len(after))]
    columns = np.column_stack([np.ones(len(values)), step])
    return newey_west(columns, values, lags=lags_of(len(values))).interval(1, level)
