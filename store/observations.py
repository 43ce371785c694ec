"""Observations: written by COPY and merge, read as arrays. The caller owns the transaction.

Call `merge` once in a transaction: its staging table is empty only at the beginning of one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Bools, Floats, Ints
from insitu.errors import AlreadyExists, RetryLater
from insitu.model import ClockQuality, Flag, Observation
from insitu.times import LAST, to_us
from store.binary import EPOCH_2000_US, Float8s, Int4s, Times
from store.database import Connection, rows, run, scalar
from store.packed.codec import Columns
from store.packed.reading import find_packed, read_series
from store.queries import Queries


class _SQL(Queries, file="observations"):
    make_staging: str
    merge: str
    earlier_results: str
    newest_of: str
    hold: str
    touch_latest: str
    latest_of: str
    count: str
    first_receipt: str
    settle: str


_NEVER_US = 2**62
"""For a datastream without results: it has no row whose absence proves that nobody else is starting it right
now.
"""
_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_PART: Final = 131_072
"""Bytes of a COPY that are sent at a time: the server works on them for some milliseconds."""
Meanwhile = Callable[[], None]


def nothing() -> None: ...


# One row of a binary COPY: number of fields, then length and content of each, big-endian.
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("n1", ">i4"),
        ("ordinal", ">i4"),
        ("n2", ">i4"),
        ("datastream_id", ">i4"),
        ("n3", ">i4"),
        ("time", ">i8"),
        ("n4", ">i4"),
        ("result", ">f8"),
        ("n5", ">i4"),
        ("received", ">i8"),
        ("n6", ">i4"),
        ("quality", ">i2"),
    ]
)
_STRAIGHT = np.dtype(
    [
        ("fields", ">i2"),
        ("n1", ">i4"),
        ("datastream_id", ">i4"),
        ("n2", ">i4"),
        ("time", ">i8"),
        ("n3", ">i4"),
        ("result", ">f8"),
        ("n4", ">i4"),
        ("received", ">i8"),
        ("n5", ">i4"),
        ("quality", ">i2"),
        ("n6", ">i4"),
        ("flag", ">i2"),
    ]
)
_STRAIGHT_IMPORTED = np.dtype([*_STRAIGHT.descr, ("n7", ">i4"), ("import_id", ">i4")])


@dataclass(frozen=True, slots=True)
class Merged:
    """Result of a batch: `duplicate` and `conflicting` are indexes into it; the others were stored."""

    stored: int
    duplicate: list[int]
    conflicting: list[int]


class Rows(NamedTuple):
    """Observations as columns of one length; times in µs since 1970."""

    streams: Ints
    times: Ints
    results: Floats
    received: Ints
    quality: Floats

    def at(self, which: NDArray[Any]) -> Rows:
        return Rows(*(column[which] for column in self))


@dataclass(frozen=True, slots=True)
class Series:
    """One datastream in order of time; times in µs since 1970."""

    time_us: Ints
    result: Floats
    received_us: Ints
    flag: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Latest:
    datastream_id: int
    phenomenon_time: datetime
    result: float
    received_at: datetime


def rows_of(observations: Sequence[Observation]) -> Rows:
    """The same observations as columns."""
    flat = np.fromiter(chain.from_iterable(observations), np.float64, len(observations) * 5)
    table = flat.reshape(-1, 5)  # exact: ids and microseconds are far below 2^53
    streams, times, received = (table[:, column].astype(np.int64) for column in (0, 1, 3))
    return Rows(streams, times, table[:, 2], received, table[:, 4])


def merge(conn: Connection, observations: Sequence[Observation], import_id: int | None = None) -> Merged:
    """`merge_rows` of observations in order of arrival."""
    return merge_rows(conn, rows_of(observations), import_id)


def merge_rows(
    conn: Connection, given: Rows, import_id: int | None = None, meanwhile: Meanwhile = nothing
) -> Merged:
    """Store new observations. First write wins on (datastream, time), within the batch, in the order of
    `given`, and against stored rows. `import_id`: the import that brought them. `meanwhile`: called now and
    then while the server works on rows; it must not use the connection, and raise nothing.
    """
    if not len(given.streams):
        return Merged(0, [], [])
    order = np.lexsort(
        (given.times, given.streams)
    )  # stable: of equal keys, the first in the batch stays first
    batch = given.at(order)
    streams, times, results, _, _ = batch
    again = np.zeros(len(order), bool)
    again[1:] = (streams[1:] == streams[:-1]) & (times[1:] == times[:-1])
    kept = ~again
    newer, old = _newer(conn, streams, times)
    newer &= kept
    packed, packed_results = _packed(conn, batch, old & kept)
    if newer.any() and not _copied(conn, batch.at(newer), import_id, meanwhile):
        newer[:] = False
    staged = np.flatnonzero(kept & ~newer & ~packed)
    met = _merged(conn, staged, batch.at(staged), import_id) if len(staged) else []
    stored = int(np.count_nonzero(kept & ~packed)) - len(met)
    if stored == len(order):  # nearly always
        _touch_latest(conn, batch, results, old)
        return Merged(stored, [], [])
    stands, late = results.copy(), again | packed
    stands[packed] = packed_results[packed]
    for ordinal, earlier in _earlier(conn, met):
        stands[ordinal], late[ordinal] = earlier, True
    # Every other result of a key is compared with the stored one, even if that one came later in the batch.
    stands = stands[np.maximum.accumulate(np.where(kept, np.arange(len(order)), 0))]
    same = results == stands
    if stored:
        _touch_latest(conn, batch, stands, old)
    return Merged(stored, order[late & same].tolist(), order[late & ~same].tolist())


def _newer(conn: Connection, streams: Ints, times: Ints) -> tuple[Bools, Bools]:
    """(those later than everything stored of their datastream, so that no row with their key can exist, and
    later than its sealed days; those before `packed_to`, whose key may be in a packed day). Input sorted by
    datastream.
    """
    starts = np.flatnonzero(np.r_[True, streams[1:] != streams[:-1]])
    parameters = {"datastream_ids": Int4s(streams[starts])}
    newest = np.full(len(starts), _NEVER_US, np.int64)
    packed_to = np.full(len(starts), -_NEVER_US, np.int64)
    for at, newest_us, packed_to_us, _ in conn.execute(_SQL.newest_of.encode(), parameters, binary=True):
        newest[at - 1] = newest_us
        if packed_to_us is not None:
            packed_to[at - 1] = packed_to_us
    lengths = np.diff(np.r_[starts, len(streams)])
    old = times < np.repeat(packed_to, lengths)
    return (times > np.repeat(newest, lengths)) & ~old, old


def _packed(conn: Connection, batch: Rows, old: Bools) -> tuple[Bools, Floats]:
    """(which results have a packed one with their key, and those). Nothing packs their datastreams until the
    transaction ends.
    """
    found, results = np.zeros(len(old), bool), np.zeros(len(old))
    if old.any():
        run(conn, _SQL.hold, datastream_ids=np.unique(batch.streams[old]).tolist())
        found[old], results[old], _ = find_packed(conn, batch.streams[old], batch.times[old])
    return found, results


def _copied(conn: Connection, new: Rows, import_id: int | None, meanwhile: Meanwhile) -> bool:
    """COPY them directly into the table, at a third of the cost of a merge. False if another writer stored
    one of them first.
    """
    try:
        with conn.transaction():  # a savepoint, because the transaction has already read
            copy_straight(conn, *new, import_id=import_id, meanwhile=meanwhile)
    except AlreadyExists:
        return False
    return True


def _merged(conn: Connection, ordinals: Ints, new: Rows, import_id: int | None) -> list[int]:
    """Sorted by key; returns the ordinals that met an earlier row."""
    staged = np.empty(len(ordinals), _ROW)
    staged["fields"] = 6
    for name, width in (("n1", 4), ("n2", 4), ("n3", 8), ("n4", 8), ("n5", 8), ("n6", 2)):
        staged[name] = width
    staged["ordinal"], staged["datastream_id"] = ordinals, new.streams
    staged["time"], staged["received"] = new.times - EPOCH_2000_US, new.received - EPOCH_2000_US
    staged["result"], staged["quality"] = new.results, new.quality
    run(conn, _SQL.make_staging)
    with conn.cursor().copy("COPY observation_staging FROM STDIN (FORMAT binary)") as copy:
        copy.write(_HEADER + staged.tobytes() + _TRAILER)
    return [n for (n,) in conn.execute(_SQL.merge.encode(), {"import_id": import_id})]


def _earlier(conn: Connection, met: list[int]) -> list[tuple[int, float]]:
    """Ordinal and stored result of each row that met one."""
    if not met:
        return []
    found = conn.execute(_SQL.earlier_results.encode(), {"ordinals": met}).fetchall()
    if len(found) < len(met):  # erased or withdrawn since: the batch is merged once more
        raise RetryLater("A stored result was taken out at this moment: nothing is lost, try again.")
    return found


def _touch_latest(conn: Connection, batch: Rows, results: Floats, old: Bools) -> None:
    """Update what is known of the latest results. RetryLater if some of the batch may have been packed since
    the batch was compared with what is stored: `old` were compared with packed days too.
    """
    streams, times, _, received, _ = batch
    starts = np.flatnonzero(np.r_[True, streams[1:] != streams[:-1]])
    ends = np.r_[starts[1:], len(streams)] - 1
    unseen = np.minimum.reduceat(np.where(old, to_us(LAST), times), starts)
    packed = scalar(
        conn,
        _SQL.touch_latest,
        datastream_ids=Int4s(streams[starts]),
        times=Times(times[ends]),
        results=Float8s(results[ends]),
        received=Times(np.maximum.reduceat(received, starts)),
        firsts=Times(times[starts]),
        unseen=Times(unseen),
    )
    if packed:
        raise RetryLater("Results of that time were packed in this moment. Storing them again helps.")


def series(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> dict[int, Series]:
    """Each datastream's observations in `[start, end)`; an empty Series if there are none."""
    found = read_series(conn, datastream_ids, start, end)
    return {
        number: Series(part.time_us, part.result, part.received_us, part.flag)
        for number, part in found.items()
    }


