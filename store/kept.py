"""Many observations at once, as arrays that need little memory: the input of an evaluation."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats, Ints
from insitu.model import Arrival, ClockQuality
from store.database import Connection, abort, connect_beside, scalar
from store.observations import hold_chunks
from store.queries import Queries


class _SQL(Queries, file="kept"):
    by_day: str
    snapshot: str


ALONE_BELOW: Final = 5000
"""Days of datastreams. Fewer are read faster than a second connection is opened."""
_EPOCH_2000_US: Final = 946_684_800_000_000
_HEADER: Final = 19
"""Bytes before the first row of a binary COPY."""
_TRAILER: Final = 2
_FLAG, _QUALITY, _LATE, _DAY_LATE = 15, 15 << 4, 256, 512
_ELEMENTS: Final = tuple(
    (np.dtype([("length", ">i4"), ("value", f">{kind}")]), np.dtype(f"={kind}"))
    for kind in ("i8", "f8", "i2")
)


@dataclass(frozen=True, slots=True)
class SeriesKept:
    """One datastream in order of time, compact enough to keep many: 18 bytes for each observation."""

    time_us: Ints
    result: Floats
    flag: NDArray[np.int8]
    arrival: NDArray[np.int8]
    """An `Arrival` each; LATE if it was received more than the given time after its own time."""
    days_late: int
    """Number received more than a day after their time, of those that a device sent."""


def series_kept(
    conn: Connection,
    datastream_ids: Sequence[int],
    start: datetime,
    end: datetime,
    *,
    late_after: timedelta,
    alone_below: int = ALONE_BELOW,
) -> dict[int, SeriesKept]:
    """Like `observations.series`, for many observations: memory holds only the result.

    The server works out one connection's rows on one core, and that takes most of the time. So a second
    connection reads half of the datastreams, in the same snapshot, unless there are fewer than `alone_below`
    days of datastreams or this transaction has written. Call it outside savepoints.
    """
    numbers = list(datastream_ids)
    hold_chunks(conn)
    days = (end - start) / timedelta(days=1)
    snapshot = (
        scalar(conn, _SQL.snapshot) if len(numbers) > 1 and len(numbers) * days >= alone_below else None
    )
    if snapshot is None:
        return _read(conn, numbers, start, end, late_after)
    half = len(numbers) // 2
    with connect_beside(conn, snapshot) as second, ThreadPoolExecutor(1) as thread:
        others = thread.submit(_read, second, numbers[half:], start, end, late_after)
        try:
            return _read(conn, numbers[:half], start, end, late_after) | others.result()
        except BaseException:
            abort(second)  # or the thread would read to its end first
            raise


def _read(
    conn: Connection, numbers: list[int], start: datetime, end: datetime, late_after: timedelta
) -> dict[int, SeriesKept]:
    # A bytearray grows without a second copy of its content.
    kept = {number: tuple(bytearray() for _ in range(4)) for number in numbers}
    days_late = dict.fromkeys(numbers, 0)
    parameters = {"datastream_ids": numbers, "start": start, "end": end, "late_after": late_after}
    statement = f"COPY ({_SQL.by_day}) TO STDOUT (FORMAT binary)".encode()
    with conn.cursor() as cursor, cursor.copy(statement, parameters) as copy:
        for number, *columns in _rows_of_arrays(copy):
            times, results, codes = columns
            if not np.all(times[1:] > times[:-1]):
                order = np.argsort(times)
                times, results, codes = (column[order] for column in columns)
            of_times, of_results, of_flags, of_arrivals = kept[number]
            arrival = _arrival(codes)
            days_late[number] += int(((codes & _DAY_LATE > 0) & (arrival <= Arrival.LATE)).sum())
            of_times += (times + _EPOCH_2000_US).data
            of_results += results.data
            of_flags += (codes & _FLAG).astype(np.int8).data
            of_arrivals += arrival.data
    return {
        number: SeriesKept(
            np.frombuffer(times, np.int64),
            np.frombuffer(results, np.float64),
            np.frombuffer(flags, np.int8),
            np.frombuffer(arrivals, np.int8),
            days_late[number],
        )
        for number, (times, results, flags, arrivals) in kept.items()
    }


def _arrival(codes: NDArray[np.int16]) -> NDArray[np.int8]:
    """An `Arrival` each. A file and a correction leave no time of receipt to judge by."""
    arrival = (codes & _LATE > 0).astype(np.int8)
    quality = (codes & _QUALITY) >> 4
    arrival[quality == ClockQuality.FILE] = Arrival.FROM_FILE
    arrival[quality == ClockQuality.CORRECTED] = Arrival.CORRECTED
    return arrival


def _rows_of_arrays(blocks: Iterable[bytes | bytearray | memoryview]) -> Iterator[tuple[Any, ...]]:
    """(datastream, times, results, codes) of each row of `by_day`; the server sends each row as one block."""
    at = _HEADER  # the header comes with the first row
    for block in blocks:
        if len(block) - at <= _TRAILER:
            continue  # the last block; the copy ends after it
        (number,) = struct.unpack_from(">i", block, at + 6)
        at += 10
        columns = []
        for stored, wanted in _ELEMENTS:
            # Length of the field, then dimensions, nulls, type, elements, first index; then the elements,
            # each preceded by its length.
            length, *_, elements, _ = struct.unpack_from(">6i", block, at)
            columns.append(np.frombuffer(block, stored, elements, at + 24)["value"].astype(wanted))
            at += 4 + length
        yield number, *columns
        at = 0
