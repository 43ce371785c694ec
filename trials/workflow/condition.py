"""The condition of devices: facts from the store, judged by `trials.condition` at one frozen now.

Pages, the API and the command line all ask here. Checks no rights: pass only ids of devices that the reader
may see. `host_id`: as seen from the sites of that host alone; None: from every site. `simulated`: `now` is
the time of a simulated history. Writes nothing; the caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from store.database import Connection
from store.kept import series_kept
from store.read.condition import DeviceContact, StoredFacts, list_boots, load_device_facts, load_facts
from store.read.places import DeviceWindow, Placed, list_windows
from store.read.streams import Stream, count_by_day
from trials.condition.completeness import COUNTED, count_days
from trials.condition.facts import ContactFacts, DayCount, DeviceFacts, Stay, StreamFacts, WindowFacts
from trials.condition.gaps import KEPT_BACK, KEPT_BACK_SIMULATED, Arrivals, DeviceGap, find_device_gaps
from trials.condition.state import Condition, judge_devices

GAPS_WITHIN: Final = timedelta(days=30)

Counts = Mapping[int, Sequence[DayCount]]
CountDays = Callable[[Connection, Sequence[int], datetime], Counts]


@dataclass(frozen=True, slots=True)
class Judged:
    """A device's condition, and its stored contact and datastreams."""

    condition: Condition
    contact: DeviceContact
    streams: list[Stream]


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """Everything about one device that its condition depends on."""

    judged: Judged
    positions: list[Placed]
    """Deployments at its positions, its own among them, newest first."""
    windows: list[DeviceWindow]
    gaps: list[DeviceGap]
    """Gaps in the GAPS_WITHIN before now, newest first."""


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
) -> dict[int, Judged]:
    """The condition of each device at `now`. `count` may return counts that are some seconds old."""
    if not device_ids:
        return {}
    stored = load_facts(conn, device_ids, now=now, host_id=host_id)
    counts = count(conn, device_ids, now)
    facts = [_facts(one, counts[device_id]) for device_id, one in stored.items()]
    return {
        condition.device_id: _judged(condition, stored[condition.device_id])
        for condition in judge_devices(facts, now, simulated=simulated)
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
    since = now - GAPS_WITHIN
    gaps = find_device_gaps(
        facts,
        {number: Arrivals(one.time_us, one.arrival) for number, one in series.items()},
        since=since,
        now=now,
        boots=list_boots(conn, device_id, since),
    )
    (condition,) = judge_devices([facts], now, simulated=simulated)
    return DeviceRecord(_judged(condition, stored), positions, stored.windows, gaps)


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
            boots=list_boots(conn, device_id, start),
        )
    return gaps


def _judged(condition: Condition, stored: StoredFacts) -> Judged:
    return Judged(condition, stored.contact, stored.streams)


def _facts(stored: StoredFacts, counts: Sequence[DayCount]) -> DeviceFacts:
    return DeviceFacts(
        device_id=stored.contact.device_id,
        time_zone=stored.contact.time_zone,
        retired_at=stored.contact.retired_at,
        contact=_contact(stored.contact),
        streams=tuple(map(_stream, stored.streams)),
        stays=tuple(Stay(place.site, place.start, place.end) for place in stored.places),
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