def copy_columns(conn: Connection, datastream_id: int, columns: Columns) -> None:
    """COPY all that is known of results of one datastream into the table; raises AlreadyExists for an
    existing key.
    """
    numbered = columns.import_id >= 0
    for which in (numbered, ~numbered):
        if which.any():
            some = columns.at(which)
            copy_straight(
                conn,
                np.full(len(some.time_us), datastream_id),
                some.time_us,
                some.result,
                some.received_us,
                some.quality,
                some.flag,
                some.import_id if which is numbered else None,
            )


def copy_straight(
    conn: Connection,
    streams: Ints,
    times_us: Ints,
    results: Floats,
    received_us: Ints,
    quality: Floats | NDArray[np.int8] | ClockQuality = ClockQuality.DEVICE,
    flags: NDArray[np.int8] | None = None,
    import_id: int | NDArray[np.int32] | None = None,
    meanwhile: Meanwhile = nothing,
) -> None:
    """Binary COPY directly into the table, without a merge; raises AlreadyExists for an existing key. `insitu
    bench` also fills tables with it.

    `flags`: as the checks would set them; None: not checked.
    """
    table = np.empty(len(streams), _STRAIGHT if import_id is None else _STRAIGHT_IMPORTED)
    table["fields"], table["quality"] = 6, quality
    table["flag"] = Flag.NOT_EVALUATED if flags is None else flags
    for name, width in (("n1", 4), ("n2", 8), ("n3", 8), ("n4", 8), ("n5", 2), ("n6", 2)):
        table[name] = width
    table["datastream_id"], table["result"] = streams, results
    table["time"], table["received"] = times_us - EPOCH_2000_US, received_us - EPOCH_2000_US
    columns = "datastream_id, phenomenon_time, result, received_at, clock_quality, flag"
    if import_id is not None:
        table["fields"], table["n7"], table["import_id"], columns = 7, 4, import_id, f"{columns}, import_id"
    content = memoryview(_HEADER + table.tobytes() + _TRAILER)
    with conn.cursor().copy(f"COPY observation ({columns}) FROM STDIN (FORMAT binary)".encode()) as copy:
        for start in range(0, len(content), _PART):
            copy.write(content[start : start + _PART])
            meanwhile()


def settle(conn: Connection) -> None:
    """Vacuum and analyse now, as autovacuum would within a minute. Ends the transaction; the vacuum runs
    outside of one.
    """
    conn.commit()
    conn.autocommit = True
    try:
        run(conn, _SQL.settle)
    finally:
        conn.autocommit = False


def first_receipt(conn: Connection, trial: str) -> datetime | None:
    """Time of receipt of a trial's first stored observation."""
    return cast("datetime | None", scalar(conn, _SQL.first_receipt, trial=trial))


def latest_of(conn: Connection, datastream_ids: Sequence[int]) -> list[Latest]:
    return rows(conn, Latest, _SQL.latest_of, datastream_ids=list(datastream_ids))


def count(conn: Connection) -> int:
    return int(scalar(conn, _SQL.count))
