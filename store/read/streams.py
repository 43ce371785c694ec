"""Datastreams of devices, and their number of results by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from insitu.errors import NotFound
from insitu.model import AveragingScale, DatastreamRole, Stamp
from insitu.times import to_us
from store.database import Connection, row, rows
from store.packed.reading import read_counts, unpacked
from store.packed.spans import days_of
from store.queries import Queries


class _SQL(Queries, file="read/streams"):
    streams: str
    daily_counts: str
    stream_owner: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A datastream with its latest result; `unit` is the property's, `sent_unit` the device's."""

    datastream_id: int
    device_id: int
    name: str
    property: str
    property_name: dict[str, str]
    unit: str
    sent_unit: str
    role: DatastreamRole
    result_type: str
    averaging_scale: AveragingScale
    expected_interval_s: float | None
    """Declared, or reported by the device."""
    interval_reported: bool
    expected_months: int
    """The expected interval, if it is a number of calendar months; else 0."""
    stamp: Stamp
    """The point of its interval that a time marks."""
    learned_interval_s: float | None
    """Median spacing of the last results, if no interval is expected."""
    scale: float
    shift: float
    sensor: str
    sensor_serial: str | None
    calibrated_at: datetime | None
    calibration: str | None
    latest_at: datetime | None
    latest_result: float | None
    latest_received_at: datetime | None
    latest_flag: int | None

    def usual_interval_s(self) -> float | None:
        """The interval by which its silence is judged: declared, else reported, else learned."""
        return self.expected_interval_s or self.learned_interval_s

    def to_middle_us(self) -> int:
        """From the time of a result to the middle of the interval that it stands for, µs; 0
        for an instant.
        """
        half = round((self.expected_interval_s or 0.0) * 5e5)
        return {Stamp.BEGIN: half, Stamp.END: -half}.get(self.stamp, 0)

    def interval_source(self) -> str | None:
        if self.expected_interval_s is not None:
            return "reported" if self.interval_reported else "declared"
        return "learned" if self.learned_interval_s is not None else None


@dataclass(frozen=True, slots=True)
class DayCount:
    """One local day of one datastream; `failed` of its `n` observations failed a check."""

    device_id: int
    datastream_id: int
    day: date
    n: int
    failed: int


@dataclass(frozen=True, slots=True)
class StreamOwner:
    trial: str
    device: str


def list_streams(conn: Connection, device_ids: Sequence[int]) -> list[Stream]:
    return rows(conn, Stream, _SQL.streams, device_ids=list(device_ids))


def get_owner(conn: Connection, datastream_id: int) -> StreamOwner:
    found = row(conn, StreamOwner, _SQL.stream_owner, datastream_id=datastream_id)
    if found is None:
        raise NotFound(f"There is no datastream {datastream_id}, or you may not see it.")
    return found


def count_by_day(
    conn: Connection, device_ids: Sequence[int], start: datetime, end: datetime
) -> list[DayCount]:
    parameters = {"device_ids": list(device_ids), "start": start, "end": end}
    columns, cut = read_counts(conn, _SQL.daily_counts, parameters)
    found = [
        DayCount(device, stream, date.fromordinal(day + 1), n, failed)
        for device, stream, day, n, failed in zip(*(column.tolist() for column in columns), strict=True)
    ]
    return _with_cut(found, cut, to_us(start), to_us(end)) if cut else found


def _with_cut(
    found: Sequence[DayCount], cut: Sequence[tuple[int, int, bytes, str, float]], start_us: int, end_us: int
) -> list[DayCount]:
    """The counts with those of packed days that do not lie within one local day."""
    counts = {(one.device_id, one.datastream_id, one.day): one for one in found}
    for device, stream, record, zone, shift_s in cut:
        for day, n, failed in days_of(unpacked(record, start_us, end_us), zone, round(shift_s * 1e6)):
            before = counts.get((device, stream, day), DayCount(device, stream, day, 0, 0))
            more = DayCount(device, stream, day, before.n + n, before.failed + failed)
            counts[device, stream, day] = more
    return [counts[key] for key in sorted(counts)]
