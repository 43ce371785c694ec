"""Forecasts for a trial before it reports: widths of intervals, smallest detectable effects, days needed.

From the day values of the baseline alone. Their detrended standard deviation s and lag-1 autocorrelation r
are those of `trials.statistics.intervals.neighbour_spread`; a period of n days that count is worth n′ =
max(3, n(1 − r)/(1 + r)) independent ones. The estimate is taken as normal with standard error σ = s/√(n(1 −
r)/(1 + r)), its estimated variance as χ² with (n − 2)(1 − r²)/(1 + r²) degrees of freedom, and the r that
the reporting period will show as normal about r with standard deviation √((1 − r²)/n)·n/(n − 4): the chance
of a verdict is a mean of noncentral t distributions over that r. Since a short baseline may understate s,
chances take its upper 80 % limit. All of it rests on one assumption: days will scatter as they did in the
baseline. Sources: Owen, J. Am. Stat. Assoc. 60 (1965) 320 (power of a t interval); Schuirmann, J.
Pharmacokin. Biopharm. 15 (1987) 657 (two one-sided tests); Satterthwaite, Biometrics Bull. 2 (1946) 110;
Bartlett, J. R. Stat. Soc. 98 (1935) 536 (degrees of freedom of a variance and scatter of r₁ under
autocorrelation); Browne, Stat. Med. 14 (1995) 1933 (upper limit of s from a pilot). Measured:
docs/validation.md. So for rules 1. By true lags, `prospects` takes the place of n′, r and t(n′ − 2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy

from insitu.arrays import Floats
from insitu.errors import CorrectInput
from trials.statistics.intervals import IDENTITY, MIN_DAYS, DayJackknife, MeanOfDays, Scale
from trials.statistics.prospects import SHARES, Prospect, chi_squared_quantile, relative_variances
from trials.statistics.spread import Averaged, Unordered

Bounds = tuple[float | None, float | None]
MOST_DAYS = 1830
"""Five years: nobody plans a longer trial. If more days are needed, the answer is "not reachable"."""
MIN_PAIRS = 6
"""A crossover with fewer block pairs is not evaluated."""
SURE = 0.8
"""Probability that the true s lies below the limit used for chances."""
_DEVIATES, _ODDS = (np.asarray(part) for part in np.polynomial.hermite_e.hermegauss(9))
_ODDS = _ODDS / _ODDS.sum()


@dataclass(frozen=True, slots=True)
class Basis:
    """How one statistic scatters in the baseline. Everything is on `scale`, the scale of its interval."""

    sd: float
    """s of the day values (or pseudo-values, or pair differences), detrended."""
    autocorrelation: float = 0.0
    """r of `spread`, 0 … .99."""
    centre: float | None = None
    """Value of the statistic in the baseline; None for an effect, which has not happened yet."""
    scale: Scale = IDENTITY
    short: float = 0.0
    """Half-widths are 1 + short/√n′ times as wide (`DayJackknife`); only for statistics of one period."""
    fixed: float = 0.0
    """Part of the half-width that more days do not lower (k·u_meas of a limit), added in quadrature."""
    before_days: int = 0
    """Days of the baseline that count, if the statistic is after − before; 0: it belongs to one period."""
    pair_days: float = 0.0
    """Length in days of a block pair of a crossover; 0: the statistic is a mean of days."""
    freedom: float | None = None
    """Degrees of freedom of s², from the baseline; None: s is known."""
    prospect: Prospect | None = None
    """The values so far, if their interval knows true lags; None: it is that of `neighbour_spread`."""
    ordered: bool = True
    """False: the protocol declares the values independent."""

    @property
    def estimated(self) -> float:
        """Parameters that an interval estimates: the mean, and the trend of values in an order."""
        return 2.0 if self.ordered else 1.0

    @classmethod
    def of(cls, found: MeanOfDays | DayJackknife, *, fixed: float = 0.0, before_days: int = 0) -> Basis:
        """From a mean of day values, or a statistic with the day jackknife."""
        jack = found if isinstance(found, DayJackknife) else None
        days = found.spread if isinstance(found, DayJackknife) else found
        plain = cls(
            days.deviation,
            days.autocorrelation,
            None if before_days else days.mean,
            fixed=fixed,
            before_days=before_days,
            freedom=_variance_freedom(days.n, days.autocorrelation),
        )
        if isinstance(days, Averaged):
            plain = replace(plain, prospect=Prospect(days))
        elif isinstance(days, Unordered):
            plain = replace(plain, freedom=days.freedom, ordered=False)
        if jack is None:
            return plain
        return replace(plain, centre=jack.centre, scale=jack.scale, short=jack.short)

    @property
    def cautious(self) -> Basis:
        """With the upper 80 % limit of s, s·√(ν/χ²₀.₂(ν)), as if it were known; chances use this."""
        if self.freedom is None:
            return self
        return replace(
            self,
            sd=self.sd * float(np.sqrt(self.freedom / chi_squared_quantile(1 - SURE, self.freedom))),
            freedom=None,
        )

    @property
    def fewest_days(self) -> int:
        """With fewer days the design gives no estimate."""
        return int(np.ceil(MIN_PAIRS * self.pair_days)) if self.pair_days else MIN_DAYS


class Sampling(NamedTuple):
    """Scatter of the estimate and its interval in a planned period, on the basis' scale: (M,) each, for what
    the period may be.
    """

    errors: Floats
    """Standard error of the estimate."""
    freedoms: Floats
    """Degrees of freedom of its estimated square."""
    halves: Floats
    """Half-width of the sampling part of the interval, if s is as planned."""
    odds: Floats
    """Probability of each; together less than 1 where the values may be too alike for an interval."""

    @property
    def most(self) -> float:
        """The largest standard error."""
        return float(self.errors.max())


class Chances(NamedTuple):
    """Chances of the verdicts on one criterion; the rest to 1 is the chance of `inconclusive`."""

    met: float
    not_met: float

    @property
    def decided(self) -> float:
        return self.met + self.not_met


def effective_days(*, days: int, autocorrelation: float) -> float:
    """n′ = max(3, n(1 − r)/(1 + r)): the number of independent days that n days are worth. The same floor as
    `spread`.
    """
    return max(3.0, days * (1 - autocorrelation) / (1 + autocorrelation))


def half_width(*, basis: Basis, days: int, level: float) -> float:
    """√(fixed² + ((1 + short/√n′)·t(n′ − 2)·s/√n′)²): the expected half-width of the two-sided interval at
    `level`, on the basis' scale.

    After − before: variances add, freedom by Welch and Satterthwaite; k block pairs: t(k − 1)·s/√k.
    CorrectInput below what the design needs (14 days, 6 block pairs).
    """
    _enough(basis, days)
    if basis.pair_days:
        pairs = _pairs(basis, days)
        sampled = _half(level, pairs - 1.0, basis.sd / np.sqrt(pairs))
    elif basis.prospect:
        sampled = np.asarray(basis.prospect.half(days, basis.before_days, level, basis.short))
    else:
        after = effective_days(days=days, autocorrelation=basis.autocorrelation)
        before = (
            effective_days(days=basis.before_days, autocorrelation=basis.autocorrelation)
            if basis.before_days
            else np.inf
        )
        wider = 1 + basis.short / np.sqrt(after)
        sampled = wider * _half(
            level,
            _welch(1 / before, 1 / after, basis.estimated),
            basis.sd * np.sqrt(1 / before + 1 / after),
        )
    return float(np.hypot(basis.fixed, sampled))


def expected_interval(
    *, basis: Basis, days: int, level: float, true: float | None = None
) -> tuple[float, float]:
    """Expected [L, U] around `true` (default: the value in the baseline, 0 for an effect), in the unit of the
    statistic.
    """
    centre = (basis.centre or 0.0) if true is None else _forth(basis.scale, true)
    half = half_width(basis=basis, days=days, level=level)
    low, high = (float(end) for end in basis.scale.back(np.array([centre - half, centre + half])))
    return low, high


def chances(*, basis: Basis, days: int, level: float, target: Bounds, true: float) -> Chances:
    """P(met) and P(not_met) by the verdict rule for T = [low, high], if the true value is `true`.

    With estimate m ~ N(θ, σ²) and half-width h: met is low ≤ m − h and m + h ≤ high. With one open end and no
    fixed part: noncentral t with noncentrality |θ − bound|/σ; else the same integral over the χ² of the
    estimated variance, by 100 Gauss–Legendre nodes.
    """
    low, high = (None if end is None else _forth(basis.scale, end) for end in target)
    found = _sampling(basis, days, level)
    return _chances(basis, found, (low, high), _forth(basis.scale, true))


def smallest_effect(*, basis: Basis, days: int, level: float, power: float = 0.8) -> float | None:
    """Δ: how far from a bound the truth must be, so that the verdict says on which side with probability
    `power`; on the basis' scale.

    If an effect must be at least δ, its true value must be δ + Δ; with δ = 0 this is the usual smallest
    detectable effect. On the identity scale Δ has the unit of the statistic. None: the values will be too
    alike for an interval more often than 1 − `power`.
    """
    return _distance(basis, _sampling(basis, days, level), power)


def met_region(*, basis: Basis, days: int, level: float, target: Bounds, power: float = 0.8) -> Bounds | None:
    """True values for which the verdict is `met` with at least probability `power`: [low, high], None is
    open.

    In the unit of the statistic. None instead of the pair if no true value reaches it, because the interval
    is too wide for the target.
    """
    low, high = (None if end is None else _forth(basis.scale, end) for end in target)
    found = _sampling(basis, days, level)
    if low is None or high is None:
        beyond = _distance(basis, found, power)
        if beyond is None:
            return None
        ends = (None if low is None else low + beyond, None if high is None else high - beyond)
    else:
        middle, half = (low + high) / 2, (high - low) / 2

        def above(at: float) -> float:
            return _met(basis, found, (-half, half), at) - power

        if above(0.0) < 0:
            return None
        reach = half if above(half) >= 0 else float(scipy.optimize.brentq(above, 0.0, half))
        ends = (middle - reach, middle + reach)
    back = [None if end is None else float(basis.scale.back(np.array([end]))[0]) for end in ends]
    return back[0], back[1]


def days_needed(
    *, basis: Basis, level: float, target: Bounds, true: float, power: float = 0.8, most: int = MOST_DAYS
) -> int | None:
    """Fewest counting days for which the verdict is decided (`met` or `not_met`) with probability `power`, if
    the true value is `true`.

    None if `most` days are not enough: the truth lies on a bound or within the fixed part of it, or the
    baseline is too short.
    """

    def enough(days: int) -> bool:
        return chances(basis=basis, days=days, level=level, target=target, true=true).decided >= power

    few, many = basis.fewest_days, most
    if many < few or not enough(many):
        return None
    while few < many:  # more days never lower the chance of a decision
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle + 1, many)
    return many


def _forth(scale: Scale, value: float) -> float:
    return float(scale.forth(np.array([value]))[0])


def _enough(basis: Basis, days: int) -> None:
    if days < basis.fewest_days:
        raise CorrectInput(f"{days} days are planned; at least {basis.fewest_days} that count are needed.")


def _pairs(basis: Basis, days: int) -> int:
    return int(days / basis.pair_days + 1e-9)


def _half(level: float, freedom: Floats | float, error: Floats | float) -> Floats:
    return np.asarray(scipy.special.stdtrit(freedom, (1 + level) / 2) * error)


def _welch(before: Floats | float, after: Floats | float, estimated: float) -> Floats:
    """Degrees of freedom of 1/n′ + 1/n′ with n′ − `estimated` each."""
    return np.asarray(
        (before + after) ** 2
        / (before**2 / (1 / np.maximum(before, 1e-300) - estimated) + after**2 / (1 / after - estimated))
    )


def _variance_freedom(days: int, r: float, estimated: float = 2.0) -> float:
    """(n − 2)(1 − r²)/(1 + r²): degrees of freedom of s² of an AR(1)."""
    return float(max(1.0, (days - estimated) * (1 - r**2) / (1 + r**2)))


def _seen(basis: Basis, days: int) -> tuple[Floats, Floats]:
    """(1/n′, odds) of each r that may be seen in this many days."""
    r = basis.autocorrelation
    if not basis.ordered:
        return np.array([1 / days]), np.ones(1)
    shown = np.clip(r + _DEVIATES * np.sqrt((1 - r**2) / days) * days / (days - 4), 0.0, 0.99)
    return 1 / np.maximum(3.0, days * (1 - shown) / (1 + shown)), _ODDS


def _sampling(basis: Basis, days: int, level: float) -> Sampling:
    """Scatter in the planned period, with the cautious s."""
    _enough(basis, days)
    if basis.prospect:
        found = basis.prospect.may_show(days, basis.before_days, level, basis.short, SURE)
        return Sampling(found.errors, found.freedoms, found.halves, found.odds * (1 - found.refused))
    sd, r, estimated = basis.cautious.sd, basis.autocorrelation, basis.estimated
    if basis.pair_days:
        pairs = _pairs(basis, days)
        error = sd / float(np.sqrt(pairs))
        return _same(error, pairs - 1.0, np.atleast_1d(_half(level, pairs - 1.0, error)), np.ones(1))
    worth = (1 + r) / (1 - r)
    after, (share, odds) = worth / days, _seen(basis, days)
    if not basis.before_days:
        halves = (1 + basis.short * np.sqrt(share)) * _half(level, 1 / share - estimated, sd * np.sqrt(share))
        return _same(sd * float(np.sqrt(after)), _variance_freedom(days, r, estimated), halves, odds)
    before, (other, of_other) = worth / basis.before_days, _seen(basis, basis.before_days)
    other = other[:, None]
    halves = _half(level, _welch(other, share, estimated), sd * np.sqrt(other + share)).ravel()
    freedom = (before + after) ** 2 / (
        before**2 / _variance_freedom(basis.before_days, r, estimated)
        + after**2 / _variance_freedom(days, r, estimated)
    )
    return _same(sd * float(np.sqrt(before + after)), freedom, halves, np.outer(of_other, odds).ravel())


def _same(error: float, freedom: float, halves: Floats, odds: Floats) -> Sampling:
    """With one standard error for all."""
    return Sampling(np.full(len(halves), error), np.full(len(halves), freedom), halves, odds)


def _chances(basis: Basis, found: Sampling, target: Bounds, true: float) -> Chances:
    """`chances`, with everything on the basis' scale."""
    return Chances(_met(basis, found, target, true), _not_met(basis, found, target, true))


