"""How badly the values that were seen tell a tail that was lost: one block of days after another is left
out, with what it lost. Pure.

An interval takes what is filled in for measured. A tail that leans is estimated, the worse the more is lost,
so it is filled in further out: by as much as its own error widens the error of the mean. docs/decisions/0032
has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats, Ints
from trials.judge.tails import heavy, leaning, lost_above_leaning, lost_on_both_sides_heavy
from trials.series.slots import Calendar, Unit

BLOCKS: Final = 10
"""Blocks of consecutive days: values that resemble their neighbours stay together."""
ERRORS: Final = 2.0
"""Standard errors on either side of an estimate, as an interval of 95 % has them."""


Tail = Callable[[Floats, int], Floats]
"""(values seen, ascending; number lost) → values."""
Blocks = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Values that were seen and the number lost, by blocks of days."""

    values: Floats
    """Ascending."""
    block: Blocks
    """Of each value."""
    lost: Ints
    """Number lost in each block."""

    @classmethod
    def of(cls, units: Sequence[Unit], most: int | None = None) -> Parts:
        """`most`: of the missing values that count as lost; None: all.

        Each block is sorted by itself, and their runs are merged: half the work of sorting all with their
        blocks.
        """
        of_slots = _blocks(units)
        number = 1 + max(int(of.max()) for of in of_slots.values())
        lost = np.zeros(number, np.int64)
        for unit in units:
            lost += np.bincount(of_slots[unit.calendar][unit.missing], minlength=number)
        total = int(lost.sum())
        if most is not None and most < total:
            lost = np.round(lost * (most / total)).astype(np.int64)
        runs = _runs(units, of_slots, number)
        block = np.repeat(np.arange(number, dtype=np.int8), [len(run) for run in runs])
        joined = np.concatenate(runs)
        del runs
        order = np.argsort(joined, kind="stable")
        return cls(joined[order], block[order], lost)

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


def _blocks(units: Sequence[Unit]) -> dict[Calendar, Blocks]:
    """Calendar of the units → block of each of its slots."""
    days = {unit.calendar: unit.calendar.day for unit in units}
    first, last = min(int(one.min()) for one in days.values()), max(int(one.max()) for one in days.values())
    span = last - first + 1
    number = min(BLOCKS, span)
    return {calendar: ((one - first) * number // span).astype(np.int8) for calendar, one in days.items()}


def _runs(units: Sequence[Unit], of_slots: Mapping[Calendar, Blocks], number: int) -> list[Floats]:
    """The values of each block, ascending."""
    values = np.concatenate([unit.value[unit.valid] for unit in units])
    block = np.concatenate([of_slots[unit.calendar][unit.valid] for unit in units])
    runs = [values[block == one] for one in range(number)]
    for run in runs:
        run.sort()
    return runs


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
    of_seen, of_tail = errors_of(parts, seen, tail)
    return float(ERRORS * (np.hypot(of_seen, share * of_tail) - of_seen) / share)


def errors_of(parts: Parts, *made: Tail) -> list[float]:
    """Standard error of the mean of each `made` (values seen, ascending; number lost), by the jackknife over
    blocks; 0 where fewer than two of them tell. Asks all of them at each block: leaving it out costs most.
    """
    found: list[list[float]] = [[] for _ in made]
    for seen, lost in parts.without():
        for means, one in zip(found, made, strict=True):
            if len(values := one(seen, lost)):
                means.append(float(values.mean()))
    return [_jackknifed(np.array(means)) for means in found]


def _jackknifed(means: Floats) -> float:
    if len(means) < 2:
        return 0.0
    return float(np.sqrt((len(means) - 1) * np.mean((means - means.mean()) ** 2)))
