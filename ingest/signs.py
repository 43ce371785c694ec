"""Signs of life in a batch: the devices that were heard, their status and their reported intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ingest.decode import StatusReport
from ingest.decode.result import LONGEST_INTERVAL_US
from ingest.masks.personal import hide
from ingest.prepared import Prepared
from store.catalogue.snapshot import KnownDatastream, KnownDevice
from store.database import Connection
from store.signs import Heard, StatusLine, save_statuses, touch_devices

NEWS = 0.1
"""A reported interval is stored only if it differs by more than this share, because each change makes every
ingestor reload the catalogue.
"""
SHORTEST_SILENCE_US = 300_000_000
HOUR_US = 3_600_000_000
NOBODY: Final[Mapping[int, Heard]] = MappingProxyType({})
EARLIEST_STATUS_US = 946_684_800_000_000
"""2000-01-01: a device that reports an earlier time for its status has no clock."""


def intervals(items: Sequence[Prepared]) -> dict[int, int]:
    """Datastream → how often its device says it measures, where nobody has declared it and it is news."""
    found: dict[int, int] = {}
    for item in items:
        if item.interval_us is None or item.known is None or not 0 < item.interval_us <= LONGEST_INTERVAL_US:
            continue
        stored = {observation.datastream_id for observation in item.observations}
        for stream in item.known.datastreams.values():
            if stream.datastream_id in stored and _is_news(stream, item.interval_us):
                found[stream.datastream_id] = item.interval_us
    return found


def _is_news(stream: KnownDatastream, interval_us: int) -> bool:
    if stream.interval_declared or stream.interval_us is None:
        return not stream.interval_declared
    return abs(interval_us - stream.interval_us) > NEWS * stream.interval_us


def signs_of_life(conn: Connection, items: Sequence[Prepared], others: Mapping[int, Heard] = NOBODY) -> None:
    """When the devices were heard, and what they said of themselves. `others`: device → messages of the same
    batch that are not among `items`; no device was silent for long within it.
    """
    seen = dict(others)
    lines: list[StatusLine] = []
    for item in items:
        received_us = item.message.received_us
        lines += [
            _status_line(device_id, StatusReport(state="offline", note="its edge node died"), received_us)
            for device_id in item.also_gone
        ]
        if item.known is None or item.message.retained or item.source or item.historical:
            continue
        offset = None
        if item.observations and item.timed and item.own_clock:
            offset = (max([observation.time_us for observation in item.observations]) - received_us) / 1e6
        number = item.known.device_id
        before = seen.get(number)
        if before is None:
            seen[number] = Heard(received_us, received_us, None, offset)
        else:
            seen[number] = _heard_again(before, item.known, received_us, offset)
        if item.status is not None:
            lines.append(_status_line(item.known.device_id, item.status, received_us))
    touch_devices(conn, seen)
    save_statuses(conn, lines)


def _heard_again(before: Heard, known: KnownDevice, received_us: int, offset: float | None) -> Heard:
    back_us = before.back_us
    if received_us - before.last_us > SHORTEST_SILENCE_US and received_us - before.last_us > _silence_us(
        known
    ):
        back_us = received_us
    if offset is not None and before.offset_s is not None:
        offset = max(offset, before.offset_s)
    return Heard(
        min(before.first_us, received_us),
        max(before.last_us, received_us),
        back_us,
        before.offset_s if offset is None else offset,
    )


def _silence_us(known: KnownDevice) -> float:
    """A longer time without a message is a silence; as in `touch_devices` of signs.sql."""
    intervals = [one.interval_us for one in known.datastreams.values() if one.interval_us]
    return 2.5 * min(intervals, default=HOUR_US)


def _status_line(device_id: int, report: StatusReport, received_us: int) -> StatusLine:
    said_us = report.time_us
    at_us = said_us if said_us is not None and EARLIEST_STATUS_US <= said_us <= received_us else received_us
    return StatusLine(
        device_id,
        at_us,
        report.state,
        report.battery,
        report.rssi,
        None if report.firmware is None else hide(report.firmware, bare=False)[0],
        report.uptime,
        report.snr,
        report.margin,
        None if report.note is None else hide(report.note, bare=False)[0],
        received_us,
    )
