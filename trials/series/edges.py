"""Lays planned intervals on the local clock and calendar. Pure.

Edges are µs since 1970, one more than there are intervals; interval k is `[edges[k], edges[k + 1])`.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from insitu.spacing import Spacing
from insitu.times import to_datetime, to_us

DAY = timedelta(days=1)
HOUR_US = 3_600_000_000


class Grid(NamedTuple):
    """Intervals of one period."""

    edges_us: Ints
    day: Ints
    """Ordinal of the local date on which each interval begins."""
    hour: Floats
    """Local time of day at which each begins, in hours."""
    cut: tuple[bool, bool]
    """Whether an interval or more is missing at the beginning of the first local day, and at the end of the
    last.
    """


def local_grid(start_us: int, end_us: int, spacing: Spacing, time_zone: str, *, whole: bool) -> Grid:
    """The intervals of `[start_us, end_us)`; the first and the last are cut where the period cuts them.

    An interval of days begins at local midnight, counted from the local date on which the period begins; one
    of months on the same day of the month, or on the last day of a shorter month. An interval of more than an
    hour begins at a multiple of it on the local clock, a shorter one at a multiple of it after local
    midnight; so each day has its own intervals, and the one at a change of the clocks may be longer or
    shorter. One that does not go into a day runs on in elapsed time from the first midnight.

    `whole`: leaves out an interval of a day or more whose middle lies outside the period, unless nothing is
    left.
    """
    if end_us <= start_us:
        return Grid(np.array([start_us], np.int64), np.empty(0, np.int64), np.empty(0), (False, False))
    zone = ZoneInfo(time_zone)
    first, last = (_date(at, zone) for at in (start_us, end_us - 1))
    midnight = first_instant(first, zone)
    if spacing.days or spacing.months:
        full = _distinct(np.array(list(_from_dates(first, end_us, spacing, zone)), np.int64))
    elif not spacing.goes_into(Spacing(DAY)):
        full = np.arange(midnight, end_us + spacing.about_us, spacing.about_us, dtype=np.int64)
    else:
        full = _within_days(first, last, spacing, zone)
    low = int(np.searchsorted(full, start_us, "right")) - 1
    high = int(np.searchsorted(full, end_us, "left"))
    if whole and (spacing.days or spacing.months):
        low, high = _mostly_inside(full, low, high, start_us, end_us)
    return _grid(np.clip(full[low : high + 1], start_us, end_us), spacing, zone)


def counted_grid(start_us: int, number: int, spacing: Spacing, time_zone: str) -> Grid:
    """`number` intervals from `start_us` on: days and months keep its local time of day, shorter ones run in
    elapsed time.
    """
    zone = ZoneInfo(time_zone)
    if spacing.days or spacing.months:
        wall = to_datetime(start_us).astimezone(zone).replace(tzinfo=None)
        dates = [_later(wall.date(), count, spacing) for count in range(1, number + 1)]
        edges = [start_us, *(_instant(datetime.combine(day, wall.time()), zone) for day in dates)]
        return _grid(np.array(edges, np.int64), spacing, zone)
    steps = np.arange(number + 1, dtype=np.int64)
    return _grid(start_us + spacing.about_us * steps, spacing, zone)


def _grid(edges_us: Ints, spacing: Spacing, zone: ZoneInfo) -> Grid:
    starts = edges_us[:-1]
    local_s = starts // 1_000_000 + offsets_s(starts, zone)
    first, last = _date(int(starts[0]), zone), _date(int(starts[-1]), zone)
    before = int(starts[0]) - first_instant(first, zone)
    after = first_instant(last + DAY, zone) - int(edges_us[-1])
    cut = (before >= spacing.about_us, after >= spacing.about_us)
    return Grid(edges_us, 719_163 + local_s // 86_400, (local_s % 86_400) / 3600, cut)


def _date(at_us: int, zone: ZoneInfo) -> date:
    return to_datetime(at_us).astimezone(zone).date()


def first_instant(day: date, zone: ZoneInfo) -> int:
    """When the local date begins, in µs: at midnight, or when the clocks jump over midnight."""
    return _instant(datetime.combine(day, time()), zone)


def _instant(wall: datetime, zone: ZoneInfo) -> int:
    """The first instant at which the local clock shows `wall` or more."""
    after = wall.replace(tzinfo=zone).astimezone(UTC)
    if after.astimezone(zone).replace(tzinfo=None) == wall:
        return to_us(after)
    # The clocks jump over it. Of the two readings one lies before the jump and one after it.
    low, high = sorted(to_us(wall.replace(tzinfo=zone, fold=fold)) // 1_000_000 for fold in (0, 1))
    while high - low > 1:
        middle = (low + high) // 2
        local = to_datetime(middle * 1_000_000).astimezone(zone).replace(tzinfo=None)
        low, high = (low, middle) if local >= wall else (middle, high)
    return high * 1_000_000


def _from_dates(first: date, end_us: int, spacing: Spacing, zone: ZoneInfo) -> Iterator[int]:
    """Edges up to the first that is not before the end."""
    number, edge = 0, first_instant(first, zone)
    while True:
        yield edge
        if edge >= end_us:
            return
        number += 1
        edge = max(edge, first_instant(_later(first, number, spacing), zone))


def _later(first: date, number: int, spacing: Spacing) -> date:
    """The date `number` intervals after `first`."""
    if not spacing.months:
        return date.fromordinal(min(first.toordinal() + number * spacing.days, date.max.toordinal() - 1))
    months = 12 * first.year + first.month - 1 + number * spacing.months
    year, month = months // 12, months % 12 + 1
    if year >= date.max.year:
        return date(date.max.year, 12, 30)
    return date(year, month, min(first.day, monthrange(year, month)[1]))


def _within_days(first: date, last: date, spacing: Spacing, zone: ZoneInfo) -> Ints:
    """Edges of every local day from `first` to `last`, and the end of the last."""
    step_us, per_day = spacing.about_us, DAY // spacing.fixed
    steps = step_us * np.arange(per_day, dtype=np.int64)
    parts, day, begins = [], first, first_instant(first, zone)
    while day <= last:
        ends = first_instant(day + DAY, zone)
        if ends - begins == per_day * step_us and step_us <= HOUR_US:
            parts.append(begins + steps)
        elif step_us <= HOUR_US:
            parts.append(np.arange(begins, ends, step_us, dtype=np.int64))
        else:
            wall = datetime.combine(day, time())
            shown = [_instant(wall + number * spacing.fixed, zone) for number in range(per_day)]
            parts.append(np.array(sorted({begins, *shown}), np.int64))
        day, begins = day + DAY, ends
    return _distinct(np.append(np.concatenate(parts), begins))


def _distinct(edges: Ints) -> Ints:
    """In order, each once. They nearly are: sorting costs less than the table in which `np.unique` looks."""
    ordered: Ints = np.sort(edges, kind="stable")
    keep: Bools = np.append(True, ordered[1:] > ordered[:-1])
    return ordered[keep]


def _mostly_inside(full: Ints, low: int, high: int, start_us: int, end_us: int) -> tuple[int, int]:
    """The intervals whose middle lies in the period; all of them if none does."""
    middles = (full[low:high] + full[low + 1 : high + 1]) // 2
    inside = np.flatnonzero((middles >= start_us) & (middles < end_us))
    return (low + int(inside[0]), low + int(inside[-1]) + 1) if len(inside) else (low, high)


def offsets_s(at_us: Ints, zone: ZoneInfo) -> Ints:
    """The zone's offset from UTC in s at each instant; `at_us` in order."""

    def offset(at: int) -> int:
        found = to_datetime(at).astimezone(zone).utcoffset()
        return int(found.total_seconds()) if found else 0

    offsets = np.empty(len(at_us), np.int64)
    days = at_us // (24 * HOUR_US)
    low = 0
    for high in [*(np.flatnonzero(np.diff(days)) + 1).tolist(), len(at_us)]:
        if high <= low:
            continue
        one, other = offset(int(at_us[low])), offset(int(at_us[high - 1]))
        offsets[low:high] = one if one == other else [offset(int(at)) for at in at_us[low:high]]
        low = high
    return offsets
