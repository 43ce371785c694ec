"""Completeness by local day from counts: results that arrived and did not fail, against those planned while
the device was deployed.

Planned intervals come from the deployment and the expected interval, not from the first and last result.
Declared windows leave the denominator. A day with no planned interval has no share.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Ints
from insitu.model import Flag
from insitu.times import to_us
from insitu.zones import zone_or_utc
from trials.condition.facts import DayCount, DeviceFacts, StreamFacts

DAYS: Final = 14
COUNTED: Final = timedelta(days=DAYS + 1)
"""How far back from now results are counted: enough for DAYS local days."""

Span = tuple[int, int]
"""`[start, end)` in µs since 1970."""


class LocalDay(NamedTuple):
    """`[start_us, end_us)` in µs since 1970. 23 or 25 hours where the clocks change; today ends now."""

    day: date
    start_us: int
    end_us: int
    whole_s: float = 86_400.0
    """Length of the whole day, s."""


class DayShare(NamedTuple):
    """`share` is None where nothing was planned."""

    day: date
    share: float | None


@lru_cache(maxsize=64)
def list_days(now: datetime, time_zone: str, days: int = DAYS) -> tuple[LocalDay, ...]:
    """The last `days` local days in order, today included."""
    zone, now_us = zone_or_utc(time_zone), to_us(now)
    today = now.astimezone(zone).date()
    dates = [today - timedelta(days=back) for back in range(days - 1, -2, -1)]
    starts = [to_us(datetime.combine(day, time(), zone)) for day in dates]
    return tuple(
        LocalDay(day, start, min(end, now_us), (end - start) / 1e6)
        for day, (start, end) in zip(dates, pairwise(starts), strict=False)
    )


def plan_spans(facts: DeviceFacts, now: datetime) -> list[Span]:
    """When the device should have sent: deployed, not retired, outside declared windows, up to `now`."""
    now_us = to_us(now)
    last = min(now_us, to_us(facts.retired_at)) if facts.retired_at else now_us
    deployed = _merged([_span(stay.start, stay.end, last) for stay in facts.stays])
    if not facts.windows:
        return deployed
    return _without(deployed, _merged([_span(window.start, window.end, now_us) for window in facts.windows]))


class _Plan(NamedTuple):
    """`due`: of each datastream its planned days, as (place of the day, day, intervals planned). `planned`:
    of each day, how many datastreams have any. `full` and `nothing` are the shares that most days have.
    """

    due: tuple[tuple[tuple[int, date, int], ...], ...]
    planned: tuple[int, ...]
    full: tuple[DayShare, ...]
    nothing: tuple[DayShare, ...]


def share_days(facts: DeviceFacts, spans: Sequence[Span], days: Sequence[LocalDay]) -> tuple[DayShare, ...]:
    """Each day's share of the intervals planned in `spans`: the mean over the device's datastreams."""
    if not days:
        return ()
    low, high = days[0].start_us, days[-1].end_us
    inside = tuple([(max(start, low), min(end, high)) for start, end in spans if end > low and start < high])
    streams = [s for s in facts.streams if s.expected_interval_s]
    plan = _plan_days(inside, tuple([s.expected_interval_s or 0.0 for s in streams]), tuple(days))
    usable: dict[int, dict[date, int]] = {s.datastream_id: {} for s in facts.streams}
    for number, day, n, failed in facts.counts:
        if (of_day := usable.get(number)) is not None:
            of_day[day] = n - failed
    shares = [0.0] * len(days)
    for stream, due_days in zip(streams, plan.due, strict=True):
        of_day = usable[stream.datastream_id]
        for at, day, due in due_days:  # a fleet asks for thousands of days: no generator, few calls
            n = of_day.get(day, 0)
            shares[at] += 1.0 if n >= due else n / due
    found = []
    for share, planned, full, nothing in zip(shares, plan.planned, plan.full, plan.nothing, strict=True):
        if not planned:
            found.append(nothing)
        else:
            found.append(full if share == planned else DayShare(full.day, share / planned))
    return tuple(found)


@lru_cache(maxsize=1024)
def _plan_days(spans: tuple[Span, ...], expected: tuple[float, ...], days: tuple[LocalDay, ...]) -> _Plan:
    """The plan of datastreams with these expected intervals (s). Most devices of a fleet have the same.

    Intervals of more than an hour follow the local clock: a day of 23 hours has one of a day, too.
    """
    seconds = [overlap_us(spans, day.start_us, day.end_us) / 1e6 for day in days]
    due = tuple(
        tuple(
            (at, day.day, number)
            for at, (day, covered) in enumerate(zip(days, seconds, strict=True))
            if (number := int(covered * (86_400 / day.whole_s if every > 3600 else 1.0) / every + 1e-9))
        )
        for every in expected
    )
    planned = [0] * len(days)
    for of_stream in due:
        for at, _, _ in of_stream:
            planned[at] += 1
    return _Plan(
        due,
        tuple(planned),
        full=tuple(DayShare(day.day, 1.0) for day in days),
        nothing=tuple(DayShare(day.day, None) for day in days),
    )


def mean_share(days: Sequence[DayShare]) -> float | None:
    """Over the days on which something was planned."""
    shares = [day.share for day in days if day.share is not None]
    return sum(shares) / len(shares) if shares else None


def count_planned(streams: Sequence[StreamFacts], spans: Sequence[Span]) -> int:
    """Intervals of all datastreams in `spans`."""
    seconds = sum(end - start for start, end in spans) / 1e6
    return sum(int(seconds / s.expected_interval_s) for s in streams if s.expected_interval_s)


def share_stored(stored: int, planned: int) -> float | None:
    """Results stored so far against `count_planned` of them; None where nothing was planned."""
    return min(1.0, stored / planned) if planned else None


def count_days(
    datastream_id: int, time_us: Ints, flag: NDArray[np.int8], *, now: datetime, time_zone: str
) -> list[DayCount]:
    """Counts for the COUNTED before `now`, from results in order of time; leaves out days without any."""
    days = list_days(now, time_zone, DAYS + 2)
    first, last = to_us(now - COUNTED), to_us(now)
    edges = np.searchsorted(time_us, [max(first, day.start_us) for day in days] + [last])
    failed = np.r_[0, np.cumsum(flag == Flag.FAIL)]
    return [
        DayCount(datastream_id, day.day, int(high - low), int(failed[high] - failed[low]))
        for day, (low, high) in zip(days, pairwise(edges), strict=True)
        if high > low
    ]


def _span(start: datetime, end: datetime | None, last_us: int) -> Span:
    return to_us(start), min(to_us(end), last_us) if end else last_us


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Disjoint and in order; drops empty ones."""
    merged: list[Span] = []
    for start, end in sorted(spans) if len(spans) > 1 else spans:
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """The parts of `spans` outside all `holes`. Both must be disjoint and in order."""
    left: list[Span] = []
    for start, end in spans:
        reached = start
        for low, high in holes:
            if high <= reached or low >= end:
                continue
            if low > reached:
                left.append((reached, low))
            reached = max(reached, high)
        if reached < end:
            left.append((reached, end))
    return left


def overlap_us(spans: Sequence[Span], low: int, high: int) -> int:
    """The part of `[low, high)` that `spans` cover, in µs."""
    total = 0
    for start, end in spans:  # a fleet asks for thousands of days: no generator, no call
        first, last = (start if start > low else low), (end if end < high else high)
        if last > first:
            total += last - first
    return total
