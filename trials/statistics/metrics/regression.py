"""Lines through candidate (y) against reference (x)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from insitu.errors import CorrectInput
from trials.statistics.metrics.pairs import paired

TOGETHER = 1e-15
"""Limit of the covariance over the larger variance: below it the slope's sign comes from rounding."""


class Line(NamedTuple):
    """y = intercept + slope·x; the intercept has the unit of y."""

    slope: float
    intercept: float


def _moments(candidate: ArrayLike, reference: ArrayLike) -> tuple[float, float, float, float, float]:
    y, x = paired(candidate=candidate, reference=reference)
    mx, my = float(np.mean(x)), float(np.mean(y))
    sxx, syy = float(np.sum((x - mx) ** 2)), float(np.sum((y - my) ** 2))
    if sxx == 0:
        raise CorrectInput("The reference does not vary: no line can be drawn.")
    return mx, my, sxx, syy, float(np.sum((x - mx) * (y - my)))


def ols(*, candidate: ArrayLike, reference: ArrayLike) -> Line:
    """Ordinary least squares: slope S_xy/S_xx, intercept ȳ − slope·x̄. Source: NIST/SEMATECH e-Handbook
    4.1.4.
    """
    mx, my, sxx, _, sxy = _moments(candidate, reference)
    return Line(sxy / sxx, my - sxy / sxx * mx)


def orthogonal(*, candidate: ArrayLike, reference: ArrayLike) -> Line:
    """Orthogonal regression, for errors in both: slope (S_yy − S_xx + √((S_yy − S_xx)² + 4·S_xy²))/(2·S_xy).

    Source: Guide to the demonstration of equivalence of ambient air monitoring methods (EC, 2010), annex B.
    """
    mx, my, sxx, syy, sxy = _moments(candidate, reference)
    largest = max(sxx, syy)  # only their proportions matter, and squares of very small ones would be 0
    difference, together = (syy - sxx) / largest, sxy / largest
    if abs(together) < TOGETHER:
        raise CorrectInput("Candidate and reference do not vary together: no line can be drawn.")
    slope = (difference + float(np.hypot(difference, 2 * together))) / (2 * together)
    return Line(slope, my - slope * mx)


def r_squared(*, candidate: ArrayLike, reference: ArrayLike) -> float:
    """Square of Pearson's correlation, S_xy²/(S_xx·S_yy), 0 to 1. Source: NIST/SEMATECH e-Handbook 4.4.4."""
    _, _, sxx, syy, sxy = _moments(candidate, reference)
    if syy == 0:
        raise CorrectInput("The candidate does not vary: correlation has no meaning.")
    return min(1.0, float((sxy / np.sqrt(sxx) / np.sqrt(syy)) ** 2))


def reu(
    *, candidate: ArrayLike, reference: ArrayLike, at: float, u_reference: float = 0.0, k: float = 2.0
) -> float:
    """Relative expanded uncertainty at the level `at`, per cent: 100·k·√(RSS/(n − 2) − u² + (b₀ + (b₁ −
    1)·at)²)/at.

    Orthogonal line b₀, b₁; RSS = Σ(y − b₀ − b₁x)²; `u_reference`: random uncertainty of the reference, unit
    of the series. Source: Guide to the demonstration of equivalence (EC, 2010), 9.5.
    """
    y, x = paired(candidate=candidate, reference=reference)
    if at <= 0 or len(y) < 3:
        raise CorrectInput("REU needs a positive level and at least 3 pairs.")
    line = orthogonal(candidate=y, reference=x)
    rss = float(np.sum((y - line.intercept - line.slope * x) ** 2))
    inside = rss / (len(y) - 2) - u_reference**2 + (line.intercept + (line.slope - 1) * at) ** 2
    return 100 * k * float(np.sqrt(max(0.0, inside))) / at
