"""Foretells a planned period whose values depend on each other as those so far: the inference of
`dependence`, with the likelihood to expect in place of one that was seen. Pure.

- The interval to expect: the values so far repeated, so that each adds as much to the likelihood as theirs.
  For as many values as there are, it is their own interval.
- What may be seen: every φ is the true one with the probability that the values so far give it. If φ is the
  true one, the restricted likelihood has its expectation under φ: E(yᵀMₖy) = tr(MₖR(φ)).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy

from insitu.arrays import Floats
from trials.statistics import dependence
from trials.statistics.spread import Averaged, refit

LEAST_ODDS = 1e-6
"""A φ that is less probable is left out."""
_DEVIATES, _ODDS = (np.asarray(part) for part in np.polynomial.hermite_e.hermegauss(9))
_ODDS = _ODDS / _ODDS.sum()
_NODES, _WEIGHTS = (np.asarray(part) for part in np.polynomial.legendre.leggauss(100))
_QUANTILES, SHARES = (_NODES + 1) / 2, _WEIGHTS / 2


def chi_squared_quantile(share: Floats | float, freedom: Floats | float) -> Floats:
    """The same as scipy.stats, and many times faster."""
    return np.asarray(2 * scipy.special.gammaincinv(np.asarray(freedom) / 2, share))


def relative_variances(freedoms: Floats) -> Floats:
    """(M, 100): χ²/ν at the quantiles of the nodes."""
    each, at = np.unique(freedoms, return_inverse=True)
    return np.stack([_relative_variance(float(freedom)) for freedom in each])[at]


@lru_cache(maxsize=512)
def _relative_variance(freedom: float) -> Floats:
    return chi_squared_quantile(_QUANTILES, freedom) / freedom


class MayShow(NamedTuple):
    """Possible outcomes of a planned period: (M,) each."""

    errors: Floats
    """True standard error of the estimate."""
    freedoms: Floats
    """Degrees of freedom of its estimated square."""
    halves: Floats
    """Half-width of the interval."""
    refused: Floats
    """1 where the interval will be wider than the range of the values, else 0."""
    odds: Floats


@dataclass(frozen=True, eq=False)
class Prospect:
    """Planned periods after the values `seen` of one period."""

    seen: Averaged

    def half(self, days: int, before: int, level: float, short: float) -> float:
        """Half-width to expect of the mean of `days` values, or of its difference from the mean of `before`
        values if they are not 0. `short` as in `intervals.DayJackknife`.
        """
        n = days + before
        again = refit(self.seen, n)
        prior = dependence.grid(n)[1]
        share = n / self.seen.n
        scaled = again.fit._replace(log_likelihood=again.fit.log_likelihood * share)
        probability = dependence.probabilities(prior, [scaled])
        parts = [self._line(count, n).mean for count in (days, before) if count]
        half = _half(probability, [again.fit.deviations * part for part in parts], (days, before), level)
        return half * (1 + short / float(np.sqrt(_worth(probability, parts[0], days))))

    def may_show(self, days: int, before: int, level: float, short: float, sure: float) -> MayShow:
        """With a standard deviation that is larger than the true one with probability `sure`."""
        n = days + before
        again = refit(self.seen, n)
        likely = again.probability > LEAST_ODDS
        phi, freedom = again.line.columns.lags.phi, again.fit.freedom
        cautious = np.sqrt(freedom / chi_squared_quantile(1 - sure, freedom))
        deviations = (again.fit.deviations * cautious)[likely]
        true = phi[likely]
        planned = expected(self, days, before, level)
        scatter = np.sqrt((1 - true**2) / n) * n / (n - 4)
        shown = np.clip(true[:, None] + scatter[:, None] * _DEVIATES, 0.0, phi[-1])
        parts = [self._line(count, n).mean[likely] for count in (days, before) if count]
        variances = np.square(parts)
        freedoms = np.full(len(true), days - 2.0)
        if before:
            freedoms = variances.sum(axis=0) ** 2 / (
                variances[0] ** 2 / (days - 2) + variances[1] ** 2 / (before - 2)
            )
        widths = np.interp(shown, phi, planned.widened(short)) * deviations[:, None]
        ranges = [self._range(count) for count in (days, before) if count]
        refused = np.any(
            [
                2 * np.interp(shown, phi, one) * again.fit.deviations[likely][:, None] > span
                for one, span in zip(planned.alone, ranges, strict=True)
            ],
            axis=0,
        )
        each = np.ones(shown.shape)
        return MayShow(
            ((np.sqrt(variances.sum(axis=0)) * deviations)[:, None] * each).ravel(),
            (freedoms[:, None] * each).ravel(),
            widths.ravel(),
            refused.ravel().astype(float),
            (again.probability[likely][:, None] / again.probability[likely].sum() * _ODDS).ravel(),
        )

    @property
    def unit(self) -> float:
        """Median time from a value to the next."""
        return dependence.spacing(self.seen.days.astype(float))

    def times(self, count: int) -> Floats:
        """Times of `count` values, as far apart as the values so far, again and again."""
        steps = np.resize(np.diff(self.seen.days).astype(float), max(count - 1, 0))
        return np.concatenate([[0.0], np.cumsum(steps)])[:count]

    def _line(self, count: int, n: int) -> dependence.Line:
        return dependence.line(self.times(count), self.unit, n)

    def _range(self, count: int) -> float:
        """Usual range of `count` values in a row; of more than there are, the range of all."""
        values = self.seen.values
        windows = np.lib.stride_tricks.sliding_window_view(values, min(count, len(values)))
        return float(np.median(np.ptp(windows, axis=1)))


class Expected(NamedTuple):
    """Half-widths to expect over the standard deviation, if each φ of the grid is the true one: (K,) each."""

    halves: Floats
    """Of the mean of the period, or of its difference from the period before."""
    alone: list[Floats]
    """Of the mean of each period."""
    worth: Floats
    """n′ of the period."""

    def widened(self, short: float) -> Floats:
        """`halves` times 1 + short/√n′."""
        return self.halves * (1 + short / np.sqrt(self.worth))


def expected(prospect: Prospect, days: int, before: int, level: float) -> Expected:
    """For `days` values, after `before` values if they are not 0."""
    return _expected(prospect.times(days).tobytes(), prospect.times(before).tobytes(), prospect.unit, level)


def _worth(probability: Floats, part: Floats, days: int) -> float:
    """n′ of a period."""
    return min(float(days), 1 / float(probability @ part**2))


def _half(probability: Floats, errors: list[Floats], counts: tuple[int, int], level: float) -> float:
    """Of one mean, or of a difference with the degrees of freedom of Welch and Satterthwaite."""
    if len(errors) == 1:
        return dependence.half_width(probability, errors[0], counts[0] - 2.0, level)
    v1, v2 = errors[0] ** 2, errors[1] ** 2
    parts = v1**2 / (counts[0] - 2) + v2**2 / (counts[1] - 2)
    freedom = (v1 + v2) ** 2 / np.maximum(parts, dependence.SMALLEST)
    return dependence.half_width(probability, np.sqrt(v1 + v2), freedom, level)


@lru_cache(maxsize=128)
def _expected(after: bytes, before: bytes, unit: float, level: float) -> Expected:
    periods = [np.frombuffer(times) for times in (after, before) if times]
    counts = (len(periods[0]), len(periods[1]) if before else 0)
    n = sum(counts)
    prior = dependence.grid(n)[1]
    lines = [dependence.line(times, unit, n) for times in periods]
    rests = [line.columns.expected_rest() for line in lines]
    found, worth = [], []
    for true in range(dependence.NODES):
        fits = [line.columns.regressed(rest[true]) for line, rest in zip(lines, rests, strict=True)]
        probability = dependence.probabilities(prior, fits)
        errors = [fit.deviations * line.mean for fit, line in zip(fits, lines, strict=True)]
        alone = [
            _half(probability, [error], (count, 0), level)
            for error, count in zip(errors, counts, strict=False)
        ]
        both = _half(probability, errors, counts, level) if before else alone[0]
        found.append([both, *alone])
        worth.append(_worth(probability, lines[0].mean, counts[0]))
    columns = np.array(found).T
    return Expected(columns[0], list(columns[1:]), np.array(worth))
