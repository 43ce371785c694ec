"""Silences of a series, and of a device, with their causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import numpy as np

from insitu.arrays import Bools, Ints
from insitu.model import GapCause
from insitu.times import to_datetime, to_us
from trials.condition.facts import DeviceFacts

KEPT_BACK: Final = timedelta(hours=1)
"""A result received this long after its time was kept back: the silence was filled later."""
KEPT_BACK_SIMULATED: Final = timedelta(days=1)
"""In a compressed history an hour passes in less time than one commit takes."""
_LONGEST: Final = 2.5
"""A silence may last this many expected intervals without being a gap."""
_ABOUT: Final = timedelta(hours=1)
"""A window, or a restart of the device, explains a silence within this distance."""

Windows = Sequence[tuple[datetime, datetime | None]]


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence `[start, end)`: from the first missing result to the next result."""

    start: datetime
    end: datetime
    cause: GapCause
    backfilled: bool
    """Results for this time came, but late."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The results of one datastream in order of time. `late`: received later than allowed."""

    time_us: Ints
    late: Bools


@dataclass(frozen=True, slots=True)
class DeviceGap:
    """`datastream` is None if the whole device was silent. `lasts`: it has not ended."""

    gap: Gap
    datastream: str | None
    lasts: bool


def find_gaps(
    *,
    time_us: Ints,
    received_us: Ints,
    expected_s: float,
    start: datetime,
    end: datetime,
    windows: Windows = (),
    reboots: Sequence[datetime] = (),
    longest: float = _LONGEST,
    late_after: timedelta = KEPT_BACK,
) -> list[Gap]:
    """Silences of a series within `[start, end)` longer than `longest` expected intervals, and stretches that
    were filled late; in order of time.

    Cause: a declared window that covers it; else the device, if it restarted right after; else the network,
    if results for that time came later; else unknown.
    """
    order = np.argsort(time_us)
    times = time_us[order]
    return find_gaps_in_order(
        times=times,
        late=(received_us[order] - times) > late_after.total_seconds() * 1e6,
        expected_s=expected_s,
        start=start,
        end=end,
        windows=windows,
        reboots=reboots,
        longest=longest,
    )


def find_gaps_in_order(
    *,
    times: Ints,
    late: Bools,
    expected_s: float,
    start: datetime,
    end: datetime,
    windows: Windows = (),
    reboots: Sequence[datetime] = (),
    longest: float = _LONGEST,
) -> list[Gap]:
    """`find_gaps` for results in order of time, with the late ones already known."""
    gaps = []
    edges = np.r_[to_us(start), times, to_us(end)]
    wide = np.flatnonzero(np.diff(edges) > longest * expected_s * 1e6)
    for index in wide:
        begin, until = to_datetime(int(edges[index])), to_datetime(int(edges[index + 1]))
        gaps.append(Gap(begin, until, _cause(begin, until, windows, reboots), False))
    for low, high in _runs(late):
        begin = to_datetime(int(times[low]))
        until = to_datetime(int(times[high]) + int(expected_s * 1e6))
        gaps.append(Gap(begin, until, GapCause.NETWORK, True))
    return sorted(gaps, key=lambda gap: gap.start)


def find_device_gaps(
    facts: DeviceFacts,
    arrivals: Mapping[int, Arrivals],
    *,
    since: datetime,
    now: datetime,
    boots: Sequence[datetime] = (),
) -> list[DeviceGap]:
    """Silences of the device, and of single datastreams while the others sent, since `since` or its first
    deployment; newest first.

    `arrivals` by datastream, from `since` on or earlier. `boots`: first signs of life after each start of the
    device.
    """
    if not facts.stays or not facts.streams:
        return []
    start = max(since, min(stay.start for stay in facts.stays))
    end = min(now, facts.retired_at or now)
    if start >= end:
        return []
    find = partial(
        find_gaps_in_order,
        start=start,
        end=end,
        windows=_windows_within(facts, start, end),
        reboots=[boot for boot in boots if boot >= start],
    )
    series = {key: _cut(one, start, end) for key, one in arrivals.items()}
    together = _together(list(series.values()))
    whole = find(times=together.time_us, late=together.late, expected_s=facts.expected_interval_s())
    gaps = [DeviceGap(gap, None, gap.end >= end) for gap in whole]
    for stream in facts.streams if len(facts.streams) > 1 else ():
        if stream.usual_interval_s is not None:
            own = series[stream.datastream_id]
            gaps += [
                DeviceGap(gap, stream.name, gap.end >= end)
                for gap in find(times=own.time_us, late=own.late, expected_s=stream.usual_interval_s)
                if not gap.backfilled and not _touches(gap, whole)
            ]
    return sorted(gaps, key=lambda found: found.gap.start, reverse=True)


def _windows_within(facts: DeviceFacts, start: datetime, end: datetime) -> Windows:
    return [
        (window.start, window.end)
        for window in facts.windows
        if window.start < end and (window.end is None or window.end > start)
    ]


def _cut(series: Arrivals, start: datetime, end: datetime) -> Arrivals:
    low, high = np.searchsorted(series.time_us, [to_us(start), to_us(end)])
    return Arrivals(series.time_us[low:high], series.late[low:high])


def _together(series: Sequence[Arrivals]) -> Arrivals:
    """All their times. Where several results have one time, the first decides whether it came late."""
    times, first = np.unique(np.concatenate([one.time_us for one in series]), return_index=True)
    return Arrivals(times, np.concatenate([one.late for one in series])[first])


def _touches(gap: Gap, others: Sequence[Gap]) -> bool:
    return any(other.start <= gap.end and gap.start <= other.end for other in others)


def _cause(begin: datetime, until: datetime, windows: Windows, reboots: Sequence[datetime]) -> GapCause:
    if any(low <= begin + _ABOUT and (high is None or high + _ABOUT >= until) for low, high in windows):
        return GapCause.WINDOW
    if any(abs(reboot - until) < _ABOUT for reboot in reboots):
        return GapCause.DEVICE
    return GapCause.UNKNOWN


def _runs(flags: Bools) -> list[tuple[int, int]]:
    """(first, last) index of each run of True."""
    padded = np.diff(np.r_[0, flags.astype(np.int8), 0])
    return [
        (int(a), int(b) - 1)
        for a, b in zip(np.flatnonzero(padded == 1), np.flatnonzero(padded == -1), strict=True)
    ]
