"""Silences of a series, and of a device, with their causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Bools, Ints
from insitu.model import Arrival, GapCause
from insitu.times import to_datetime, to_us
from trials.condition.facts import DeviceFacts

KEPT_BACK: Final = timedelta(hours=1)
"""A result received this long after its time was kept back: the silence was filled later."""
KEPT_BACK_SIMULATED: Final = timedelta(days=1)
"""In a compressed history an hour passes in less time than one commit takes."""
_LONGEST: Final = 2.5
"""A silence may last this many expected intervals without being a gap."""
USUALLY_IN_TIME: Final = 0.5
"""Share of its own messages that a device must send in time, for a late one to speak of the network."""
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
    """The results of one datastream in order of time. `arrival`: an `Arrival` each."""

    time_us: Ints
    arrival: NDArray[np.int8]


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
    were filled later; in order of time.

    Cause of a silence: a declared window that covers it; else the device, if it restarted right after; else
    unknown. Cause of a stretch that was filled later: the network, if the device sent the results itself and
    usually sends in time; else unknown. Results that only a file has say nothing of when they were sent.
    """
    order = np.argsort(time_us)
    times = time_us[order]
    late = (received_us[order] - times) > late_after.total_seconds() * 1e6
    return find_gaps_in_order(
        times=times,
        arrival=late.astype(np.int8),
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
    arrival: NDArray[np.int8],
    expected_s: float,
    start: datetime,
    end: datetime,
    windows: Windows = (),
    reboots: Sequence[datetime] = (),
    longest: float = _LONGEST,
) -> list[Gap]:
    """`find_gaps` for results of `[start, end)` in order of time, with their arrivals."""
    gaps = []
    edges = np.r_[to_us(start), times, to_us(end)]
    wide = np.flatnonzero(np.diff(edges) > longest * expected_s * 1e6)
    for index in wide:
        begin, until = to_datetime(int(edges[index])), to_datetime(int(edges[index + 1]))
        gaps.append(Gap(begin, until, _cause(begin, until, windows, reboots), False))
    gaps += _filled_later(times, arrival, expected_s, longest)
    return sorted(gaps, key=lambda gap: gap.start)


def _filled_later(times: Ints, arrival: NDArray[np.int8], expected_s: float, longest: float) -> Iterator[Gap]:
    """Stretches for which the service heard nothing in time, and got the results later."""
    live = np.flatnonzero(arrival <= Arrival.LATE)
    in_time = int((arrival == Arrival.IN_TIME).sum())
    if not in_time:
        return  # a file, or a device that always sends in bundles: nobody knows of a silence
    usual = in_time >= USUALLY_IN_TIME * len(live)
    for low, high in _runs(arrival == Arrival.LATE):
        cause = GapCause.NETWORK if usual else GapCause.UNKNOWN
        yield Gap(*_stretch(times, low, high, expected_s), cause, True)
    for low, high in _runs(arrival == Arrival.FROM_FILE):
        begin, until = _stretch(times, low, high, expected_s)
        if live[0] < low and high < live[-1] and (until - begin).total_seconds() > longest * expected_s:
            yield Gap(begin, until, GapCause.UNKNOWN, True)


def _stretch(times: Ints, low: int, high: int, expected_s: float) -> tuple[datetime, datetime]:
    return to_datetime(int(times[low])), to_datetime(int(times[high]) + int(expected_s * 1e6))


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
    end = min(now, facts.retired_at or now)
    if facts.contact.first_seen_at is None:  # only files: nobody waits for it before or after them
        times = np.concatenate([one.time_us for one in arrivals.values()] or [np.empty(0, np.int64)])
        if not len(times):
            return []
        since = max(since, to_datetime(int(times.min())))
        end = min(end, to_datetime(int(times.max()) + 1))
    gaps = [
        found
        for low, high in _stays_within(facts, since, end)
        for found in _gaps_of_stay(facts, arrivals, low, high, now, boots)
    ]
    return sorted(gaps, key=lambda found: found.gap.start, reverse=True)


def _gaps_of_stay(
    facts: DeviceFacts,
    arrivals: Mapping[int, Arrivals],
    start: datetime,
    end: datetime,
    now: datetime,
    boots: Sequence[datetime],
) -> list[DeviceGap]:
    """While the device stood somewhere, in `[start, end)`."""
    find = partial(
        find_gaps_in_order,
        start=start,
        end=end,
        windows=_windows_within(facts, start, end),
        reboots=[boot for boot in boots if boot >= start],
    )
    series = {key: _cut(one, start, end) for key, one in arrivals.items()}
    together = _together(list(series.values()))
    whole = find(times=together.time_us, arrival=together.arrival, expected_s=facts.expected_interval_s())
    gaps = [DeviceGap(gap, None, gap.end >= now) for gap in whole]
    for stream in facts.streams if len(facts.streams) > 1 else ():
        if stream.usual_interval_s is not None:
            own = series[stream.datastream_id]
            gaps += [
                DeviceGap(gap, stream.name, gap.end >= now)
                for gap in find(times=own.time_us, arrival=own.arrival, expected_s=stream.usual_interval_s)
                if not gap.backfilled and not _touches(gap, whole)
            ]
    return gaps


def _stays_within(facts: DeviceFacts, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """When the device stood somewhere, within `[start, end)`; stays that follow each other are one."""
    spans: list[tuple[datetime, datetime]] = []
    for stay in facts.stays:
        low, high = max(start, stay.start), min(end, stay.end or end)
        if low < high and spans and spans[-1][1] >= low:
            spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
        elif low < high:
            spans.append((low, high))
    return spans


def _windows_within(facts: DeviceFacts, start: datetime, end: datetime) -> Windows:
    """The device's windows, and those of a site while it stood there."""
    found: list[tuple[datetime, datetime | None]] = []
    for window in facts.windows:
        if window.site is None:
            found.append((window.start, window.end))
        for stay in facts.stays if window.site is not None else ():
            if stay.site == window.site:
                ends = [when for when in (window.end, stay.end) if when is not None]
                found.append((max(window.start, stay.start), min(ends, default=None)))
    return [(low, high) for low, high in found if low < end and (high is None or high > max(start, low))]


def _cut(series: Arrivals, start: datetime, end: datetime) -> Arrivals:
    low, high = np.searchsorted(series.time_us, [to_us(start), to_us(end)])
    return Arrivals(series.time_us[low:high], series.arrival[low:high])


def _together(series: Sequence[Arrivals]) -> Arrivals:
    """All their times. Where several results have one time, the first decides how it arrived."""
    times, first = np.unique(np.concatenate([one.time_us for one in series]), return_index=True)
    return Arrivals(times, np.concatenate([one.arrival for one in series])[first])


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
