"""The mean of day values whose dependence follows from their true lags, and the difference of two such means.

The same promises as `intervals.Spread` and `intervals.TwoPeriods`, which know neighbours only; the interval
is short where the values tell how much they resemble each other, and wide where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from insitu.arrays import Floats
from trials.statistics import dependence
from trials.statistics.intervals import Days, always_valid_reach, t_quantile, varies


@dataclass(frozen=True, eq=False)
class Averaged:
    """Mean of day values, averaged over the autocorrelations that may be."""

    mean: float
    n: int
    slope: float
    """Trend per day."""
    days: Days
    values: Floats
    beside: float
    """slope·(mean number of the days that count − middle of the period): the trend's effect on the mean if
    days are missing.
    """
    line: dependence.Line
    fit: dependence.Regressed
    probability: Floats
    """(K,): of each φ."""

    @cached_property
    def errors(self) -> Floats:
        """(K,): standard error of the mean for each φ."""
        return np.hypot(self.fit.deviations * self.line.mean, self.beside)

    @property
    def freedom(self) -> float:
        return float(self.fit.freedom)

    @cached_property
    def standard_error(self) -> float:
        return float(np.sqrt(self.probability @ self.errors**2))

    @cached_property
    def n_effective(self) -> float:
        """n′: the number of independent values with as small an error of the mean."""
        return min(float(self.n), 1 / float(self.probability @ self.line.mean**2))

    @property
    def autocorrelation(self) -> float:
        """Mean of φ, from one value to the next at their median distance."""
        return float(self.probability @ self.line.columns.lags.phi)

    @property
    def deviation(self) -> float:
        """Standard deviation of the values about their trend."""
        return float(np.exp(self.probability @ np.log(np.maximum(self.fit.deviations, dependence.SMALLEST))))

    @property
    def slope_error(self) -> float:
        return float(np.sqrt(self.probability @ (self.fit.deviations * self.line.slope) ** 2))

    def half(self, level: float) -> float:
        """Half the width of the interval at `level`."""
        return dependence.half_width(self.probability, self.errors, self.freedom, level)

    def interval(self, level: float) -> tuple[float, float]:
        """mean ± h, with Σ pₖ·P(|t(n − 2)| ≤ h/seₖ) = `level`."""
        half = self.half(level)
        return self.mean - half, self.mean + half

    def always_valid(self, level: float, planned: int) -> tuple[float, float]:
        """mean ± `always_valid_reach` standard errors, never narrower than the interval of one look.
        CorrectInput under 14 days.
        """
        half = max(self.half(level), always_valid_reach(self.n, planned, level) * self.standard_error)
        return self.mean - half, self.mean + half

    def has_trend(self, level: float) -> bool:
        errors = self.fit.deviations * self.line.slope
        return abs(self.slope) > dependence.half_width(self.probability, errors, self.freedom, level)

    def needed(self, level: float) -> int | None:
        """Values after which the interval is probably no wider than the values' own range; None if it is not
        wider now: it says more than the values themselves.
        """
        share = 2 * self.half(level) / max(float(np.ptp(self.values)), dependence.SMALLEST)
        return None if share <= 1 or not varies(self.values) else int(np.ceil(self.n * share**2))


def averaged(days: Days, values: Floats, middle: float | None = None) -> Averaged:
    """As `intervals.neighbour_spread`, by the true lags between the days: any spacing will do. At least
    five values.
    """
    unit = dependence.spacing(days.astype(float))
    return _placed(days, values, middle, unit, len(days))


def _placed(days: Days, values: Floats, middle: float | None, unit: float, n: int) -> Averaged:
    """`unit`, `n`: median spacing and number of the values that tell φ."""
    mean = float(values.mean())
    if not varies(values):
        values = np.full(len(values), mean)
    centred = days - days.mean()
    slope = float(np.sum(centred * (values - mean)) / np.sum(centred**2.0))
    line = dependence.line(days - days[0], unit, n)
    fit = line.columns.regress(values - mean - slope * centred)
    beside = slope * (float(days.mean()) - (float(days[0] + days[-1]) / 2 if middle is None else middle))
    probability = dependence.probabilities(dependence.grid(n)[1], [fit])
    return Averaged(mean, len(values), slope, days, values, beside, line, fit, probability)


def refit(mean: Averaged, n: int) -> Averaged:
    """The same mean, its φ judged as if `n` values told it."""
    unit = dependence.spacing(mean.days.astype(float))
    return _placed(mean.days, mean.values, None, unit, n)


@dataclass(frozen=True, eq=False)
class AveragedPeriods:
    """after − before. Both periods tell one φ, each has its own variance; for each φ variances add, with the
    degrees of freedom of Welch and Satterthwaite.
    """

    before: Averaged
    after: Averaged

    @classmethod
    def of(cls, before: Averaged, after: Averaged) -> AveragedPeriods:
        """From the means of the two periods, each seen alone."""
        parts = (before, after)
        unit = dependence.spacing(*(part.days.astype(float) for part in parts))
        n = before.n + after.n
        lines = [dependence.line(part.days - part.days[0], unit, n) for part in parts]
        fits = [
            line.columns.regress(part.values - part.mean - part.slope * (part.days - part.days.mean()))
            for line, part in zip(lines, parts, strict=True)
        ]
        moving = [fit for fit, part in zip(fits, parts, strict=True) if varies(part.values)]
        probability = dependence.probabilities(dependence.grid(n)[1], moving)
        return cls(
            *(
                replace(part, line=line, fit=fit, probability=probability)
                for part, line, fit in zip(parts, lines, fits, strict=True)
            )
        )

    @property
    def difference(self) -> float:
        return self.after.mean - self.before.mean

    @property
    def standard_error(self) -> float:
        return float(np.hypot(self.before.standard_error, self.after.standard_error))

    def half(self, level: float) -> float:
        """Half the width of the interval at `level`."""
        v1, v2 = self.before.errors**2, self.after.errors**2
        parts = v1**2 / self.before.freedom + v2**2 / self.after.freedom
        if not parts.max() > 0:
            return 0.0
        freedom = (v1 + v2) ** 2 / np.maximum(parts, dependence.SMALLEST)
        return dependence.half_width(self.before.probability, np.sqrt(v1 + v2), freedom, level)

    def interval(self, level: float) -> tuple[float, float]:
        half = self.half(level)
        return self.difference - half, self.difference + half

    def always_valid(self, level: float, planned: int) -> tuple[float, float]:
        """As `intervals.TwoPeriods.always_valid`."""
        reach = always_valid_reach(self.after.n, planned, level) * self.standard_error
        half = max(self.half(level), reach)
        return self.difference - half, self.difference + half


@dataclass(frozen=True, eq=False)
class Unordered:
    """Mean of values that the protocol declares independent: the plain t. Their order means nothing, so there
    is no trend, and the same values in another order give the same numbers.
    """

    mean: float
    n: int
    deviation: float
    values: Floats
    slope: float = 0.0
    slope_error: float = 0.0
    autocorrelation: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> Unordered:
        """At least two values."""
        ordered = np.sort(values)
        mean = float(ordered.mean())
        deviation = float(ordered.std(ddof=1)) if varies(ordered) else 0.0
        return cls(mean, len(ordered), deviation, ordered)

    @property
    def n_effective(self) -> float:
        return float(self.n)

    @property
    def freedom(self) -> float:
        return self.n - 1.0

    @property
    def standard_error(self) -> float:
        return self.deviation / float(np.sqrt(self.n))

    def half(self, level: float) -> float:
        """t(n − 1)·s/√n."""
        return t_quantile(level, self.freedom) * self.standard_error

    def interval(self, level: float) -> tuple[float, float]:
        half = self.half(level)
        return self.mean - half, self.mean + half

    def always_valid(self, level: float, planned: int) -> tuple[float, float]:
        """As `intervals.Spread.always_valid`."""
        half = max(self.half(level), always_valid_reach(self.n, planned, level) * self.standard_error)
        return self.mean - half, self.mean + half

    def has_trend(self, _level: float) -> bool:
        """False: values without an order have none."""
        return False

    def needed(self, level: float) -> int | None:
        """As `Averaged.needed`."""
        width, span = 2 * self.half(level), float(np.ptp(self.values))
        return None if width <= span or not span else int(np.ceil(self.n * (width / span) ** 2))
