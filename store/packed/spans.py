"""Which spans of time a packed day may have: a local day of the trial, or a local month of a datastream with
few results. Times in µs since 1970; spans half-open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from insitu.arrays import Ints
from insitu.times import to_datetime, to_us
from insitu.zones import zone_or_utc

SLOW: Final = 25
"""Results a day up to which a datastream is packed by month: a row for each day would cost more than they."""
Span = tuple[int, int]


def spans_to_pack(
    first_us: int, until_us: int, packed: Sequence[Span], *, is_slow: bool, zone: str, shift_us: int
) -> list[Span]:
    """Spans that end by `until`, in order, for results in `[first, until)`: those in `packed`, which there
    are already, and local days, or months if `is_slow`, in the time between them.

    `shift_us`: from the time of a result to the middle of its interval, which decides its day.
    """
    tiles = _local(first_us, until_us, _months if is_slow else _days, zone_or_utc(zone), shift_us)
    spans = [span for span in packed if span[1] <= until_us and span[1] > first_us]
    for tile in tiles:
        spans += _without(tile, packed)
    return sorted(spans)


def runs(spans: Sequence[Span]) -> list[Span]:
    """The same time in as few spans as there are stretches of it."""
    found: list[Span] = []
    for start, end in spans:
        if found and found[-1][1] == start:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def _local(
    first_us: int, until_us: int, steps: Callable[[date, int], date], zone: ZoneInfo, shift_us: int
) -> list[Span]:
    """Whole days or months of the zone, from that of `first` to the last that ends by `until`."""
    here = steps(to_datetime(first_us + shift_us).astimezone(zone).date(), 0)
    found: list[Span] = []
    start = _begin(here, zone) - shift_us
    while True:
        here = steps(here, 1)
        end = _begin(here, zone) - shift_us
        if end > until_us:
            return found
        if end > start:  # a zone may have skipped a day
            found.append((start, end))
        start = end


def _days(day: date, further: int) -> date:
    return day + timedelta(days=further)


def _months(day: date, further: int) -> date:
    months = day.year * 12 + day.month - 1 + further
    return date(months // 12, months % 12 + 1, 1)


def midnights_us(first_us: int, last_us: int, zone: str) -> tuple[Ints, Ints]:
    """(ordinals of local days, when they begin), from a day before the first time to a day after the last."""
    here = zone_or_utc(zone)
    first, last = (to_datetime(time).astimezone(here).date().toordinal() for time in (first_us, last_us))
    ordinals = np.arange(first - 1, last + 3)
    return ordinals, np.array([_begin(date.fromordinal(day), here) for day in ordinals.tolist()])


def _begin(day: date, zone: ZoneInfo) -> int:
    return to_us(datetime(day.year, day.month, day.day, tzinfo=zone))


def _without(tile: Span, packed: Sequence[Span]) -> list[Span]:
    """The parts of `tile` outside of these spans, which are in order."""
    start, end = tile
    parts: list[Span] = []
    for begin, stop in packed:
        if stop <= start or begin >= end:
            continue
        if begin > start:
            parts.append((start, begin))
        start = max(start, stop)
    if start < end:
        parts.append((start, end))
    return parts
