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


_DAY_BITS: Final = 22
"""The ordinal of a day has fewer."""


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


class _Owned(NamedTuple):
    """Datastreams in order, and the device of each."""

    streams: NDArray[np.int32]
    devices: NDArray[np.int32]


class _Packed(NamedTuple):
    """Packed days of some datastreams: spans in µs since 1970, and their counts."""

    streams: NDArray[np.int32]
    starts: Ints
    ends: Ints
    n: NDArray[np.int32]
    failed: NDArray[np.int32]

    def at(self, which: NDArray[Any]) -> _Packed:
        return _Packed._make(column[which] for column in self)


def count_days(
    conn: Connection, statement: str, parameters: dict[str, Any], start: datetime, end: datetime
) -> Counts:
    """The counts of the statement `daily_counts`, in order.

    A datastream with packed days that are no local days (months, or days of another time zone) is read again,
    all of it by one statement, so that each of its results counts once.
    """
    owned, packed, parts = _read(conn, statement, parameters)
    cut: dict[_Key, dict[int, int]] = {}
    for key, owners in owned.items():
        mine = packed if len(owned) == 1 else packed.at(np.isin(packed.streams, owners.streams))
        whole, cut[key] = _whole_days(mine, owners, key, to_us(start), to_us(end))
        parts.append(whole)
    if any(cut.values()):
        again = [number for streams in cut.values() for number in streams]
        parts = [part.at(~np.isin(part.datastream_id, again)) for part in parts]
        parts += _counted(conn, cut, start, end)
    return _in_order(parts)


def _read(
    conn: Connection, statement: str, parameters: dict[str, Any]
) -> tuple[dict[_Key, _Owned], _Packed, list[Counts]]:
    """The rows of the statement: the datastreams of each key, what is packed, and counts of what is not."""
    owned: dict[_Key, _Owned] = {}
    packed, counts = _packed_of(None, None, None, None, None), _counts_of(None, None, None, None, None)
    for zone, shift, devices, streams, starts, ends, days, n, failed in read_rows(
        conn, statement, parameters
    ):
        if zone is not None and shift is not None:
            key = _Key(zone.decode(), round(struct.unpack(">d", shift)[0] * 1e6))
            numbers = int_array(streams)
            order = np.argsort(numbers)
            owned[key] = _Owned(numbers[order], int_array(devices)[order])
        elif starts is not None:
            packed = _packed_of(streams, starts, ends, n, failed)
        else:
            counts = _counts_of(devices, streams, days, n, failed)
    return owned, packed, [counts]


def _packed_of(
    streams: bytes | None, starts: bytes | None, ends: bytes | None, n: bytes | None, failed: bytes | None
) -> _Packed:
    return _Packed(int_array(streams), time_array(starts), time_array(ends), int_array(n), int_array(failed))


def _counts_of(
    devices: bytes | None, streams: bytes | None, days: bytes | None, n: bytes | None, failed: bytes | None
) -> Counts:
    """The statement counts days from 0001-01-01."""
    return Counts(
        int_array(devices), int_array(streams), int_array(days) + 1, int_array(n), int_array(failed)
    )


def _whole_days(
    packed: _Packed, owners: _Owned, key: _Key, start_us: int, end_us: int
) -> tuple[Counts, dict[int, int]]:
    """(counts of packed days that are local days, device by datastream of those that have others too)."""
    streams, starts, ends, n, failed = packed
    devices = owners.devices[np.searchsorted(owners.streams, streams)]
    ordinals, midnights = midnights_us(start_us - _AROUND_US, end_us + _AROUND_US, key.time_zone)
    at = np.searchsorted(midnights, starts + key.shift_us, side="right") - 1
    begins_inside = midnights[at] >= start_us
    first = midnights[np.searchsorted(midnights, start_us)]
    is_day = (ends + key.shift_us <= midnights[at + 1]) & (starts >= start_us) & (ends <= end_us)
    is_cut = ~is_day & (ends + key.shift_us > first)
    counted = is_day & begins_inside
    cut = dict(zip(streams[is_cut].tolist(), devices[is_cut].tolist(), strict=True))
    found = Counts(devices, streams, ordinals[at], n, failed)
    return found if counted.all() else found.at(counted), cut


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
    by_day = all_of.datastream_id.astype(np.int64) << _DAY_BITS | all_of.day
    all_of = all_of.at(np.argsort(by_day, kind="stable"))  # quick for what is nearly in order, as this is
    if np.any(all_of.device_id[1:] < all_of.device_id[:-1]):
        all_of = all_of.at(np.argsort(all_of.device_id, kind="stable"))
    same = (all_of.datastream_id[1:] == all_of.datastream_id[:-1]) & (all_of.day[1:] == all_of.day[:-1])
    if not same.any():
        return all_of
    first = np.flatnonzero(np.r_[True, ~same])
    return Counts(
        *(key[first] for key in all_of[:3]), *(np.add.reduceat(column, first) for column in all_of[3:])
    )
