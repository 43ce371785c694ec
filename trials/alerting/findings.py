"""Finds what is wrong with a device at one moment: from its condition, with our own outages and declared
windows taken out of its silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from insitu.model import DeviceCause, DeviceState
from trials.alerting.kinds import OF_DEVICES, AlertKind
from trials.condition.causes import Cause
from trials.condition.state import LATE_AFTER, SILENT_AFTER

Span = tuple[datetime, datetime]
"""`[start, end)`"""
Detail = dict[str, Any]
OVERDUE_AFTER: Final = 1.5
"""Expected intervals without a result after which a device counts as down where its whole site is in
question.
"""
LEAST_SHARE: Final = 0.75
"""Of the results planned for yesterday."""
LEAST_REFUSED: Final = 10
LEAST_REFUSED_SHARE: Final = 0.05
"""Refused messages of the last day: both limits must be reached."""
LEAST_FREE_SHARE: Final = 0.10
LEAST_FREE_BYTES: Final = 2 * 1024**3
_NOT_WHILE_LATE: Final = frozenset(
    {AlertKind.BATTERY, AlertKind.RADIO, AlertKind.CLOCK, AlertKind.CHECKS}
    | {AlertKind.DATASTREAM, AlertKind.DEGRADED, AlertKind.SILENT}
)
"""Not known of a device that is late. Its silence is not over either: a message now and then is no return."""
_OF_CAUSE: Final = {
    DeviceCause.LOW_BATTERY: AlertKind.BATTERY,
    DeviceCause.POOR_RADIO: AlertKind.RADIO,
    DeviceCause.CLOCK_OFF: AlertKind.CLOCK,
    DeviceCause.FAILING_CHECKS: AlertKind.CHECKS,
    DeviceCause.SILENT_DATASTREAM: AlertKind.DATASTREAM,
    DeviceCause.DENIED: AlertKind.DENIED,
}


@dataclass(frozen=True, slots=True)
class Situation:
    """A device at one moment. `excused`: windows and outages, disjoint, in order. `share`: of yesterday's
    planned results, and `excused_share` the part of yesterday in which we had an outage.
    """

    device_id: int
    trial_id: int
    state: DeviceState
    causes: tuple[Cause, ...]
    last_seen_at: datetime | None
    expected: timedelta
    excused: tuple[Span, ...] = ()
    share: float | None = None
    excused_share: float = 0.0
    received: int = 0
    refused: int = 0
    take_overs: int = 0
    refused_ids: int = 0

    def silence(self, now: datetime) -> timedelta:
        """Since it was last seen, without windows and outages; zero for a device that was never seen."""
        if self.last_seen_at is None:
            return timedelta()
        whole = now - self.last_seen_at
        return whole - sum(
            (overlap(span, (self.last_seen_at, now)) for span in self.excused), start=timedelta()
        )

    def is_down(self, now: datetime) -> bool:
        """True if a result is overdue."""
        return self.is_watched and self.silence(now) > OVERDUE_AFTER * self.expected

    @property
    def is_watched(self) -> bool:
        """True if it should send now."""
        return self.state not in (DeviceState.RETIRED, DeviceState.NEVER_SEEN, DeviceState.IN_WINDOW)


@dataclass(frozen=True, slots=True)
class Found:
    """Troubles that are there, by kind; and kinds about which nothing can be known now."""

    present: dict[AlertKind, Detail]
    unknown: frozenset[AlertKind] = frozenset()


def overlap(one: Span, other: Span) -> timedelta:
    """Length of the time that both have in common."""
    return max(timedelta(), min(one[1], other[1]) - max(one[0], other[0]))


def join_spans(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Disjoint and in order."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return tuple(joined)


def find_in_device(one: Situation, now: datetime, *, in_outage: bool) -> Found:
    """The troubles of a device. During an outage of ours nothing is known about it, and in a declared window
    it is left alone. A device that is late has no other news: its battery is not better because it is silent.
    """
    if in_outage or one.state is DeviceState.IN_WINDOW:
        return Found({}, frozenset(OF_DEVICES))
    if one.state is DeviceState.RETIRED:
        return Found({})
    present = dict(_find_by_broker(one))
    if one.state is DeviceState.NEVER_SEEN:
        return Found(present)
    silence = one.silence(now)
    unknown: frozenset[AlertKind] = frozenset()
    if silence > LATE_AFTER * one.expected or _is_cut_off(one, silence):
        present[AlertKind.LATE] = _silence_detail(one, silence)
        unknown = _NOT_WHILE_LATE
        if silence > SILENT_AFTER * one.expected or _is_cut_off(one, silence):
            present[AlertKind.SILENT] = _silence_detail(one, silence)
            unknown = unknown - {AlertKind.SILENT}
    elif one.state in (DeviceState.LATE, DeviceState.SILENT):  # excused by a window or an outage of ours
        unknown = _NOT_WHILE_LATE | {AlertKind.LATE}
    else:
        present |= dict(_find_by_causes(one))
    present |= dict(_find_by_counts(one))
    return Found(present, unknown)


def _is_cut_off(one: Situation, silence: timedelta) -> bool:
    """The broker says offline, and a result is missing: a link that broke for a moment is nothing."""
    return any(cause.code is DeviceCause.OFFLINE for cause in one.causes) and silence > one.expected


def _silence_detail(one: Situation, silence: timedelta) -> Detail:
    assert one.last_seen_at is not None  # its silence is longer than nothing
    return {"last_seen_at": one.last_seen_at.isoformat(), "silence_s": round(silence.total_seconds())}


def _find_by_broker(one: Situation) -> Iterator[tuple[AlertKind, Detail]]:
    for cause in one.causes:
        if cause.code is DeviceCause.DENIED:
            yield AlertKind.DENIED, dict(cause.evidence)
    if one.take_overs or one.refused_ids:
        yield AlertKind.TAKE_OVER, {"take_overs": one.take_overs, "refused_ids": one.refused_ids}


def _find_by_causes(one: Situation) -> Iterator[tuple[AlertKind, Detail]]:
    """The numbers of a cause; of several datastreams the names."""
    names = [str(c.evidence["name"]) for c in one.causes if c.code is DeviceCause.SILENT_DATASTREAM]
    known = [cause for cause in one.causes if cause.code in _OF_CAUSE]
    for cause in known:
        kind = _OF_CAUSE[cause.code]
        yield kind, {"names": names} if kind is AlertKind.DATASTREAM else dict(cause.evidence)
    if known:
        yield AlertKind.DEGRADED, {"causes": sorted({str(cause.code) for cause in known})}


def _find_by_counts(one: Situation) -> Iterator[tuple[AlertKind, Detail]]:
    if one.share is not None and one.share + one.excused_share < LEAST_SHARE:
        yield AlertKind.COMPLETENESS, {"share": one.share}
    if one.refused >= LEAST_REFUSED and one.refused >= LEAST_REFUSED_SHARE * one.received:
        yield AlertKind.REJECTS, {"refused": one.refused, "received": one.received}


def find_in_backups(
    fault: str | None, *, made_at: datetime | None, every_hours: float | None
) -> dict[AlertKind, Detail]:
    """`fault`: a key of `words.FAULTS`, or None; `made_at`: of the newest backup."""
    if fault is None:
        return {}
    made = None if made_at is None else made_at.isoformat()
    return {AlertKind.BACKUP: {"fault": fault, "made_at": made, "every_hours": every_hours}}


def find_low_disk(free: int, total: int) -> Found:
    """`free` and `total` in bytes."""
    if free >= LEAST_FREE_BYTES and free >= LEAST_FREE_SHARE * total:
        return Found({})
    return Found({AlertKind.DISK: {"free_bytes": free, "total_bytes": total}})
