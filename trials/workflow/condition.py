"""The condition of devices: facts from the store, judged by `trials.condition` at one frozen now.

Pages, the API and the command line all ask here. Checks no rights: pass only ids of devices that the reader
may see. `host_id`: as seen from the sites of that host alone; None: from every site. `simulated`: `now` is
the time of a simulated history. Writes nothing; the caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from store.database import Connection
from store.kept import series_kept
from store.read.condition import Boot, DeviceContact, StoredFacts, list_boots, load_device_facts, load_facts
from store.read.health import Said, read_fared, read_said
from store.read.places import DeviceWindow, Placed, list_windows
from store.read.streams import Stream, count_by_day
from trials.condition.completeness import (
    COUNTED,
    count_days,
    list_days,
    mean_share,
    plan_spans,
    share_days,
)
from trials.condition.facts import ContactFacts, DayCount, DeviceFacts, Stay, StreamFacts, WindowFacts
from trials.condition.gaps import KEPT_BACK, KEPT_BACK_SIMULATED, Arrivals, DeviceGap, find_device_gaps
from trials.condition.health import (
    RECENT,
    WITHIN,
    FirmwareSince,
    Health,
    Level,
    StreamShare,
    Traffic,
    Uptime,
    find_restarts,
    look_at_battery,
    share_late,
)
from trials.condition.state import Condition, judge_devices

GAPS_WITHIN: Final = timedelta(days=30)

Counts = Mapping[int, Sequence[DayCount]]
CountDays = Callable[[Connection, Sequence[int], datetime], Counts]


@dataclass(frozen=True, slots=True)
class Judged:
    """A device's condition, the facts from which it follows, and its stored contact and datastreams."""

    condition: Condition
    contact: DeviceContact
    streams: list[Stream]
    facts: DeviceFacts = field(compare=False)
    """Two readings of the same rows may list the counts in another order."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """Everything about one device that its condition depends on."""

    judged: Judged
    positions: list[Placed]
    """Deployments at its positions, its own among them, newest first."""
    windows: list[DeviceWindow]
    gaps: list[DeviceGap]
    """Gaps in the GAPS_WITHIN before now, newest first."""
    boots: list[Boot]
    """Boots that its messages name, of the days of its health, oldest first."""
    late_share: float | None
    """Of the results of GAPS_WITHIN that it sent: those kept back."""
    shares: tuple[StreamShare, ...]
    """Completeness of each datastream over the days of the strip."""


def count_stored_days(
    conn: Connection, device_ids: Sequence[int], now: datetime
) -> dict[int, list[DayCount]]:
    """Counts of results by device, datastream and local day, for completeness."""
    counts: dict[int, list[DayCount]] = {device_id: [] for device_id in device_ids}
    found = count_by_day(conn, device_ids, now - COUNTED, now)
    days = map(DayCount, found.datastream_id, found.day, found.n, found.failed)
    for device_id, count in zip(found.device_id, days, strict=True):
        counts[device_id].append(count)
    return counts


def load_conditions(
    conn: Connection,
    device_ids: Sequence[int],
    *,
    now: datetime,
    simulated: bool,
    host_id: int | None,
    count: CountDays = count_stored_days,
    with_days: bool = True,
) -> dict[int, Judged]:
    """The condition of each device at `now`. `count` may return counts that are some seconds old.
    `with_days`: also its completeness.
    """
    if not device_ids:
        return {}
    stored = load_facts(conn, device_ids, now=now, host_id=host_id)
    counts = count(conn, device_ids, now)
    facts = {device_id: _facts(one, counts[device_id]) for device_id, one in stored.items()}
    return {
        (number := condition.device_id): _judged(condition, stored[number], facts[number])
        for condition in judge_devices(list(facts.values()), now, simulated=simulated, with_days=with_days)
    }


def load_device(
    conn: Connection, device_id: int, *, now: datetime, simulated: bool, host_id: int | None
) -> DeviceRecord:
    """One device, with its gaps of GAPS_WITHIN; each table is read once."""
    stored, positions = load_device_facts(conn, device_id, now=now, host_id=host_id)
    late_after = KEPT_BACK_SIMULATED if simulated else KEPT_BACK
    numbers = [stream.datastream_id for stream in stored.streams]
    series = series_kept(conn, numbers, now - GAPS_WITHIN, now, late_after=late_after)
    zone = stored.contact.time_zone
    shifts = {stream.datastream_id: stream.to_middle_us() for stream in stored.streams}
    counts = [
        count
        for number, one in series.items()
        for count in count_days(number, one.time_us + shifts[number], one.flag, now=now, time_zone=zone)
    ]
    facts = _facts(stored, counts)
    since, boots = now - GAPS_WITHIN, list_boots(conn, device_id, now - WITHIN)
    gaps = find_device_gaps(
        facts,
        {number: Arrivals(one.time_us, one.arrival) for number, one in series.items()},
        since=since,
        now=now,
        boots=[boot.at for boot in boots],
    )
    (condition,) = judge_devices([facts], now, simulated=simulated)
    return DeviceRecord(
        _judged(condition, stored, facts),
        positions,
        stored.windows,
        gaps,
        boots,
        share_late([one.arrival for one in series.values()]),
        _shares(facts, now),
    )


def load_health(conn: Connection, trial: str, device: str, record: DeviceRecord, now: datetime) -> Health:
    """How a device has gone for some weeks, beside its record."""
    said = read_said(conn, record.judged.condition.device_id, now - WITHIN, now)
    fared = read_fared(conn, trial, device, now - RECENT)
    return Health(
        battery=look_at_battery(list(map(Level, said.level_at, said.level_percent))),
        restarts=tuple(_restarts(record.boots, said)),
        firmwares=tuple(map(FirmwareSince, said.firmware, said.firmware_since))[::-1],
        ever=Traffic(fared.received, fared.accepted, fared.partly, fared.rejected, fared.repeated),
        lately=Traffic(
            fared.lately_received,
            fared.lately_received - fared.lately_partly - fared.lately_rejected - fared.lately_repeated,
            fared.lately_partly,
            fared.lately_rejected,
            fared.lately_repeated,
        ),
        late_share=record.late_share,
        streams=record.shares,
    )


def _restarts(boots: Sequence[Boot], said: Said) -> list[datetime]:
    """By the boots that messages name; of a device whose messages name none, by its uptimes."""
    if boots:
        return [boot.at for boot in boots if not boot.is_first]
    before = map(Uptime, said.before_at, said.before_uptime_s)
    return find_restarts(zip(before, map(Uptime, said.after_at, said.after_uptime_s), strict=True))


def _shares(facts: DeviceFacts, now: datetime) -> tuple[StreamShare, ...]:
    spans, days = plan_spans(facts, now), list_days(now, facts.time_zone)
    return tuple(
        StreamShare(one.name, mean_share(share_days(replace(facts, streams=(one,)), spans, days)))
        for one in facts.streams
    )


def load_gaps(
    conn: Connection,
    device_ids: Sequence[int],
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    simulated: bool,
    host_id: int | None,
) -> dict[int, list[DeviceGap]]:
    """Gaps of devices in `[start, end)`, newest first, by device."""
    until = min(end, now)
    if not device_ids or until <= start:
        return {}
    late_after = KEPT_BACK_SIMULATED if simulated else KEPT_BACK
    windows: dict[int, list[WindowFacts]] = {}
    for w in list_windows(conn, device_ids, host_id, start, until):
        windows.setdefault(w.device_id, []).append(WindowFacts(w.kind, w.site, w.start, w.end, w.reason))
    gaps = {}
    for device_id, stored in load_facts(conn, device_ids, now=now, host_id=host_id).items():
        numbers = [stream.datastream_id for stream in stored.streams]
        series = series_kept(conn, numbers, start, until, late_after=late_after)
        gaps[device_id] = find_device_gaps(
            replace(_facts(stored, ()), windows=tuple(windows.get(device_id, ()))),
            {number: Arrivals(one.time_us, one.arrival) for number, one in series.items()},
            since=start,
            now=until,
            boots=[boot.at for boot in list_boots(conn, device_id, start)],
        )
    return gaps


def _judged(condition: Condition, stored: StoredFacts, facts: DeviceFacts) -> Judged:
    return Judged(condition, stored.contact, stored.streams, facts)


def _facts(stored: StoredFacts, counts: Sequence[DayCount]) -> DeviceFacts:
    return DeviceFacts(
        device_id=stored.contact.device_id,
        time_zone=stored.contact.time_zone,
        retired_at=stored.contact.retired_at,
        contact=_contact(stored.contact),
        streams=tuple(map(_stream, stored.streams)),
        stays=tuple(Stay(place.site, place.start, place.end, place.position) for place in stored.places),
        windows=tuple(WindowFacts(w.kind, w.site, w.start, w.end, w.reason) for w in stored.windows),
        counts=tuple(counts),
    )


def _contact(contact: DeviceContact) -> ContactFacts:
    return ContactFacts(
        first_seen_at=contact.first_seen_at,
        last_seen_at=contact.last_seen_at,
        said=contact.said,
        said_at=contact.said_at,
        battery=contact.battery,
        rssi=contact.rssi,
        snr=contact.snr,
        clock_offset=contact.clock_offset,
        here_since=contact.here_since,
        denied=contact.denied,
    )


def _stream(stream: Stream) -> StreamFacts:
    return StreamFacts(
        datastream_id=stream.datastream_id,
        name=stream.name,
        expected_interval_s=stream.expected_interval_s,
        usual_interval_s=stream.usual_interval_s(),
        latest_received_at=stream.latest_received_at,
        latest_at=stream.latest_at,
    )
