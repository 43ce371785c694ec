"""Counts of results by local day: packed days by their summaries, without opening them where possible."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Ints
from insitu.model import Flag
from insitu.times import to_us
from store.database import Connection
from store.packed.reading import int_array, read_rows, read_series, time_array
from store.packed.spans import midnights_us

_AROUND_US: Final = 230 * 86_400_000_000
"""Midnights around the span: a packed day reaches 33 days beyond it, and half an interval of a year."""


class Counts(NamedTuple):
    """A row for each datastream and local day; `day`: its ordinal."""

    device_id: NDArray[Any]
    datastream_id: NDArray[Any]
    day: NDArray[Any]
    n: NDArray[Any]
    failed: NDArray[Any]

    def at(self, which: NDArray[Any]) -> Counts:
        return Counts._make(column[which] for column in self)


class _Key(NamedTuple):
    """Zone and shift decide on the days of a datastream."""

    time_zone: str
    shift_us: int
    """From the time of a result to the middle of its interval."""


class _Packed(NamedTuple):
    """The packed days of a datastream: spans in µs since 1970, and their counts."""

    device_id: int
    datastream_id: int
    starts: Ints
    ends: Ints
    n: NDArray[np.int32]
    failed: NDArray[np.int32]


def count_days(
    conn: Connection, statement: str, parameters: dict[str, Any], start: datetime, end: datetime
) -> Counts:
    """The counts of the statement `daily_counts`, in order.

    A datastream with packed days that are no local days (months, or days of another time zone) is read again,
    all of it by one statement, so that each of its results counts once.
    """
    packed: dict[_Key, list[_Packed]] = {}
    parts: list[Counts] = []
    for n, failed, starts, ends, device, stream, zone, shift, *others in read_rows(
        conn, statement, parameters
    ):
        counts = int_array(n), int_array(failed)
        if device is None or stream is None or zone is None or shift is None:
            devices, streams, days = map(int_array, others)
            parts.append(Counts(devices, streams, days + 1, *counts))  # it counts from 0001-01-01
        else:
            key = _Key(zone.decode(), round(struct.unpack(">d", shift)[0] * 1e6))
            (device_id,), (number,) = struct.unpack(">i", device), struct.unpack(">i", stream)
            one = _Packed(device_id, number, time_array(starts), time_array(ends), *counts)
            packed.setdefault(key, []).append(one)
    cut: dict[_Key, dict[int, int]] = {}
    for key, several in packed.items():
        whole, cut[key] = _whole_days(several, key, to_us(start), to_us(end))
        parts.append(whole)
    if any(cut.values()):
        again = [number for streams in cut.values() for number in streams]
        parts = [part.at(~np.isin(part.datastream_id, again)) for part in parts]
        parts += _counted(conn, cut, start, end)
    return _in_order(parts)


def _whole_days(
    several: Sequence[_Packed], key: _Key, start_us: int, end_us: int
) -> tuple[Counts, dict[int, int]]:
    """(counts of packed days that are local days, device by datastream of those that have others too)."""
    sizes = [len(one.n) for one in several]
    devices, streams = (np.repeat([one[at] for one in several], sizes) for at in (0, 1))
    starts, ends, n, failed = (np.concatenate([one[at] for one in several]) for at in range(2, 6))
    ordinals, midnights = midnights_us(start_us - _AROUND_US, end_us + _AROUND_US, key.time_zone)
    at = np.searchsorted(midnights, starts + key.shift_us, side="right") - 1
    begins_inside = midnights[at] >= start_us
    first = midnights[np.searchsorted(midnights, start_us)]
    is_day = (ends + key.shift_us <= midnights[at + 1]) & (starts >= start_us) & (ends <= end_us)
    is_cut = ~is_day & (ends + key.shift_us > first)
    counted = is_day & begins_inside
    cut = dict(zip(streams[is_cut].tolist(), devices[is_cut].tolist(), strict=True))
    found = Counts(devices, streams, ordinals[at], n, failed).at(counted)
    return found, cut


def _counted(
    conn: Connection, cut: dict[_Key, dict[int, int]], start: datetime, end: datetime
) -> Iterator[Counts]:
    """The counts of these datastreams, from their results."""
    every = [number for streams in cut.values() for number in streams]
    series = read_series(conn, every, start, end)
    for key, streams in cut.items():
        around = to_us(start) - _AROUND_US, to_us(end) + _AROUND_US
        ordinals, midnights = midnights_us(*around, key.time_zone)
        first = int(np.searchsorted(midnights, to_us(start)))
        days = ordinals[first:-1]
        for number, device in streams.items():
            part = series[number]
            edges = np.searchsorted(part.time_us + key.shift_us, midnights[first:])
            failed = np.r_[0, np.cumsum(part.flag == Flag.FAIL)][edges]
            n = np.diff(edges)
            devices, numbers = np.full(len(days), device), np.full(len(days), number)
            yield Counts(devices, numbers, days, n, np.diff(failed)).at(n > 0)


def _in_order(parts: Sequence[Counts]) -> Counts:
    """By device, datastream and day; the parts of a day are added."""
    all_of = Counts._make(np.concatenate(column) for column in zip(*parts, strict=True))
    all_of = all_of.at(np.lexsort((all_of.day, all_of.datastream_id, all_of.device_id)))
    same = np.all([key[1:] == key[:-1] for key in all_of[:3]], axis=0)
    if not same.any():
        return all_of
    first = np.flatnonzero(np.r_[True, ~same])
    return Counts(
        *(key[first] for key in all_of[:3]), *(np.add.reduceat(column, first) for column in all_of[3:])
    )
