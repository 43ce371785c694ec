"""The one reader of results: what `observation` and the packed days hold, as columns. Each call is one
statement, so it sees each result once, also while a day is packed or unpacked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Bools, Floats, Ints
from insitu.times import to_datetime, to_us
from store.database import Connection, run
from store.packed.codec import decode
from store.queries import Queries


class _SQL(Queries, file="packed/reading"):
    series: str
    by_day: str
    page: str
    in_order: str
    days_at: str
    hold_chunks: str


EPOCH_2000_US: Final = 946_684_800_000_000
_HEADER: Final = 19
"""Bytes before the first row of a binary COPY."""
_TRAILER: Final = 2
_ELEMENTS: Final = tuple(
    (np.dtype([("length", ">i4"), ("value", f">{kind}")]), np.dtype(f"={kind}"))
    for kind in ("i8", "f8", "i8", "i2", "i4")
)


class Part(NamedTuple):
    """Results of one datastream, in any order. Times in µs since 1970."""

    time_us: Ints
    result: Floats
    received_us: Ints
    flag: NDArray[np.int8]
    quality: NDArray[np.int8]

    def at(self, which: NDArray[Any] | slice) -> Part:
        return Part._make(column[which] for column in self)


NOTHING: Final = Part(
    np.zeros(0, np.int64),
    np.zeros(0),
    np.zeros(0, np.int64),
    np.zeros(0, np.int8),
    np.zeros(0, np.int8),
)


def hold_chunks(conn: Connection) -> None:
    """Let nobody pack chunks of TimescaleDB until the transaction ends. A reader whose snapshot is older than
    a packed chunk would miss its rows, so call this before the snapshot is taken.
    """
    run(conn, _SQL.hold_chunks)


def read_parts(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime, *, by_day: bool = False
) -> Iterator[tuple[int, Part]]:
    """The results of `[start, end)`: each datastream in some parts, in no order. `by_day`: quicker for many
    results; only for a bounded time.
    """
    parameters = {"datastream_ids": list(datastream_ids), "start": start, "end": end}
    yield from _parts(conn, _SQL.by_day if by_day else _SQL.series, parameters, start, end)


def read_series(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> dict[int, Part]:
    """Each datastream's results of `[start, end)`, in order of time."""
    parts: dict[int, list[Part]] = {number: [] for number in datastream_ids}
    for number, part in read_parts(conn, datastream_ids, start, end):
        parts[number].append(part)
    return {number: in_order(join(several)) for number, several in parts.items()}


def read_page(conn: Connection, datastream_id: int, start: datetime, end: datetime, most: int) -> Part:
    """The first `most` results of `[start, end)`, in order of time."""
    parameters = {"datastream_id": datastream_id, "start": start, "end": end, "most": most}
    parts = [part for _, part in _parts(conn, _SQL.page, parameters, start, end)]
    return in_order(join(parts)).at(slice(most))


def read_in_order(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> Iterator[tuple[int, Part]]:
    """The results of `[start, end)` by datastream and time, about a day at once, read as they are
    consumed.
    """
    parameters = {"datastream_ids": list(datastream_ids), "start": start, "end": end}
    first, last = to_us(start), to_us(end)
    waiting, of = NOTHING, -1
    for number, begins, part in _begun(conn, parameters):
        if number != of:
            if len(waiting.time_us):
                yield of, waiting
            waiting, of = NOTHING, number
        ready = waiting.time_us < begins
        if ready.any():
            yield number, waiting.at(ready)
        inside = part.at((part.time_us >= first) & (part.time_us < last))
        waiting = in_order(join([waiting.at(~ready), inside]))
    if len(waiting.time_us):
        yield of, waiting


def find_packed(conn: Connection, streams: Ints, times: Ints) -> tuple[Bools, Floats, Ints]:
    """(which of these keys are in packed days, their results there, their imports there, −1: none)."""
    found, results = np.zeros(len(streams), bool), np.zeros(len(streams))
    imports = np.full(len(streams), -1, np.int64)
    parameters = {"datastream_ids": streams.tolist(), "times": [to_datetime(t) for t in times.tolist()]}
    for number, record in conn.execute(_SQL.days_at.encode(), parameters).fetchall():
        day = decode(record)
        mine = np.flatnonzero((streams == number) & (times >= day.time_us[0]) & (times <= day.time_us[-1]))
        at = np.searchsorted(day.time_us, times[mine])
        same = day.time_us[at] == times[mine]
        found[mine[same]] = True
        results[mine[same]] = day.result[at[same]]
        imports[mine[same]] = day.import_id[at[same]]
    return found, results, imports


def join(parts: Sequence[Part]) -> Part:
    if len(parts) <= 1:
        return parts[0] if parts else NOTHING
    return Part._make(np.concatenate(column) for column in zip(*parts, strict=True))


def in_order(part: Part) -> Part:
    """Sorted by time; the same arrays if they are."""
    if np.all(part.time_us[1:] > part.time_us[:-1]):
        return part
    return part.at(np.argsort(part.time_us, kind="stable"))


def unpacked(record: bytes, start_us: int, end_us: int) -> Part:
    """The results of a packed day in `[start, end)`."""
    part = Part(*decode(record)[:5])
    if part.time_us[0] >= start_us and part.time_us[-1] < end_us:
        return part
    low, high = np.searchsorted(part.time_us, [start_us, end_us])
    return part.at(slice(low, high))


# -- the driver's side


def _parts(
    conn: Connection, statement: str, parameters: dict[str, Any], start: datetime, end: datetime
) -> Iterator[tuple[int, Part]]:
    first, last = to_us(start), to_us(end)
    hold_chunks(conn)  # a COPY takes its snapshot before it waits for a chunk
    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)".encode(), parameters) as copy,
    ):
        for number, _, arrays, record in _rows(copy):
            part = unpacked(record, first, last) if record is not None else _of_arrays(arrays)
            if len(part.time_us):
                yield number, part


