"""Devices as pages show them: facts from the store, judged by `trials.health` at one frozen now, in the reader's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import numpy as np

from api.context import Context
from api.pages import completeness
from api.pages.completeness import Bar, Span
from api.pages.words import STATES, WINDOWS
from api.rendering import Page
from insitu.model import DeviceState
from store import fleet
from store.access import Viewer
from store.database import Connection
from store.fleet import DayCount, DeviceWindow, FleetRow, Placed, Stream
from store.observations import series
from trials import health
from trials.health import DeviceFacts, DeviceHealth

_Kind = TypeVar("_Kind")
_UNDECLARED_INTERVAL_S: Final = 3600.0
"""Expected of a device none of whose datastreams declares an interval."""
_CLOCK_IN_ORDER_S: Final = 10.0
"""What a slow network alone may make of a clock that is right."""
_MOST_GAPS: Final = 40
WORST_FIRST: Final = (
    DeviceState.SILENT, DeviceState.DEGRADED, DeviceState.LATE, DeviceState.NEVER_SEEN, DeviceState.IN_WINDOW,
    DeviceState.ONLINE, DeviceState.RETIRED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """A device ready for a template. `cause` is a sentence, `codes` what it rests on."""

    row: FleetRow
    state: DeviceState
    word: str
    cause: str
    codes: tuple[str, ...]
    clock: str
    bars: list[Bar]
    share: float | None
    share_since_start: float | None
    dead: frozenset[int]
    """Datastreams that say nothing while the device speaks."""


@dataclass(frozen=True, slots=True)
class ShownGap:
    start: datetime
    end: datetime
    cause: str
    what: str
    backfilled: bool
    open: bool


def load(
    conn: Connection,
    context: Context,
    viewer: Viewer,
    page: Page,
    *,
    trial: str | None = None,
    site: str | None = None,
    device_ids: Sequence[int] | None = None,
) -> list[Shown]:
    """The reader's devices, worst first, as of the page's now."""
    rows = fleet.fleet(conn, viewer, now=page.now, trial=trial, site=site, device_ids=device_ids)
    shown = assess(conn, context, viewer, page, rows)
    return sorted(shown, key=lambda one: (WORST_FIRST.index(one.state), one.row.trial, one.row.device))


def assess(conn: Connection, context: Context, viewer: Viewer, page: Page, rows: Sequence[FleetRow]) -> list[Shown]:
    """`rows` judged, in their order; each in the time zone of its trial."""
    if not rows:
        return []
    ids = [row.device_id for row in rows]
    within = fleet.Scope(None, [f"{row.trial}/{row.device}" for row in rows])
    stored = {(one.trial, one.device): one.stored for one in fleet.ledger(conn, within)}
    streams = _by_device(fleet.streams(conn, ids), lambda one: one.device_id)
    places = _by_device(fleet.places(conn, viewer, ids), lambda one: one.device_id)
    windows = _by_device(fleet.windows(conn, viewer, ids, page.now - timedelta(days=3660), page.now), lambda one: one.device_id)
    counts = context.strips.counts(conn, ids, page.now)
    return [
        _judge(page, row, streams.get(row.device_id, []), places.get(row.device_id, []), windows.get(row.device_id, []),
               counts[row.device_id], stored.get((row.trial, row.device), 0))
        for row in rows
    ]  # fmt: skip


def _by_device(found: Sequence[_Kind], key: Callable[[_Kind], int]) -> dict[int, list[_Kind]]:
    grouped: dict[int, list[_Kind]] = {}
    for one in found:
        grouped.setdefault(key(one), []).append(one)
    return grouped


def _judge(
    page: Page,
    row: FleetRow,
    streams: Sequence[Stream],
    places: Sequence[Placed],
    windows: Sequence[DeviceWindow],
    counts: Sequence[DayCount],
    stored: int,
) -> Shown:
    spans: list[Span] = completeness.planned_spans(places, windows, page.now, row.retired_at)
    if row.retired_at is None and places and all(place.end is not None and place.end <= page.now for place in places):
        row = replace(
            row, retired_at=max(place.end for place in places if place.end is not None)
        )  # it was swapped, or taken away
    if page.simulated and row.clock_offset is not None and row.clock_offset < -_CLOCK_IN_ORDER_S:
        row = replace(row, clock_offset=None)  # in a compressed history every message was long on its way
    facts, dead = _facts(row, streams, counts, page.now)
    judged = health.device_state(facts, page.now)
    days = completeness.bars(counts, streams, spans, page.now, row.time_zone)
    return Shown(
        row=row,
        state=judged.state,
        word=STATES[judged.state],
        cause=cause(page.in_zone(row.time_zone), row, judged),
        codes=judged.causes,
        clock=_clock(page, row.clock_offset),
        bars=days,
        share=completeness.overall(days),
        share_since_start=completeness.since_start(stored, streams, spans),
        dead=frozenset(dead),
    )


def expected_s(streams: Sequence[Stream]) -> float:
    """The shortest interval of any datastream of a device: declared, reported or learned."""
    return min((every for s in streams if (every := s.usual_interval_s())), default=_UNDECLARED_INTERVAL_S)


def _facts(row: FleetRow, streams: Sequence[Stream], counts: Sequence[DayCount], now: datetime) -> tuple[DeviceFacts, list[int]]:
    expected = expected_s(streams)
    alive = row.last_seen_at is not None and (now - row.last_seen_at).total_seconds() <= health.LATE_AFTER * expected
    dead = [s for s in streams if alive and _silent(s, row.first_seen_at, now)]
    last_day = max((one.day for one in counts), default=None)
    recent = [one for one in counts if last_day is not None and (last_day - one.day).days <= 1]
    n = sum(one.n for one in recent)
    # a will says offline at the moment the device was cut off; whatever it sent afterwards takes that back
    offline = row.said == "offline" and (row.last_seen_at is None or row.state_at is None or row.last_seen_at <= row.state_at)
    facts = DeviceFacts(
        last_seen_at=row.last_seen_at,
        last_result_at=max((s.latest_received_at for s in streams if s.latest_received_at), default=None),
        expected_interval_s=expected,
        retired_at=row.retired_at,
        in_window=row.window_kind is not None,
        battery=row.battery,
        rssi=row.rssi,
        snr=row.snr,
        clock_offset_s=row.clock_offset,
        reported_offline=offline,
        failing_share=sum(one.failed for one in recent) / n if n else 0.0,
        silent_datastreams=tuple(s.name for s in dead),
    )
    return facts, [s.datastream_id for s in dead]


def _silent(stream: Stream, first_seen_at: datetime | None, now: datetime) -> bool:
    last = stream.latest_received_at or first_seen_at
    expected = stream.usual_interval_s()
    return last is not None and expected is not None and (now - last).total_seconds() > health.SILENT_AFTER * expected


def cause(page: Page, row: FleetRow, judged: DeviceHealth) -> str:
    """Why it is in that state, as a sentence; empty for one that is well."""
    if judged.state is DeviceState.IN_WINDOW and row.window_kind:
        word = page.t(WINDOWS[row.window_kind])  # type: ignore[index]  # a StrEnum's member is its text
        until = page.t(" until {when}", when=page.moment(row.window_until)) if row.window_until else ""
        return f"{word}{until}: {row.window_reason}"
    if judged.state is DeviceState.RETIRED:
        return page.t("since {when}", when=page.moment(row.retired_at))
    if judged.state is DeviceState.NEVER_SEEN:
        return page.t("no message yet")
    return ", ".join(_sentence(page, row, code) for code in judged.causes)


def _sentence(page: Page, row: FleetRow, code: str) -> str:
    if code in ("silent", "late"):
        return page.t("no message for {span}", span=page.span(page.now - row.last_seen_at) if row.last_seen_at else "–")
    if code == "offline":
        return page.t("its connection ended")
    if code == "low_battery":
        return page.t("battery at {number} %", number=page.number(row.battery, 0))
    if code == "poor_radio" and row.snr is not None:
        return page.t("weak radio: signal to noise {number} dB", number=page.number(row.snr, 0))
    if code == "poor_radio":
        return page.t("weak radio: {number} dBm", number=page.number(row.rssi, 0))
    if code == "clock_off":
        return page.t("its clock is {how}", how=_ahead_or_behind(page, row.clock_offset or 0.0))
    if code.startswith("silent_datastream:"):
        return page.t("{name} is silent", name=code.partition(":")[2])
    return page.t("checks fail") if code == "failing_checks" else code


def _clock(page: Page, offset: float | None) -> str:
    """What the device's clock shows against ours, at best: a message that was kept back counts only where none came in time."""
    if offset is None:
        return "–"
    return page.t("right") if abs(offset) <= _CLOCK_IN_ORDER_S else _ahead_or_behind(page, offset)