def _met(basis: Basis, found: Sampling, target: Bounds, true: float) -> float:
    """P(the interval lies within `target`)."""
    low, high = target
    if found.most == 0:
        inside = (low is None or true - basis.fixed >= low) and (high is None or true + basis.fixed <= high)
        return float(inside)
    if basis.fixed == 0 and (low is None or high is None):
        return _past(found, (high - true) if high is not None else (true - (low or 0.0)))
    half, error = _halves(basis, found)
    above = scipy.special.ndtr((high - half - true) / error) if high is not None else 1.0
    below = scipy.special.ndtr((low + half - true) / error) if low is not None else 0.0
    return float(np.sum(found.odds[:, None] * SHARES * np.maximum(0.0, above - below)))


def _not_met(basis: Basis, found: Sampling, target: Bounds, true: float) -> float:
    """P(the interval lies outside `target`)."""
    low, high = target
    if found.most == 0:
        below, above = true + basis.fixed, true - basis.fixed
        return float((low is not None and below < low) or (high is not None and above > high))
    if basis.fixed == 0 and (low is None or high is None):
        return _past(found, -((high - true) if high is not None else (true - (low or 0.0))))
    half, error = _halves(basis, found)
    too_low = scipy.special.ndtr((low - half - true) / error) if low is not None else 0.0
    too_high = scipy.special.ndtr(-(high + half - true) / error) if high is not None else 0.0
    return float(np.sum(found.odds[:, None] * SHARES * (too_low + too_high)))


