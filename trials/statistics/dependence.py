"""How much values resemble those shortly before them, from the true lags between them.

The errors are an autoregression in continuous time: two values that lie Δ apart correlate by φ^(Δ/u), u the
median spacing. Nobody knows φ, and few values say little about it. So nothing is computed with one estimate
of φ: every φ of a grid counts with its probability, which is its restricted likelihood (means and trends
taken out, the variance integrated out) under a flat prior on [0, `top_of(n)`]. Where values say nothing, what
remains is the prior: the conservative answer, never 0.

Pure. docs/decisions/0013 compares this with its rivals; `tests/trials/test_dependence.py` with an exact
likelihood that shares no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import scipy

from insitu.arrays import Floats

NODES: Final = 24
_POINTS, _SHARES = (np.asarray(part) for part in np.polynomial.legendre.leggauss(NODES))
_POINTS, _SHARES = (_POINTS + 1) / 2, _SHARES / 2
COUNTS: Final = (14.0, 20.0, 29.0)
TOPS: Final = (0.957, 0.97, 0.957)
"""Largest φ that counts as possible with that many values; between them on a straight line, outside constant.
Chosen so that .93 and more of all intervals hold the truth up to φ .8, those that are refused included; with
14 values refusals do that by themselves, with 20 they do not yet.
"""
SMALLEST: Final = 1e-300
SAME: Final = 0.5
"""Lag, in median spacings, of two values of one day: periods that meet within a day have a part of it."""


def top_of(n: int) -> float:
    """The largest autocorrelation from value to value that counts as possible with `n` values."""
    return float(np.interp(n, COUNTS, TOPS))


@dataclass(frozen=True, slots=True, eq=False)
class Lags:
    """Correlations of a series that depend on its times alone, for every φ of the grid."""

    phi: Floats
    """(K,): autocorrelation at one `spacing`."""
    decay: Floats
    """(K, n − 1): autocorrelation of each value with the one before it."""
    innovation: Floats
    """(K, n − 1): 1/√(1 − decay²)."""

    def whitened(self, columns: Floats) -> Floats:
        """(n, …) → (K, n, …): linear combinations that would be uncorrelated with variance σ²."""
        shape = (*self.decay.shape, *[1] * (columns.ndim - 1))
        found = np.repeat(columns[None], len(self.phi), axis=0)
        found[:, 1:] -= self.decay.reshape(shape) * columns[:-1]
        found[:, 1:] *= self.innovation.reshape(shape)
        return found

    def variance(self, weights: Floats) -> Floats:
        """(K,): Var(Σ wᵢeᵢ)/σ² for `weights` (n,)."""
        past = np.full(len(self.phi), weights[0])
        total = np.full(len(self.phi), weights[0] ** 2)
        for step, weight in zip(self.decay.T, weights[1:], strict=True):
            past = step * past
            total = total + weight * (weight + 2 * past)
            past = past + weight
        return np.asarray(np.maximum(total, 0.0))


class Regressed(NamedTuple):
    """A least squares fit whose errors resemble each other, for every φ of the grid."""

    log_likelihood: Floats
    """(K,): restricted, up to a constant."""
    deviations: Floats
    """(K,): σ̂, standard deviation of the errors about the generalised least squares fit."""
    freedom: int
    """n − p."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The columns of a regression, seen at the lags of its times."""

    lags: Lags
    whitened: Floats
    """(K, n, p)."""
    inverse: Floats
    """(K, p, p): (XᵀR⁻¹X)⁻¹."""
    log_determinants: Floats
    """(K,): −½·log det R − ½·log det XᵀR⁻¹X."""

    @classmethod
    def of(cls, lags: Lags, columns: Floats) -> Columns:
        """`columns`: (n, p), of full rank."""
        seen = lags.whitened(columns)
        squares = np.einsum("knp,knq->kpq", seen, seen)
        log_determinants = np.log(lags.innovation).sum(axis=1) - np.linalg.slogdet(squares)[1] / 2
        return cls(lags, seen, np.linalg.inv(squares), log_determinants)

    def regress(self, values: Floats) -> Regressed:
        """`values`: (n,), n > p."""
        seen = self.lags.whitened(values)
        with_columns = np.einsum("knp,kn->kp", self.whitened, seen)
        fitted = np.einsum("kp,kpq,kq->k", with_columns, self.inverse, with_columns)
        rest = np.maximum(np.einsum("kn,kn->k", seen, seen) - fitted, 0.0)
        return self.regressed(rest)

    def regressed(self, rest: Floats) -> Regressed:
        """`rest`: (K,) sums of squares that the columns leave over for each φ."""
        freedom = self.whitened.shape[1] - self.whitened.shape[2]
        log_rest = np.log(np.maximum(rest, SMALLEST))
        return Regressed(
            self.log_determinants - freedom / 2 * (log_rest - log_rest.max()),
            np.sqrt(rest / freedom),
            freedom,
        )

    def expected_rest(self) -> Floats:
        """(K, K): E of the sums of squares that the columns leave over for the second φ, if the first is the
        true one and σ is 1.
        """
        seen, true = self.lags.decay, self.lags.decay[:, None]
        before_fit = 1 + np.sum((1 - 2 * seen * true + seen**2) / (1 - seen**2), axis=2)
        weights = np.einsum("knp,kpq->knq", self.whitened, np.linalg.cholesky(self.inverse))
        scaled = weights[:, 1:] * self.lags.innovation[..., None]
        weights = np.concatenate([weights[:, :1], scaled], axis=1)
        weights[:, :-1] -= seen[..., None] * scaled
        return np.asarray(np.maximum(before_fit - self._variances(weights), SMALLEST))

    def _variances(self, weights: Floats) -> Floats:
        """(K, K): Σ over q of Var(Σ wₖᵢ_q·eᵢ)/σ² for `weights` (K, n, q), the first φ being the true one."""
        past = np.repeat(weights[None, :, 0], len(self.lags.phi), axis=0)
        total = np.sum(past**2, axis=2)
        for step, weight in zip(self.lags.decay.T, weights.swapaxes(0, 1)[1:], strict=True):
            past = step[:, None, None] * past
            total = total + np.sum(weight * (weight + 2 * past), axis=2)
            past = past + weight
        return np.asarray(total)


