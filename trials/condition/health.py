"""Device health from facts and one frozen now: state, completeness, gaps with their causes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from insitu.model import DeviceState, GapCause

LATE_AFTER = 2.5
SILENT_AFTER = 8.0
"""Times the expected interval without a result."""
LOW_BATTERY = 15.0
POOR_RADIO_DBM = -100.0
POOR_SNR_DB = -15.0
"""LoRa ends between −7.5 dB (SF7) and −20 dB (SF12)."""
CLOCK_OFF_S = 300.0
"""Ahead; behind by so much beyond one interval, because many devices stamp a mean with the begin of its
interval.
"""
KEPT_BACK = timedelta(hours=1)
"""A result received so long after its time was kept back: a silence that was filled later."""
KEPT_BACK_SIMULATED = timedelta(days=1)
"""In a compressed history an hour passes in less time than one commit takes."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known of a device; times UTC, None where it never happened or is not known."""

    last_seen_at: datetime | None
    last_result_at: datetime | None
    expected_interval_s: float
    retired_at: datetime | None = None
    in_window: bool = False
    battery: float | None = None
    rssi: float | None = None
    snr: float | None = None
    """Signal-to-noise ratio in dB: decides where it is known, since LoRa hears far below the noise and at
    −110 dBm.
    """
    clock_offset_s: float | None = None
    """Device time − receipt; positive: its clock is ahead."""
    reported_offline: bool = False
    failing_share: float = 0.0
    """Share of yesterday's results that failed a check."""
    silent_datastreams: tuple[str, ...] = ()
    """Probes that say nothing on a device that lives."""


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    state: DeviceState
    causes: tuple[str, ...]
    """Codes, worst first: silent, offline, low_battery, poor_radio, clock_off, failing_checks,
    silent_datastream:<name>.
    """
    since: datetime | None


def device_state(facts: DeviceFacts, now: datetime) -> DeviceHealth:
    """The state now: retired and windows first, then silence, then what is wrong with a device that
    speaks.
    """
    if facts.retired_at is not None and facts.retired_at <= now:
        return DeviceHealth(DeviceState.RETIRED, (), facts.retired_at)
    if facts.last_seen_at is None:
        return DeviceHealth(DeviceState.NEVER_SEEN, (), None)
    silence = (now - facts.last_seen_at).total_seconds()
    if facts.in_window:
        return DeviceHealth(DeviceState.IN_WINDOW, (), facts.last_seen_at)
    if facts.reported_offline or silence > SILENT_AFTER * facts.expected_interval_s:
        cause = "offline" if facts.reported_offline else "silent"
        return DeviceHealth(DeviceState.SILENT, (cause,), facts.last_seen_at)
    if silence > LATE_AFTER * facts.expected_interval_s:
        return DeviceHealth(DeviceState.LATE, ("late",), facts.last_seen_at)
    causes = tuple(_troubles(facts))
    return DeviceHealth(DeviceState.DEGRADED if causes else DeviceState.ONLINE, causes, facts.last_seen_at)


def _troubles(facts: DeviceFacts) -> list[str]:
    found = [f"silent_datastream:{name}" for name in facts.silent_datastreams]
    if facts.battery is not None and facts.battery < LOW_BATTERY:
        found.append("low_battery")
    weak = (
        facts.rssi is not None and facts.rssi < POOR_RADIO_DBM
        if facts.snr is None
        else facts.snr < POOR_SNR_DB
    )
    if weak:
        found.append("poor_radio")
    if (
        facts.clock_offset_s is not None
        and not -CLOCK_OFF_S - facts.expected_interval_s <= facts.clock_offset_s <= CLOCK_OFF_S
    ):
        found.append("clock_off")
    if facts.failing_share > 0.1:
        found.append("failing_checks")
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence `[start, end)`: from the first missing result to the next one."""

    start: datetime
    end: datetime
    cause: GapCause
    backfilled: bool
    """Results of this time came, but more than an hour late."""


def gaps(
    *,
    time_us: NDArray[np.int64],
    received_us: NDArray[np.int64],
    expected_s: float,
    start: datetime,
    end: datetime,
    windows: Sequence[tuple[datetime, datetime | None]] = (),
    reboots: Sequence[datetime] = (),
    longest: float = 2.5,
    late_after: timedelta = KEPT_BACK,
) -> list[Gap]:
    """Silences of a series within `[start, end)` longer than `longest` expected intervals, and late stretches
    that were filled.

    Cause: a declared window that covers it; the device, where it started anew right after; the network, where
    results of that time came later; else unknown.
    """
    order = np.argsort(time_us)
    times = time_us[order]
    return gaps_in_order(
        times=times,
        late=(received_us[order] - times) > late_after.total_seconds() * 1e6,
        expected_s=expected_s,
        start=start,
        end=end,
        windows=windows,
        reboots=reboots,
        longest=longest,
    )


def gaps_in_order(
    *,
    times: NDArray[np.int64],
    late: NDArray[np.bool_],
    expected_s: float,
    start: datetime,
    end: datetime,
    windows: Sequence[tuple[datetime, datetime | None]] = (),
    reboots: Sequence[datetime] = (),
    longest: float = 2.5,
) -> list[Gap]:
    """`gaps` of a series in order of time, of which it is known what came late."""
    found = []
    edges = np.r_[_us(start), times, _us(end)]
    wide = np.flatnonzero(np.diff(edges) > longest * expected_s * 1e6)
    for index in wide:
        begin, until = _when(int(edges[index])), _when(int(edges[index + 1]))
        found.append(Gap(begin, until, _cause(begin, until, windows, reboots), False))
    for low, high in _runs(late):
        found.append(
            Gap(
                _when(int(times[low])),
                _when(int(times[high]) + int(expected_s * 1e6)),
                GapCause.NETWORK,
                True,
            )
        )
    return sorted(found, key=lambda gap: gap.start)


def _cause(
    begin: datetime,
    until: datetime,
    windows: Sequence[tuple[datetime, datetime | None]],
    reboots: Sequence[datetime],
) -> GapCause:
    if any(
        low <= begin + timedelta(hours=1) and (high is None or high + timedelta(hours=1) >= until)
        for low, high in windows
    ):
        return GapCause.WINDOW
    if any(abs(reboot - until) < timedelta(hours=1) for reboot in reboots):
        return GapCause.DEVICE
    return GapCause.UNKNOWN


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) index of each run of True."""
    padded = np.diff(np.r_[0, flags.astype(np.int8), 0])
    return [
        (int(a), int(b) - 1)
        for a, b in zip(np.flatnonzero(padded == 1), np.flatnonzero(padded == -1), strict=True)
    ]


def completeness(*, time_us: NDArray[np.int64], expected_s: float, start: datetime, days: int) -> list[float]:
    """Share of the planned intervals that hold a result, for each of `days` days from `start`."""
    step = int(expected_s * 1e6)
    per_day = max(1, round(86_400 / expected_s))
    slots = np.unique((time_us - _us(start)) // step)
    slots = slots[(slots >= 0) & (slots < per_day * days)]
    counts = np.bincount(slots // per_day, minlength=days)[:days]
    return [float(min(1.0, count / per_day)) for count in counts]


def _us(when: datetime) -> int:
    return round(when.timestamp() * 1e6)


def _when(us: int) -> datetime:
    from datetime import UTC

    return datetime.fromtimestamp(us / 1e6, UTC)
