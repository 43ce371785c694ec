"""How a mean of day values gets its interval: one object for each version of the rules, passed down from the
question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from insitu.arrays import Floats
from trials.statistics.averaged_fits import Model, averaged_least_squares, averaged_quasi_poisson
from trials.statistics.fits import lag_next, lag_one, least_squares, quasi_poisson
from trials.statistics.intervals import Days, MeanOfDays, Spread, TwoPeriods, neighbour_spread
from trials.statistics.spread import Averaged, AveragedPeriods, Unordered, averaged

Mean = Spread | Averaged | Unordered
Difference = TwoPeriods | AveragedPeriods


@dataclass(frozen=True, slots=True)
class Inference:
    mean: Callable[[Days, Floats, float | None], Mean]
    """(days, values, middle of the period) → mean with its interval."""
    least_squares: Model = averaged_least_squares
    quasi_poisson: Model = averaged_quasi_poisson
    lag_one: Callable[[Days, Floats], float] = lag_next
    """Plain autocorrelation of residuals, for formulas whose source asks for it."""
    ordered: bool = True
    """False: the protocol declares the values independent, so that their order means nothing."""

    def difference(self, before: Mean, after: Mean) -> Difference:
        """after − before."""
        if isinstance(before, Averaged) and isinstance(after, Averaged):
            return AveragedPeriods.of(before, after)
        return TwoPeriods(before, after)

    def needed(self, mean: MeanOfDays, level: float) -> int | None:
        """Values after which the interval is probably no wider than the range of the values; None if it is
        not wider now. Rules 1 never ask.
        """
        return mean.needed(level) if isinstance(mean, Averaged | Unordered) else None


def _unordered(_days: Days, values: Floats, _middle: float | None) -> Unordered:
    return Unordered.of(values)


NEIGHBOURS = Inference(neighbour_spread, least_squares, quasi_poisson, lag_one)
"""Rules 1: autocorrelation of neighbouring days, none where no days are neighbours."""
TRUE_LAGS = Inference(averaged)
"""Rules 2."""
INDEPENDENT = Inference(_unordered, ordered=False)
"""Rules 2, where the protocol says so and why."""