def grid(n: int) -> tuple[Floats, Floats]:
    """(φ, prior probability) of a flat prior for `n` values."""
    return _POINTS * top_of(n), _SHARES


def probabilities(prior: Floats, fits: Sequence[Regressed]) -> Floats:
    """(K,): probability of each φ after seeing independent series that share it."""
    logs = np.log(prior) + np.sum([fit.log_likelihood for fit in fits], axis=0)
    found = np.exp(logs - logs.max())
    return np.asarray(found / found.sum())


def spacing(*times: Floats) -> float:
    """Median time from a value to the next, over several series."""
    return float(np.median(np.concatenate([np.diff(one) for one in times])))


def lags(times: Floats, unit: float, n: int) -> Lags:
    """`times`: rising, in the unit of `unit`; `n`: values that tell φ, of this series and others."""
    return _lags(np.ascontiguousarray(times, np.float64).tobytes(), unit, n)


@lru_cache(maxsize=64)
def _lags(times: bytes, unit: float, n: int) -> Lags:
    phi, _ = grid(n)
    steps = np.diff(np.frombuffer(times)) / unit
    decay = phi[:, None] ** np.where(steps > 0, steps, SAME)
    return Lags(phi, decay, 1 / np.sqrt(1 - decay**2))


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A mean and a trend at the times of a series: everything about them that no value changes."""

    columns: Columns
    mean: Floats
    """(K,): √ of the variance of the plain mean, over σ."""
    slope: Floats
    """(K,): the same of the least squares slope."""


def line(times: Floats, unit: float, n: int) -> Line:
    """Of `times` as in `lags`, at least three."""
    return _line(np.ascontiguousarray(times, np.float64).tobytes(), unit, n)


@lru_cache(maxsize=64)
def _line(times: bytes, unit: float, n: int) -> Line:
    found = _lags(times, unit, n)
    moments = np.frombuffer(times)
    centred = moments - moments.mean()
    squares = float(np.sum(centred**2))
    columns = np.stack([np.ones(len(moments)), centred / np.sqrt(squares)], axis=1)
    return Line(
        Columns.of(found, columns),
        np.sqrt(found.variance(np.full(len(moments), 1 / len(moments)))),
        np.sqrt(found.variance(centred / squares)),
    )


def half_width(probability: Floats, errors: Floats, freedom: Floats | float, level: float) -> float:
    """h with Σ pₖ·P(|t| ≤ h/seₖ) = `level`: half the width of an interval that knows φ only by its
    probabilities.

    `errors`: (K,) standard errors; `freedom`: degrees of freedom of Student's t, of all or of each.
    """
    widths = np.asarray(scipy.special.stdtrit(freedom, (1 + level) / 2) * errors)
    low, high = float(widths.min()), float(widths.max())
    if not high > low * (1 + 1e-14):
        return high
    known = np.maximum(errors, SMALLEST)

    def above(half: float) -> float:
        return float(probability @ (1 - 2 * scipy.special.stdtr(freedom, -half / known))) - level

    if above(low) >= 0:
        return low
    if above(high) <= 0:
        return high
    return float(scipy.optimize.brentq(above, low, high, xtol=1e-13 * high, rtol=1e-13))
