"""Many observations at once, as arrays that need little memory: the input of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Bools, Floats, Ints
from insitu.model import Arrival, ClockQuality
from store.database import Connection, abort, connect_beside, scalar
from store.packed.reading import hold_chunks, in_order, read_parts
from store.queries import Queries


class _SQL(Queries, file="kept"):
    snapshot: str


ALONE_BELOW: Final = 5000
"""Days of datastreams. Fewer are read faster than a second connection is opened."""
_DAY_US: Final = 86_400_000_000


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


def received_early(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> dict[int, dict[int, int]]:
    """Time → receipt, µs, in order of time, of the results of `[start, end)` that were received before their
    own time; only datastreams that have any. Reads day by day, as `series_kept`, and keeps no others.
    """
    hold_chunks(conn)
    found: dict[int, dict[int, int]] = {}
    for number, part in read_parts(conn, datastream_ids, start, end, by_day=True):
        early = part.received_us < part.time_us
        if early.any():
            times, receipts = part.time_us[early].tolist(), part.received_us[early].tolist()
            found.setdefault(number, {}).update(zip(times, receipts, strict=True))
    return {number: dict(sorted(some.items())) for number, some in found.items()}


def _read(
    conn: Connection, numbers: list[int], start: datetime, end: datetime, late_after: timedelta
) -> dict[int, SeriesKept]:
    # A bytearray grows without a second copy of its content.
    kept = {number: tuple(bytearray() for _ in range(4)) for number in numbers}
    days_late = dict.fromkeys(numbers, 0)
    late_us = round(late_after.total_seconds() * 1e6)
    for number, unsorted in read_parts(conn, numbers, start, end, by_day=True):
        part = in_order(unsorted)
        of_times, of_results, of_flags, of_arrivals = kept[number]
        delay = part.received_us - part.time_us
        arrival = _arrival(delay > late_us, part.quality)
        days_late[number] += int(np.count_nonzero((delay > _DAY_US) & (arrival <= Arrival.LATE)))
        of_times += part.time_us.data
        of_results += part.result.data
        of_flags += part.flag.data
        of_arrivals += arrival.data
    return {number: _kept(kept[number], days_late[number]) for number in numbers}


def _kept(columns: tuple[bytearray, ...], days_late: int) -> SeriesKept:
    times, results, flags, arrivals = columns
    one = SeriesKept(
        np.frombuffer(times, np.int64),
        np.frombuffer(results, np.float64),
        np.frombuffer(flags, np.int8),
        np.frombuffer(arrivals, np.int8),
        days_late,
    )
    if np.all(one.time_us[1:] > one.time_us[:-1]):
        return one
    order = np.argsort(one.time_us)
    return SeriesKept(one.time_us[order], one.result[order], one.flag[order], one.arrival[order], days_late)


def _arrival(is_late: Bools, quality: NDArray[np.int8]) -> NDArray[np.int8]:
    """An `Arrival` each. A file and a correction leave no time of receipt to judge by."""
    arrival = is_late.astype(np.int8)
    arrival[quality == ClockQuality.FILE] = Arrival.FROM_FILE
    arrival[quality == ClockQuality.CORRECTED] = Arrival.CORRECTED
    return arrival