def _of_arrays(arrays: Sequence[NDArray[Any]]) -> Part:
    times, results, received, codes = arrays
    return Part(
        times + EPOCH_2000_US,
        results,
        received + EPOCH_2000_US,
        (codes & 15).astype(np.int8),
        (codes >> 4).astype(np.int8),
    )


def read_streams(
    conn: Connection, statement: str, parameters: dict[str, Any]
) -> Iterator[tuple[int, list[NDArray[Any]]]]:
    """The rows of a statement: a datastream and arrays, int64, float64, int64 and int16 as in `series`, then
    times and int32; empty for null. Times count from 2000.
    """
    kinds = (*_ELEMENTS[:4], _ELEMENTS[0], _ELEMENTS[4])
    for number, *arrays in read_rows(conn, statement, parameters):
        (datastream_id,) = struct.unpack(">i", number or b"")
        yield datastream_id, [_array(one, *kind) for one, kind in zip(arrays, kinds, strict=True)]


def read_rows(conn: Connection, statement: str, parameters: dict[str, Any]) -> Iterator[list[bytes | None]]:
    """The rows of a statement, each value in the binary form of PostgreSQL. The driver would make an object
    of each element of an array, which takes longer than to count them.
    """
    result = conn.execute(statement.encode(), parameters, binary=True).pgresult
    assert result is not None  # the statement returns rows
    for row in range(result.ntuples):
        yield [result.get_value(row, at) for at in range(result.nfields)]


def int_array(content: bytes | None) -> NDArray[np.int32]:
    """Of integers in their binary form; empty for null."""
    return _array(content, *_ELEMENTS[4])


def time_array(content: bytes | None) -> Ints:
    """Of times in their binary form, in µs since 1970; empty for null."""
    return _array(content, *_ELEMENTS[0]) + EPOCH_2000_US


def _array(content: bytes | None, stored: np.dtype[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    """Of a binary array of one dimension; empty for null."""
    elements = 0 if content is None else struct.unpack_from(">i", content, 12)[0]
    return np.frombuffer(content or b"", stored, elements, 20 if elements else 0)["value"].astype(wanted)


def _rows(
    blocks: Iterable[bytes | bytearray | memoryview], *, begun: bool = False
) -> Iterator[tuple[int, int, list[NDArray[Any]], bytes | None]]:
    """(datastream, µs since 1970, arrays, record) of each row; the server sends each row as one block.
    `begun`: the rows have a time behind the datastream; else it is 0.
    """
    at = _HEADER  # the header comes with the first row
    for block in blocks:
        if len(block) - at <= _TRAILER:
            continue  # the last block; the copy ends after it
        (number,) = struct.unpack_from(">i", block, at + 6)
        at += 10
        begins = 0
        if begun:
            begins = struct.unpack_from(">q", block, at + 4)[0] + EPOCH_2000_US
            at += 12
        arrays = []
        for stored, wanted in _ELEMENTS[:4]:
            # Length of the field, then dimensions, nulls, type, elements, first index; then the elements,
            # each preceded by its length.
            (length,) = struct.unpack_from(">i", block, at)
            if length >= 0:
                (elements,) = struct.unpack_from(">i", block, at + 16)
                arrays.append(np.frombuffer(block, stored, elements, at + 24)["value"].astype(wanted))
            at += 4 + max(length, 0)
        (length,) = struct.unpack_from(">i", block, at)
        yield number, begins, arrays, bytes(block[at + 4 : at + 4 + length]) if length >= 0 else None
        at = 0


def _begun(conn: Connection, parameters: dict[str, Any]) -> Iterator[tuple[int, int, Part]]:
    """(datastream, µs before which no later part has a result, part)."""
    hold_chunks(conn)  # as in `_parts`
    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY ({_SQL.in_order}) TO STDOUT (FORMAT binary)".encode(), parameters) as copy,
    ):
        for number, begins, arrays, record in _rows(copy, begun=True):
            yield number, begins, _of_arrays(arrays) if record is None else Part(*decode(record)[:5])