def _ahead_or_behind(page: Page, offset: float) -> str:
    span = page.span(timedelta(seconds=abs(offset)))
    return page.t("{span} ahead", span=span) if offset > 0 else page.t("{span} behind", span=span)


def gaps(
    conn: Connection, viewer: Viewer, page: Page, row: FleetRow, streams: Sequence[Stream], *, within: timedelta
) -> list[ShownGap]:
    """Silences of the device, and of single datastreams while the others spoke; newest first."""
    starts = [place.start for place in fleet.places(conn, viewer, [row.device_id])]
    if not starts or not streams:
        return []
    start = max(page.now - within, min(starts))
    end = min(page.now, row.retired_at or page.now)
    if start >= end:
        return []
    windows = [(w.start, w.end) for w in fleet.windows(conn, viewer, [row.device_id], start, end)]
    boots = fleet.boots(conn, row.device_id, start)
    found = series(conn, [s.datastream_id for s in streams], start, end)
    late_after = health.KEPT_BACK_SIMULATED if page.simulated else health.KEPT_BACK
    shared = np.concatenate([found[s.datastream_id].time_us for s in streams])
    times, first = np.unique(shared, return_index=True)
    received = np.concatenate([found[s.datastream_id].received_us for s in streams])[first]
    whole = health.gaps(
        time_us=times, received_us=received, expected_s=expected_s(streams), start=start, end=end, windows=windows, reboots=boots,
        late_after=late_after,
    )  # fmt: skip
    shown = [_shown_gap(gap, page.t("the device"), end) for gap in whole]
    for stream in streams if len(streams) > 1 else ():
        one = found[stream.datastream_id]
        every = stream.usual_interval_s()
        if every is None:
            continue
        own = health.gaps(
            time_us=one.time_us, received_us=one.received_us, expected_s=every, start=start, end=end,
            windows=windows, reboots=boots,
        )  # fmt: skip
        shown += [_shown_gap(gap, stream.name, end) for gap in own if not gap.backfilled and not _inside(gap, whole)]
    return sorted(shown, key=lambda gap: gap.start, reverse=True)[:_MOST_GAPS]


def _inside(gap: health.Gap, others: Sequence[health.Gap]) -> bool:
    return any(other.start <= gap.end and gap.start <= other.end for other in others)


def _shown_gap(gap: health.Gap, what: str, end: datetime) -> ShownGap:
    return ShownGap(gap.start, gap.end, gap.cause.value, what, gap.backfilled, gap.end >= end)


def count_states(shown: Sequence[Shown]) -> Mapping[DeviceState, int]:
    return {state: sum(one.state is state for one in shown) for state in WORST_FIRST}
