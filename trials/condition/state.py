"""The state of a device: retired and windows first, then silence, then the troubles of a device that still
sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from insitu.model import DeviceCause, DeviceState
from trials.condition.causes import Cause, find_denials, find_troubles
from trials.condition.completeness import (
    DayShare,
    LocalDay,
    count_planned,
    list_days,
    mean_share,
    plan_spans,
    share_days,
)
from trials.condition.facts import ContactFacts, DeviceFacts, StreamFacts, WindowFacts

LATE_AFTER: Final = 2.5
SILENT_AFTER: Final = 8.0
"""Expected intervals without a result."""
CLOCK_IN_ORDER_S: Final = 10.0
"""Offset (s) that a slow network alone can give to a correct clock."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition of a device at one moment."""

    device_id: int
    state: DeviceState
    causes: tuple[Cause, ...]
    """Worst first; empty where the state says it all: online, in_window, retired. Messages that the broker
    denied are named also of a device that is silent or was never seen.
    """
    window: WindowFacts | None
    """The declared window around now; of several, the one that ends last."""
    retired_at: datetime | None
    """Declared, or the end of its last deployment: it was swapped or taken away."""
    clock_offset: float | None
    """Device time − receipt in s; None where it is not believed."""
    silent_streams: frozenset[int]
    """Datastreams that send nothing while the device sends."""
    days: tuple[DayShare, ...]
    """Completeness of the last days, today included."""
    share: float | None
    """Mean of their shares."""
    planned: int
    """Results planned so far, of all datastreams."""
    latest_at: datetime | None = None
    """Time of its latest result, sent or imported."""


def judge_devices(
    facts: Sequence[DeviceFacts], now: datetime, *, simulated: bool, with_days: bool = True
) -> list[Condition]:
    """The condition of each device, in the given order. `simulated`: `now` is the time of a simulated
    history. `with_days`: also its completeness, which no state depends on and which takes most of the time.
    """
    calendars = {zone: list_days(now, zone) for zone in {one.time_zone for one in facts}}
    return [
        _judge(one, now, calendars[one.time_zone] if with_days else (), simulated=simulated) for one in facts
    ]


def _judge(facts: DeviceFacts, now: datetime, calendar: Sequence[LocalDay], *, simulated: bool) -> Condition:
    """With an empty `calendar` no completeness."""
    spans = plan_spans(facts, now) if calendar else []
    days = share_days(facts, spans, calendar)
    silent = _find_silent_streams(facts, now)
    window = _find_window(facts, now)
    retired_at = facts.retired_at or _taken_away_at(facts, now)
    offset = _believed_offset(facts.contact, simulated=simulated)
    state, causes = _judge_state(
        facts, now, retired_at=retired_at, window=window, troubles=find_troubles(facts, silent, offset)
    )
    return Condition(
        device_id=facts.device_id,
        state=state,
        causes=causes,
        window=window,
        retired_at=retired_at,
        clock_offset=offset,
        silent_streams=frozenset([stream.datastream_id for stream in silent]),
        days=days,
        share=mean_share(days),
        planned=count_planned(facts.streams, spans),
        latest_at=max([one.latest_at for one in facts.streams if one.latest_at is not None], default=None),
    )


def _judge_state(
    facts: DeviceFacts,
    now: datetime,
    *,
    retired_at: datetime | None,
    window: WindowFacts | None,
    troubles: tuple[Cause, ...],
) -> tuple[DeviceState, tuple[Cause, ...]]:
    seen_at = facts.contact.last_seen_at
    denials = tuple(find_denials(facts.contact))
    if retired_at is not None and retired_at <= now:
        return DeviceState.RETIRED, ()
    if seen_at is None:
        return DeviceState.NEVER_SEEN, denials
    if window is not None:
        return DeviceState.IN_WINDOW, ()
    silence_s, expected_s = (now - seen_at).total_seconds(), facts.expected_interval_s()
    evidence: dict[str, float | str] = {"silence_s": silence_s}
    if _is_offline(facts.contact):
        return DeviceState.SILENT, (Cause(DeviceCause.OFFLINE, evidence), *denials)
    if silence_s > SILENT_AFTER * expected_s:
        return DeviceState.SILENT, (Cause(DeviceCause.SILENT, evidence), *denials)
    if silence_s > LATE_AFTER * expected_s:
        return DeviceState.LATE, (Cause(DeviceCause.LATE, evidence), *denials)
    return DeviceState.DEGRADED if troubles else DeviceState.ONLINE, troubles


def _is_offline(contact: ContactFacts) -> bool:
    """The broker says "offline" for a device that it cut off; anything the device sent afterwards takes that
    back.
    """
    return contact.said == "offline" and (
        contact.last_seen_at is None or contact.said_at is None or contact.last_seen_at <= contact.said_at
    )


def _taken_away_at(facts: DeviceFacts, now: datetime) -> datetime | None:
    """When its last deployment ended; None while one lasts or is still to come, and for a device that had
    none.
    """
    ends = [stay.end for stay in facts.stays if stay.end is not None and stay.end <= now]
    return max(ends) if ends and len(ends) == len(facts.stays) else None


def _find_window(facts: DeviceFacts, now: datetime) -> WindowFacts | None:
    """The window at `now` of the device, its trial, or the site where it is, or was last."""
    if not facts.windows:
        return None
    latest = max(facts.stays, key=lambda stay: (stay.start <= now, stay.start), default=None)
    sites = {None} if latest is None else {None, latest.site}
    windows = [
        window
        for window in facts.windows
        if window.start <= now and (window.end is None or now < window.end) and window.site in sites
    ]
    return max(windows, key=lambda window: (window.end is None, window.end or now), default=None)


def _believed_offset(contact: ContactFacts, *, simulated: bool) -> float | None:
    """In a simulated history every message took long to arrive, so a clock seems to be behind: such an offset
    is not believed.
    """
    offset = contact.clock_offset
    return None if simulated and offset is not None and offset < -CLOCK_IN_ORDER_S else offset


def _find_silent_streams(facts: DeviceFacts, now: datetime) -> list[StreamFacts]:
    """Datastreams that send nothing while the device sends."""
    seen_at = facts.contact.last_seen_at
    if seen_at is None or (now - seen_at).total_seconds() > LATE_AFTER * facts.expected_interval_s():
        return []
    return [stream for stream in facts.streams if _is_silent(stream, facts.contact, now)]


def _is_silent(stream: StreamFacts, contact: ContactFacts, now: datetime) -> bool:
    """Counts from its last result, but only while the device has been there: an outage was nobody's
    silence.
    """
    heard = [at for at in (stream.latest_received_at or contact.first_seen_at, contact.here_since) if at]
    last, expected_s = max(heard, default=None), stream.usual_interval_s
    return (
        last is not None
        and expected_s is not None
        and (now - last).total_seconds() > SILENT_AFTER * expected_s
    )
