"""From observations to planned intervals ("slots"), grid steps and local days.

A slot is one planned interval of a measurement; it is valid when it holds at least one usable observation.
Days are those of the trial's time zone: 23 or 25 hours where the clocks change. Means work on the property's
averaging scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from insitu.times import to_whole_second_us
from trials.series.scale import Scale


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """The slots of one period: their starts, local days (ordinals) and local hours. Equal periods share one
    object.
    """

    start_us: int
    step_us: int
    day: Ints
    hour: Floats

    @property
    def n(self) -> int:
        return len(self.day)

    @property
    def edges_us(self) -> Ints:
        """The n + 1 borders of the slots."""
        return self.start_us + self.step_us * np.arange(self.n + 1, dtype=np.int64)

    @classmethod
    def of(cls, start: datetime, end: datetime, step: timedelta, time_zone: str) -> Calendar:
        return _calendar(
            to_whole_second_us(start), to_whole_second_us(end), round(step.total_seconds() * 1e6), time_zone
        )


@lru_cache(maxsize=64)
def _calendar(start_us: int, end_us: int, step_us: int, time_zone: str) -> Calendar:
    starts = np.arange(start_us, end_us, step_us, dtype=np.int64)
    hours = starts // 3_600_000_000
    zone = ZoneInfo(time_zone)
    unique, inverse = np.unique(hours, return_inverse=True)
    offsets = np.array([_offset_s(int(hour), zone) for hour in unique])[inverse]
    local_s = starts // 1_000_000 + offsets
    return Calendar(start_us, step_us, 719_163 + local_s // 86_400, (local_s % 86_400) / 3600)


def _offset_s(hour: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(hour * 3600, zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One series (a device and its replacements at its position) over one period. Equal only to itself, so
    that values made from it can be cached.
    """

    name: str
    calendar: Calendar
    value: Floats
    """Per slot, on the plain scale; NaN where not valid."""
    excused: Bools
    """Inside a declared window: planned, but not held against anybody."""
    heard: Bools | None = None
    """Holds any observation, whatever its flag; None: same as valid."""
    afterwards: Bools | None = None
    """Excused only by windows that were declared after they had begun; None: nowhere."""
    outside: Bools | None = None
    """Not planned at all, since outside the endpoint's filter (also excused there, and without a value);
    None: nowhere.
    """
    exposure: Floats | None = None
    """Share of each slot for which its results speak; a value counts with it. None: all slots alike."""

    @property
    def valid(self) -> Bools:
        return np.isfinite(self.value)

    @property
    def inside(self) -> Bools:
        """Slots that belong to the endpoint."""
        return np.ones(self.calendar.n, bool) if self.outside is None else ~self.outside


def fill(calendar: Calendar, time_us: Ints, result: Floats, scale: Scale, *, summed: bool = False) -> Floats:
    """Mean (or, `summed`, sum) of the observations in each slot, NaN where there is none; `time_us` in any
    order.
    """
    index, rows = _placed(calendar, time_us)
    result = result[rows]
    values = np.full(calendar.n, np.nan)
    if not scale.is_level and bool(np.all(index[1:] > index[:-1])):
        values[index] = scale.of_one(result) + 0.0  # its mean and its sum; the sum of −0.0 is 0.0
        return values
    count = np.bincount(index, minlength=calendar.n)
    total = scale.add(index, scale.fold(result), calendar.n)
    some = count > 0
    values[some] = np.real(total[some]) if summed else scale.unfold(total[some] / count[some])
    return values


def filled(calendar: Calendar, time_us: Ints) -> Bools:
    """Slots that hold any observation; `time_us` in any order."""
    found = np.zeros(calendar.n, bool)
    found[_placed(calendar, time_us)[0]] = True
    return found


def _placed(calendar: Calendar, time_us: Ints) -> tuple[Ints, slice | Bools]:
    """(slot of each observation in the period, which observations those are)."""
    end_us = calendar.start_us + calendar.step_us * calendar.n
    rows: slice | Bools
    if bool(np.all(time_us[1:] >= time_us[:-1])):
        low, high = np.searchsorted(time_us, [calendar.start_us, end_us])
        rows = slice(int(low), int(high))
    else:
        rows = (time_us >= calendar.start_us) & (time_us < end_us)
    return (time_us[rows] - calendar.start_us) // calendar.step_us, rows


def grouped(
    unit: Unit, groups: Ints, number: int, *, share: float, scale: Scale, weights: Floats | None = None
) -> Floats:
    """Mean of the valid slots of each group; NaN where fewer than `share` of its planned (not excused) slots
    are valid. On a scale of totals it is times the slots that the group has, windows included.

    `groups`: group of each slot, 0…number − 1. `weights` per slot (for Lden), applied on the scale of
    addition.
    """
    valid = unit.valid
    planned = np.bincount(groups[~unit.excused | valid], minlength=number)
    count = np.bincount(groups[valid], minlength=number)
    folded = scale.fold(unit.value[valid])
    enough = (count > 0) & (count >= share * planned)
    worth: Ints | Floats = count
    if unit.exposure is not None:
        folded = folded * unit.exposure[valid]
        worth = np.bincount(groups[valid], weights=unit.exposure[valid], minlength=number)
    total = scale.add(groups[valid], folded if weights is None else folded * weights[valid], number)
    means = np.full(number, np.nan)
    means[enough] = scale.unfold(total[enough] / worth[enough])
    if scale.is_total:
        means *= np.bincount(groups[unit.inside], minlength=number)
    return means


@lru_cache(maxsize=64)
def day_groups(calendar: Calendar) -> tuple[Ints, Ints]:
    """(group of each slot, ordinals of the days)."""
    days, groups = np.unique(calendar.day, return_inverse=True)
    groups = groups.astype(np.int64)
    groups.flags.writeable = days.flags.writeable = False  # cached: every caller gets the same arrays
    return groups, days


def mean_of_units(tables: Sequence[Floats], *, share: float, scale: Scale, due: Ints | None = None) -> Floats:
    """Mean over units of each column; NaN where fewer than `share` of the units (of those `due`, if given)
    have a value.
    """
    table = np.stack(tables)
    valid = np.isfinite(table)
    count = valid.sum(axis=0)
    total = np.where(valid, scale.fold(np.where(valid, table, 0.0)), 0.0).sum(axis=0)
    enough = (count > 0) & (count >= share * (len(tables) if due is None else due))
    means = np.full(table.shape[1], np.nan)
    means[enough] = scale.unfold(total[enough] / count[enough])
    return means