def _halves(basis: Basis, found: Sampling) -> tuple[Floats, Floats]:
    """(half widths at the quantiles of the nodes, standard errors)."""
    spread = found.halves[:, None] * np.sqrt(relative_variances(found.freedoms))
    return np.hypot(basis.fixed, spread), found.errors[:, None]


def _past(found: Sampling, distance: float) -> float:
    """P(an estimate is its half width past a bound that lies `distance` away)."""
    errors, freedoms, halves, odds = found
    return float(np.sum(odds * _beyond(halves / errors, freedoms, distance / errors)))


def _beyond(critical: Floats, freedoms: Floats, noncentralities: Floats) -> Floats:
    """P(T > t) of the noncentral t; below a noncentrality of −37 it is 0 in double precision."""
    known = np.clip(noncentralities, -37, 1e3)
    return np.where(noncentralities < -37, 0.0, scipy.stats.nct.sf(critical, freedoms, known))


def _distance(basis: Basis, found: Sampling, power: float) -> float | None:
    """How far inside a half-open target the truth must be for `met` with probability `power`."""
    if found.most == 0:
        return basis.fixed
    if found.odds.sum() <= power + 1e-9:
        return None

    def above(distance: float) -> float:
        return _met(basis, found, (None, 0.0), -distance) - power

    far = basis.fixed + found.most
    while above(far) < 0:
        far *= 2
    return float(scipy.optimize.brentq(above, 0.0, far, xtol=1e-9 * far))
