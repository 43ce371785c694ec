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
from insitu.spacing import Spacing
from insitu.times import to_whole_second_us
from trials.plan.rules import Rules
from trials.series.edges import Grid, counted_grid, local_grid
from trials.series.scale import Scale


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """The slots of one period: their edges, local days (ordinals) and local hours. Equal periods share one
    object.
    """

    edges_us: Ints
    """µs since 1970, one more than there are slots: slot k is `[edges_us[k], edges_us[k + 1])`."""
    day: Ints
    """Local date on which each slot begins."""
    hour: Floats
    """Local time of day at which each slot begins, h."""
    step_us: int
    """About how long a slot is: those of a calendar unit differ."""
    cut: tuple[bool, bool]
    """Whether the period leaves out a slot or more of the local day of the first, and of the last slot."""
    period_us: tuple[int, int]
    """The period `[start, end)`: the slots may leave out its ends."""
    time_zone: str | None
    """Slots lie on the clock of this zone; None: they run in elapsed time (rules 1)."""
    even: bool
    """All slots are `step_us` long."""

    @property
    def n(self) -> int:
        return len(self.day)

    @property
    def starts_us(self) -> Ints:
        return self.edges_us[:-1]

    @property
    def ends_us(self) -> Ints:
        return self.edges_us[1:]

    @property
    def hours(self) -> Floats:
        """Length of each slot, h."""
        return np.diff(self.edges_us) / 3.6e9

    @classmethod
    def of(
        cls,
        start: datetime,
        end: datetime,
        step: Spacing | timedelta,
        time_zone: str,
        rules: Rules | None = None,
    ) -> Calendar:
        """The slots of `[start, end)` by `rules`, None the newest; `trials.series.edges` says
        where they lie.
        """
        make = _local if (rules or Rules()).local_grid else _elapsed
        return make(to_whole_second_us(start), to_whole_second_us(end), Spacing.of(step), time_zone)

    @classmethod
    def counted(cls, start: datetime, number: int, step: Spacing | timedelta, time_zone: str) -> Calendar:
        """`number` slots that begin with `start`: calendar days and months at its local time of day, shorter
        ones in elapsed time.
        """
        return _counted(to_whole_second_us(start), number, Spacing.of(step), time_zone)

    def slots_at(self, time_us: Ints) -> Ints:
        """Slot of each time within the period."""
        if self.even:
            return np.asarray((time_us - self.edges_us[0]) // self.step_us, np.int64)
        return np.asarray(np.searchsorted(self.edges_us, time_us, "right") - 1, np.int64)


@lru_cache(maxsize=64)
def _local(start_us: int, end_us: int, step: Spacing, time_zone: str) -> Calendar:
    grid = local_grid(start_us, end_us, step, time_zone, whole=True)
    return _calendar(grid, (start_us, end_us), step, time_zone)


def _calendar(grid: Grid, period_us: tuple[int, int], step: Spacing, time_zone: str) -> Calendar:
    even = bool(np.all(np.diff(grid.edges_us) == step.about_us))
    return Calendar(grid.edges_us, grid.day, grid.hour, step.about_us, grid.cut, period_us, time_zone, even)


@lru_cache(maxsize=64)
def _counted(start_us: int, number: int, step: Spacing, time_zone: str) -> Calendar:
    grid = counted_grid(start_us, number, step, time_zone)
    return _calendar(grid, (start_us, int(grid.edges_us[-1])), step, time_zone)


@lru_cache(maxsize=64)
def _elapsed(start_us: int, end_us: int, step: Spacing, time_zone: str) -> Calendar:
    """Slots of equal length from the start of the period on; the last may reach beyond its end."""
    step_us = step.about_us
    starts = np.arange(start_us, end_us, step_us, dtype=np.int64)
    hours = starts // 3_600_000_000
    zone = ZoneInfo(time_zone)
    unique, inverse = np.unique(hours, return_inverse=True)
    offsets = np.array([_offset_s(int(hour), zone) for hour in unique], np.int64)[inverse]
    local_s = starts // 1_000_000 + offsets
    day, hour = 719_163 + local_s // 86_400, (local_s % 86_400) / 3600
    edges = start_us + step_us * np.arange(len(starts) + 1, dtype=np.int64)
    step_h = step_us / 3.6e9
    cut = (bool(hour[0] >= step_h), bool(24 - hour[-1] >= 2 * step_h)) if len(hour) else (False, False)
    return Calendar(edges, day, hour, step_us, cut, (start_us, int(edges[-1])), None, True)


def _offset_s(hour: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(hour * 3600, zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


@lru_cache(maxsize=64)
def steps_of(calendar: Calendar, step: Spacing) -> tuple[Ints, Ints]:
    """(step in which each slot begins, local day on which each step begins) of a coarser grid over the period
    of the calendar.
    """
    if calendar.time_zone is None:
        steps = _elapsed_steps(calendar, step)
        days = np.zeros(1 + int(steps[-1]), np.int64)
        days[steps[::-1]] = calendar.day[::-1]
        return steps, days
    start_us, end_us = calendar.period_us
    grid = local_grid(start_us, end_us, step, calendar.time_zone, whole=False)
    return np.searchsorted(grid.edges_us, calendar.starts_us, "right") - 1, grid.day


def _elapsed_steps(calendar: Calendar, step: Spacing) -> Ints:
    """Steps of 24 h are local days."""
    if step.days == 1:
        days: Ints = calendar.day - calendar.day[0]
        return days
    return (calendar.step_us * np.arange(calendar.n, dtype=np.int64)) // step.about_us


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
    def excused_beforehand(self) -> Bools:
        """Excused by a window that was declared before it began, or outside the endpoint's filter."""
        return self.excused if self.afterwards is None else self.excused & ~self.afterwards

    @property
    def missing(self) -> Bools:
        """Planned and without a value, and not excused beforehand."""
        return self.inside & ~self.valid & ~self.excused_beforehand

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
    return counted(calendar, time_us) > 0


def counted(calendar: Calendar, time_us: Ints) -> Ints:
    """Observations in each slot; `time_us` in any order."""
    return np.bincount(_placed(calendar, time_us)[0], minlength=calendar.n)


def _placed(calendar: Calendar, time_us: Ints) -> tuple[Ints, slice | Bools]:
    """(slot of each observation in the period, which observations those are)."""
    start_us, end_us = int(calendar.edges_us[0]), int(calendar.edges_us[-1])
    rows: slice | Bools
    if bool(np.all(time_us[1:] >= time_us[:-1])):
        low, high = np.searchsorted(time_us, [start_us, end_us])
        rows = slice(int(low), int(high))
    else:
        rows = (time_us >= start_us) & (time_us < end_us)
    return calendar.slots_at(time_us[rows]), rows


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
