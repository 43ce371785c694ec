"""How badly the values that were seen tell a tail that was lost: one block of days after another is left
out, with what it lost. Pure.

An interval takes what is filled in for measured. A tail that leans is estimated, the worse the more is lost,
so it is filled in further out: by as much as its own error widens the error of the mean. docs/decisions/0032
has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from insitu.arrays import Floats, Ints
from trials.judge.tails import leaning, lost_above_leaning
from trials.series.slots import Unit

BLOCKS: Final = 10
"""Blocks of consecutive days: values that resemble their neighbours stay together."""
ERRORS: Final = 2.0
"""Standard errors on either side of an estimate, as an interval of 95 % has them."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Values that were seen and the number lost, by blocks of days."""

    values: Floats
    """Ascending."""
    block: Ints
    """Of each value."""
    lost: Ints
    """Number lost in each block."""

    @classmethod
    def of(cls, units: Sequence[Unit], most: int | None = None) -> Parts:
        """`most`: of the missing values that count as lost; None: all."""
        days = np.concatenate([unit.calendar.day for unit in units])
        first, span = int(days.min()), int(days.max() - days.min()) + 1
        number = min(BLOCKS, span)
        of_slots = [(unit.calendar.day - first) * number // span for unit in units]
        values = np.concatenate([unit.value[unit.valid] for unit in units])
        block = np.concatenate([of[unit.valid] for of, unit in zip(of_slots, units, strict=True)])
        gone = np.concatenate([of[unit.missing] for of, unit in zip(of_slots, units, strict=True)])
        lost = np.bincount(gone, minlength=number)
        if most is not None and most < len(gone):
            lost = np.round(lost * (most / len(gone))).astype(np.int64)
        order = np.argsort(values, kind="stable")
        return cls(values[order], block[order], lost)

    def towards(self, sign: float) -> Parts:
        """Of sign·values."""
        return self if sign > 0 else Parts(-self.values[::-1], self.block[::-1], self.lost)

    def without(self) -> Iterator[tuple[Floats, int]]:
        """(values seen, number lost) without each block."""
        total = int(self.lost.sum())
        for number, lost in enumerate(self.lost):
            yield self.values[self.block != number], total - int(lost)


def lost_above_doubted(parts: Parts, lost: int, *, told: bool = False) -> Floats:
    """As `tails.lost_above_leaning`, further out by what the values seen leave open."""
    seen = parts.values
    tail = lost_above_leaning(seen, lost, told=told, masses=True)
    if not len(tail):
        return tail
    share = len(tail) / (len(seen) + len(tail))
    of_mean = error_of(parts, lambda values, _: values)
    of_tail = error_of(parts, leaning)
    return np.asarray(tail + ERRORS * (np.hypot(of_mean, share * of_tail) - of_mean) / share)


def error_of(parts: Parts, made: Callable[[Floats, int], Floats]) -> float:
    """Standard error of the mean of `made` (values seen, ascending; number lost), by the jackknife over
    blocks; 0 where fewer than two of them tell.
    """
    found = [values for seen, lost in parts.without() if len(values := made(seen, lost))]
    if len(found) < 2:
        return 0.0
    means = np.array([float(values.mean()) for values in found])
    return float(np.sqrt((len(means) - 1) * np.mean((means - means.mean()) ** 2)))
