"""Regressions on day values whose errors depend on each other by their true lags: the same promises as
`fits.Fit`, which knows neighbours only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from insitu.arrays import Floats
from trials.statistics import dependence
from trials.statistics.fits import Days, Fit, least_squares, quasi_poisson


@dataclass(frozen=True, eq=False)
class AveragedFit:
    """A fit averaged over the autocorrelations that its errors may have."""

    coefficients: Floats
    residuals: Floats
    """y − ŷ; for a Poisson fit divided by √ŷ (Pearson)."""
    n: int
    days: Days
    columns: Floats
    """(n, k); for a Poisson fit multiplied by √ŷ."""

    @cached_property
    def _seen(self) -> tuple[dependence.Lags, dependence.Regressed, Floats]:
        """(lags, fit for each φ, probability of each φ); only made where an interval is asked."""
        times = (self.days - self.days[0]).astype(float)
        lags = dependence.lags(times, dependence.spacing(times), self.n)
        independent = self._independent
        regressed = dependence.Columns.of(lags, independent).regress(self.residuals)
        return lags, regressed, dependence.probabilities(dependence.grid(self.n)[1], [regressed])

    @cached_property
    def _independent(self) -> Floats:
        """An orthonormal basis of the columns: weekdays that no day has are no column."""
        left, sizes, _ = np.linalg.svd(self.columns, full_matrices=False)
        return np.asarray(left[:, sizes > 1e-10 * sizes[0]])

    def _errors(self, combination: Floats) -> Floats:
        """(K,): standard error of combination·b for each φ."""
        lags, regressed, _ = self._seen
        weights = combination @ np.linalg.pinv(self.columns)
        return np.asarray(regressed.deviations * np.sqrt(lags.variance(weights)))

    def _unit(self, at: int) -> Floats:
        return np.asarray(np.eye(len(self.coefficients))[at])

    @property
    def n_effective(self) -> float:
        """The number of independent values with as small an error of their plain mean."""
        lags, _, probability = self._seen
        return min(float(self.n), 1 / float(probability @ lags.variance(np.full(self.n, 1 / self.n))))

    def error_of(self, combination: Floats) -> float:
        """Standard error of combination·b, averaged over φ."""
        return float(np.sqrt(self._seen[2] @ self._errors(combination) ** 2))

    def interval(self, at: int, level: float) -> tuple[float, float]:
        """b ± h as `dependence.half_width`."""
        _, regressed, probability = self._seen
        half = dependence.half_width(probability, self._errors(self._unit(at)), regressed.freedom, level)
        return float(self.coefficients[at]) - half, float(self.coefficients[at]) + half

    def within(self, at: int, errors: float, level: float) -> tuple[float, float]:
        """b ± `errors` standard errors, never narrower than the interval at `level`."""
        low, high = self.interval(at, level)
        b, half = float(self.coefficients[at]), errors * self.error_of(self._unit(at))
        return min(low, b - half), max(high, b + half)


AnyFit = Fit | AveragedFit
Model = Callable[[Floats, Floats, Days, int], AnyFit]
"""(columns, y, days, number of slowly moving columns, which come first) → fit."""


def averaged_least_squares(columns: Floats, y: Floats, days: Days, trends: int) -> AveragedFit:
    """As `fits.least_squares`, by the true lags."""
    plain = least_squares(columns, y, days, trends)
    return AveragedFit(plain.coefficients, plain.residuals, plain.n, days, columns)


def averaged_quasi_poisson(columns: Floats, y: Floats, days: Days, trends: int) -> AveragedFit:
    """As `fits.quasi_poisson`, by the true lags of the Pearson residuals."""
    plain = quasi_poisson(columns, y, days, trends)
    roots = np.exp(np.clip(columns @ plain.coefficients, -50.0, 50.0) / 2)
    return AveragedFit(plain.coefficients, plain.residuals, plain.n, days, columns * roots[:, None])
