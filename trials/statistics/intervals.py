"""Intervals that cover, with the day as unit of inference.

Nothing here knows a protocol or a database. Days are whole numbers (proleptic ordinals of local dates);
arrays hold one value per day. docs/validation.md has the measured coverage of nominal 95 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import scipy

from insitu.arrays import Floats, Ints
from insitu.errors import CorrectInput

Days = Ints
MIN_DAYS = 14


def t_quantile(level: float, freedom: float) -> float:
    """Quantile t of Student's distribution: a share `level` lies within ±t. The same as scipy.stats, and many
    times faster.
    """
    return float(scipy.special.stdtrit(freedom, (1 + level) / 2))


class MeanOfDays(Protocol):
    """A mean of day values with its interval, however that is made."""

    @property
    def mean(self) -> float: ...
    @property
    def n(self) -> int: ...
    @property
    def standard_error(self) -> float: ...
    @property
    def n_effective(self) -> float: ...
    @property
    def autocorrelation(self) -> float: ...
    @property
    def deviation(self) -> float: ...
    @property
    def slope(self) -> float: ...
    @property
    def slope_error(self) -> float: ...
    @property
    def freedom(self) -> float: ...
    def interval(self, level: float, /) -> tuple[float, float]: ...
    def always_valid(self, level: float, planned: int, /) -> tuple[float, float]: ...
    def has_trend(self, level: float, /) -> bool: ...


OfDays = Callable[[Ints, Floats, float | None], MeanOfDays]
"""(days, values, middle of the period) → their mean."""


class Spread(NamedTuple):
    """Mean of day values, and how far it may be off."""

    mean: float
    standard_error: float
    """√(s²/n′ + (slope·(d̄ − m))²), with the lag-1 autocorrelation of the detrended days. d̄: mean number of
    the days that count; m: middle of the period. The second term is the trend's effect on the mean if days
    are missing.
    """
    n: int
    n_effective: float
    """n′ = max(3, n(1 − r)/(1 + r)), r = min(.99, max(0, (n·r₁ + 3)/(n − 4)))."""
    slope: float
    """Trend per day."""
    slope_error: float
    autocorrelation: float
    """r of the detrended days, corrected for short series; the same for a longer period of the same kind."""
    deviation: float
    """s, the standard deviation of the detrended days."""

    @property
    def freedom(self) -> float:
        return self.n_effective - 2

    def interval(self, level: float) -> tuple[float, float]:
        """mean ± t(n′ − 2)·s/√n′ at two-sided `level`."""
        half = t_quantile(level, self.freedom) * self.standard_error
        return self.mean - half, self.mean + half

    def always_valid(self, level: float, planned: int) -> tuple[float, float]:
        """mean ± `always_valid_reach`·s/√n′: holds at every look from day 14 on, however many there are.
        `planned`: days of the whole period.

        Never narrower than the single-look interval, whose t is larger if n′ is small. CorrectInput under 14
        days.
        """
        low, high = self.interval(level)
        half = always_valid_reach(self.n, planned, level) * self.standard_error
        return min(low, self.mean - half), max(high, self.mean + half)

    def has_trend(self, level: float) -> bool:
        half = t_quantile(level, self.freedom) * self.slope_error
        return abs(self.slope) > half


def varies(values: Floats) -> bool:
    """False if all values are the same except for rounding: means of equal results may differ in their last
    digit.
    """
    return bool(len(values)) and float(np.ptp(values)) > 1e-12 * float(np.abs(values).max())


def neighbour_spread(days: Days, values: Floats, middle: float | None = None) -> Spread:
    """Mean, standard error and trend of day values d₁…d_n (n ≥ 5; the designs ask for 14).

    Residuals e of d on (1, day number); r₁ their lag-1 autocorrelation over adjacent calendar days; s² =
    Σe²/(n − 2). `middle`: day number in the middle of the period (default: between the first and the last day
    that count).
    """
    n = len(values)
    centred = days - days.mean()
    sxx = float(np.sum(centred**2.0))
    mean = float(values.mean())
    if not varies(values):
        values = np.full(n, mean)
    slope = float(np.sum(centred * (values - mean)) / sxx)
    residuals = values - mean - slope * centred
    sse = float(np.sum(residuals**2))
    adjacent = np.diff(days) == 1
    pairs = int(adjacent.sum())
    r1 = 0.0
    if sse > 0 and pairs:
        r1 = float(np.sum((residuals[:-1] * residuals[1:])[adjacent]) / sse) * (n - 1) / pairs
    r = min(0.99, max(0.0, (n * r1 + 3) / (n - 4)))
    n_effective = max(3.0, n * (1 - r) / (1 + r))
    s = float(np.sqrt(sse / (n - 2)))
    missing = slope * (float(days.mean()) - (float(days[0] + days[-1]) / 2 if middle is None else middle))
    error = float(np.hypot(s / np.sqrt(n_effective), missing))
    slope_error = s / np.sqrt(sxx) * np.sqrt(n / n_effective)
    return Spread(mean, error, n, n_effective, slope, slope_error, r, s)


@dataclass(frozen=True, slots=True)
class TwoPeriods:
    """after − before: variances add, Welch–Satterthwaite degrees of freedom with n′ − 2."""

    before: MeanOfDays
    after: MeanOfDays

    @property
    def difference(self) -> float:
        return self.after.mean - self.before.mean

    @property
    def standard_error(self) -> float:
        return float(np.hypot(self.before.standard_error, self.after.standard_error))

    def interval(self, level: float) -> tuple[float, float]:
        v1, v2 = self.before.standard_error**2, self.after.standard_error**2
        if v1 + v2 == 0:
            return self.difference, self.difference
        freedom = (v1 + v2) ** 2 / (v1**2 / self.before.freedom + v2**2 / self.after.freedom)
        half = t_quantile(level, freedom) * self.standard_error
        return self.difference - half, self.difference + half

    def always_valid(self, level: float, planned: int) -> tuple[float, float]:
        """As for one period, with the error of the difference; n and `planned` count the days of the second
        period alone.

        The first period is over before anyone looks, so its error is the same at every look. With v₁, v₂ the
        variances of the two means, the difference has a share (v₁ + v₂*)/(v₁ + v₂) of its final information,
        which is more than n/planned = v₂*/v₂: the interval errs on the wide side. CorrectInput under 14 days
        in the second period.
        """
        low, high = self.interval(level)
        half = always_valid_reach(self.after.n, planned, level) * self.standard_error
        return min(low, self.difference - half), max(high, self.difference + half)


class Scale(NamedTuple):
    """A monotone map to a scale on which a statistic is about symmetric, and its inverse."""

    forth: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


IDENTITY = Scale(lambda x: x, lambda x: x)
LOG = Scale(lambda x: np.log(np.maximum(x, 1e-300)), lambda z: np.exp(np.clip(z, -700.0, 700.0)))
"""Finite in both directions: even an RMSE that is 0 without one day gets numbers for its ends."""
R_SQUARED = Scale(
    lambda x: np.arctanh(np.sqrt(np.clip(x, 0.0, 1 - 1e-15))), lambda z: np.tanh(np.maximum(z, 0.0)) ** 2
)

OfSums = Callable[[Floats], Floats]
"""Sums (…, k) → statistic (…)."""


@dataclass(frozen=True, slots=True)
class DayJackknife:
    """A statistic of per-day sums with its interval.

    θ̂ on all N days on `scale`, θ̂₍ᵢ₎ without day i, pseudo-values Nθ̂ − (N − 1)θ̂₍ᵢ₎ in day order; the
    interval of a mean of day values on them, centred on θ̂, transformed back.
    """

    estimate: float
    centre: float
    spread: MeanOfDays
    scale: Scale
    wider: float = 1.0
    """Factor of the half-width on the scale."""
    short: float = 0.0
    """`wider` is 1 + short/√n′."""

    @classmethod
    def of(
        cls,
        days: Days,
        sums: Floats,
        statistic: OfSums,
        scale: Scale = IDENTITY,
        *,
        short: float = 0.0,
        worth: float | None = None,
        middle: float | None = None,
        mean: OfDays | None = None,
        unordered: bool = False,
    ) -> DayJackknife:
        """`sums`: (N, k), one row per day. `short`: the half-width is 1 + short/√n′ times as wide on the
        scale, where measured coverage requires it, since few days tell their own scatter badly. `worth`: n′
        from other day values than the pseudo-values. `middle` as in `neighbour_spread`; `mean`: what makes
        the interval of the pseudo-values, `neighbour_spread` if it is None. `unordered`: the days may be
        exchanged, and the result does not depend on their order.
        """
        if unordered:  # the same sums, added in the same order
            sums = sums[np.lexsort(sums.T)]
        total = sums.sum(axis=0)
        n = len(days)
        centre = float(scale.forth(np.asarray(statistic(total))))
        without = scale.forth(np.asarray(statistic(total - sums)))
        pseudo = n * centre - (n - 1) * without
        found = (mean or neighbour_spread)(days, pseudo, middle)
        wider = 1.0 + short / float(np.sqrt(worth or found.n_effective))
        return cls(float(statistic(total)), centre, found, scale, wider, short)

    def interval(self, level: float) -> tuple[float, float]:
        low, high = self.spread.interval(level)
        half = self.wider * (high - low) / 2
        ends = self.scale.back(np.array([self.centre - half, self.centre + half]))
        return float(ends[0]), float(ends[1])

    def always_valid(self, level: float, planned: int) -> tuple[float, float]:
        """As for a mean of day values: computed on the scale, then transformed back. CorrectInput under 14
        days.
        """
        low, high = self.spread.always_valid(level, planned)
        half = self.wider * (high - low) / 2
        ends = self.scale.back(np.array([self.centre - half, self.centre + half]))
        return float(ends[0]), float(ends[1])


def always_valid_reach(n: int, planned: int, level: float) -> float:
    """Standard errors to either side of a mean of n days with which the interval holds at all looks together,
    not only at one.

    √n·√(2(nρ² + 1)/(n²ρ²)·ln(√(nρ² + 1)/α)) with ρ² = (−2 ln α + ln(−2 ln α + 1))/planned, α = 1 − `level`;
    narrowest about n = `planned`. Depends on n and `planned` only by their ratio. CorrectInput under 14 days
    or without a planned day. Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Ann. Statist. 52 (2024),
    with s/√n′ for σ/√n.
    """
    if n < MIN_DAYS:
        raise CorrectInput(
            f"Only {n} days: an always-valid interval begins with day {MIN_DAYS}. Look again later."
        )
    if planned < 1:
        raise CorrectInput(
            f"{planned} planned days: say how many days the period has when it is over, at least 1."
        )
    return reach_of_share(n / planned, level)


def reach_of_share(share: float, level: float) -> float:
    """`always_valid_reach` for any statistic. `share`: part of its final information that is there, n/planned
    for a mean, (n/planned)³ for a slope.
    """
    alpha = 1 - level
    x = share * (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1))
    return float(np.sqrt(2 * (x + 1) / x * np.log(np.sqrt(x + 1) / alpha)))


def bootstrap(
    sums: Floats, statistic: OfSums, *, block: int, replicates: int, seed: int, level: float
) -> tuple[float, float]:
    """Percentile interval from circular blocks of `block` days. Only a sensitivity, since it covers too
    little with few days.

    NaN if the statistic is undefined on some replicates (a slope, if only days without variation were drawn).
    """
    weights = block_weights(len(sums), block=block, replicates=replicates, seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.quantile(statistic(weights @ sums), [(1 - level) / 2, (1 + level) / 2])
    return float(ends[0]), float(ends[1])


@lru_cache(maxsize=16)
def block_weights(n: int, *, block: int, replicates: int, seed: int) -> Floats:
    """(replicates, n): how often each of n days is drawn when circular blocks of `block` days make up n days.

    Read-only, since every statistic of an endpoint shares one table.
    """
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n, (replicates, int(np.ceil(n / block)), 1))
    picked = ((starts + np.arange(block)) % n).reshape(replicates, -1)[:, :n]
    flat = (picked + n * np.arange(replicates)[:, None]).ravel()
    weights = np.bincount(flat, minlength=replicates * n).reshape(replicates, n).astype(np.float64)
    weights.flags.writeable = False
    return weights
