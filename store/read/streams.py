"""Datastreams of devices, and their number of results by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from insitu.errors import NotFound
from insitu.model import AveragingScale, DatastreamRole, Stamp
from store.database import Connection, row, rows
from store.packed.counting import count_days
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


class DayCounts(NamedTuple):
    """Local days of datastreams, by device, datastream and day; as columns, because a fleet has a hundred
    thousand. `failed` of the day's `n` observations failed a check.
    """

    device_id: list[int]
    datastream_id: list[int]
    day: list[date]
    n: list[int]
    failed: list[int]


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


def count_by_day(conn: Connection, device_ids: Sequence[int], start: datetime, end: datetime) -> DayCounts:
    """Of the observations in `[start, end)`, those of local days that begin in it; no days without any.

    A day that began before is left out because it would be counted in part, and its packed results would have
    to be opened for it.
    """
    parameters = {"device_ids": list(device_ids), "start": start, "end": end}
    columns = count_days(conn, _SQL.daily_counts, parameters, start, end)
    first = int(columns.day.min(initial=date.max.toordinal()))
    last = int(columns.day.max(initial=0))
    dates = np.array([date.fromordinal(day) for day in range(first, last + 1)], object)
    devices, streams, days, n, failed = columns._replace(day=dates[columns.day - first])
    return DayCounts(devices.tolist(), streams.tolist(), days.tolist(), n.tolist(), failed.tolist())
