"""Series of several devices that are not always all there, each with its own distance from the others.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from insitu.arrays import Bools, Floats
from insitu.model import PeriodName


class Absence(NamedTuple):
    """A device that is not always there."""

    device: str
    period: PeriodName
    """The one in which it is missing most."""
    silent: int
    days: int
    moves: float
    """Size of what its absence does to the mean of the arm, or to the difference of two periods."""


@dataclass(frozen=True, eq=False)
class Standing:
    """Devices by days; on each day that has any of them, all have a value."""

    names: list[str]
    periods: Mapping[PeriodName, slice]
    """Period → its days."""
    seen: Bools
    """Which values were measured."""
    table: Floats
    """A value that was not measured is the level of that day plus the device's own."""
    own: Floats
    """Level of each device, about the mean of all; NaN for one that was never there."""

    @classmethod
    def of(cls, given: Mapping[PeriodName, Mapping[str, Floats]]) -> Standing | None:
        """Period → device → day values. By least squares, value = level of the day + level of the device,
        over all that was measured. None where nothing is to be filled in, and where the devices fall into
        groups that were never there together.
        """
        names = list(dict.fromkeys(name for found in given.values() for name in found))
        periods, tables, first = {}, [], 0
        for period, found in given.items():
            number = max(len(values) for values in found.values())
            tables.append(np.stack([found.get(name, np.full(number, np.nan)) for name in names]))
            periods[period] = slice(first, first + number)
            first += number
        table = np.concatenate(tables, axis=1)
        seen = np.isfinite(table)
        ever = seen.any(axis=1)
        if not (seen.any(axis=0) & ~seen[ever].all(axis=0)).any():
            return None
        own = np.full(len(names), np.nan)
        fitted = _levels(seen[ever], np.where(seen, table, 0.0)[ever])
        if fitted is None:
            return None
        own[ever], of_days = fitted
        return cls(names, periods, seen, np.where(seen, table, of_days + own[:, None]), own)

    def of_period(self, period: PeriodName) -> Floats:
        """Devices that were ever there, by the days of a period."""
        return self.table[np.isfinite(self.own), self.periods[period]]

    def absences(self) -> list[Absence]:
        """The devices that were there at some time, and not always."""
        found = []
        for at, (name, own) in enumerate(zip(self.names, self.own, strict=True)):
            lost: dict[PeriodName, Bools] = {
                period: ~self.seen[at, days] for period, days in self._of_days().items()
            }
            shares = [float(one.mean()) for one in lost.values()]
            if not np.isfinite(own) or not any(shares):
                continue
            period = max(lost, key=lambda one: float(lost[one].mean()))
            moved = shares[-1] - (shares[0] if len(shares) > 1 else 0.0)
            silent = int(lost[period].sum())
            found.append(Absence(name, period, silent, lost[period].size, abs(moved * float(own))))
        return found

    def _of_days(self) -> dict[PeriodName, Bools]:
        """Period → its days that have any device."""
        some = np.asarray(self.seen.any(axis=0))
        at = np.arange(len(some))
        found = {}
        for period, days in self.periods.items():
            inside = (at >= days.start) & (at < days.stop) & some
            if inside.any():
                found[period] = inside
        return found


def _levels(seen: Bools, values: Floats) -> tuple[Floats, Floats] | None:
    """(level of each device, about their mean; level of each day, NaN without devices) by least squares; None
    where they hang together nowhere. `values`: 0 where they were not seen.
    """
    number = seen.sum(axis=0)
    shares = seen / np.maximum(number, 1)
    tied = np.diag(seen.sum(axis=1).astype(float)) - seen.astype(float) @ shares.T
    if np.linalg.matrix_rank(tied) < len(tied) - 1:
        return None
    means = values.sum(axis=0) / np.maximum(number, 1)
    apart = np.where(seen, values - means, 0.0).sum(axis=1)
    own = np.linalg.lstsq(tied, apart, rcond=None)[0]
    own = own - own.mean()
    return own, np.where(number > 0, means - own @ shares, np.nan)
