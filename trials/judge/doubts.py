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
from trials.judge.tails import heavy, leaning, lost_above_leaning, lost_on_both_sides_heavy
from trials.series.slots import Unit

BLOCKS: Final = 10
"""Blocks of consecutive days: values that resemble their neighbours stay together."""
ERRORS: Final = 2.0
"""Standard errors on either side of an estimate, as an interval of 95 % has them."""


Tail = Callable[[Floats, int], Floats]
"""(values seen, ascending; number lost) → values."""


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
        """(values seen, number lost) without each block, as long as anything is left."""
        total = int(self.lost.sum())
        for number, lost in enumerate(self.lost):
            seen = self.values[self.block != number]
            if len(seen):
                yield seen, total - int(lost)


def lost_above_doubted(parts: Parts, lost: int, *, told: bool = False) -> Floats:
    """As `tails.lost_above_leaning`, further out by what the values seen leave open."""
    seen = parts.values
    tail = lost_above_leaning(seen, lost, told=told, masses=True)
    if not len(tail):
        return tail
    return np.asarray(tail + _further(parts, len(tail), lambda values, _: values, leaning))


def sizes_doubted(parts: Parts, lost: int) -> Floats:
    """As `tails.lost_on_both_sides_heavy`, larger by what the values seen leave open of their mean square."""
    sizes = lost_on_both_sides_heavy(parts.values, lost)
    if not len(sizes):
        return sizes
    more = _further(parts, len(sizes), _squares, lambda values, number: heavy(values, number) ** 2)
    return np.asarray(sizes * np.sqrt(1 + more / np.mean(sizes**2)))


def _squares(values: Floats, _: int) -> Floats:
    return np.asarray((values - np.median(values)) ** 2)


def _further(parts: Parts, lost: int, seen: Tail, tail: Tail) -> float:
    """Half-width that the error of the mean of `tail` adds to that of the mean of all, for each one lost."""
    share = lost / (len(parts.values) + lost)
    of_seen, of_tail = error_of(parts, seen), error_of(parts, tail)
    return float(ERRORS * (np.hypot(of_seen, share * of_tail) - of_seen) / share)


def error_of(parts: Parts, made: Tail) -> float:
    """Standard error of the mean of `made` (values seen, ascending; number lost), by the jackknife over
    blocks; 0 where fewer than two of them tell.
    """
    found = [values for seen, lost in parts.without() if len(values := made(seen, lost))]
    if len(found) < 2:
        return 0.0
    means = np.array([float(values.mean()) for values in found])
    return float(np.sqrt((len(means) - 1) * np.mean((means - means.mean()) ** 2)))
