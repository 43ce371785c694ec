"""Packed days as rows. Their summary is made with their columns, so it is never that of others."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Ints
from insitu.errors import ReportDefect
from insitu.model import ClockQuality, Flag
from insitu.times import to_datetime, to_us
from store.database import Connection, rows, run
from store.observations import copy_columns
from store.packed.codec import Columns, decode, encode, scale_of
from store.packed.digests import digests_of
from store.packed.reading import EPOCH_2000_US
from store.queries import Queries


class _SQL(Queries, file="packed/changing"):
    days_within: str
    days_of_keys: str
    newest_days: str
    partly_within: str
    take_days: str
    whole_days: str
    take_number: str
    note_results: str


_COPY: Final = (
    b"COPY packed_day (datastream_id, start_time, end_time, n, suspect, failed, unnumbered, first_received, "
    b"last_received, smallest, largest, total, columns) FROM STDIN (FORMAT binary)"
)
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_TRAILER: Final = struct.pack(">h", -1)
_SUSPECT, _FAILED = int(Flag.SUSPECT), int(Flag.FAIL)
_FILE, _CORRECTED = int(ClockQuality.FILE), int(ClockQuality.CORRECTED)
_ROW: Final = struct.Struct(">h" + "ii" + "iq" * 2 + "ii" * 4 + "iq" * 2 + "id" * 3 + "i")


@dataclass(frozen=True, slots=True)
class PackedDay:
    """Results of one datastream in `[start_time, end_time)`."""

    datastream_id: int
    start_time: datetime
    end_time: datetime
    columns: bytes

    def opened(self) -> Columns:
        return decode(self.columns)


class Summary(NamedTuple):
    """Of the results of a packed day."""

    n: int
    suspect: int
    failed: int
    unnumbered: int
    """From a file before imports had numbers."""
    first_received: datetime
    last_received: datetime
    smallest: float
    largest: float
    total: float


class NewDay(NamedTuple):
    """A day to be saved, in the place of the one that is there if it `replaces`. `scale`, `shift`: of the
    datastream.
    """

    datastream_id: int
    start_time: datetime
    end_time: datetime
    columns: Columns
    replaces: bool = False
    scale: float = 1.0
    shift: float = 0.0


def summary_of(columns: Columns) -> Summary:
    flags, received = columns.flag.tobytes(), columns.received_us
    with np.errstate(over="ignore"):  # the largest numbers may have no sum
        total = float(np.add.reduce(columns.result))
    return Summary(
        len(flags),
        flags.count(_SUSPECT),
        flags.count(_FAILED),
        _unnumbered(columns),
        to_datetime(int(np.minimum.reduce(received))),
        to_datetime(int(np.maximum.reduce(received))),
        float(np.minimum.reduce(columns.result)),
        float(np.maximum.reduce(columns.result)),
        total,
    )


def _unnumbered(columns: Columns) -> int:
    quality = columns.quality.tobytes()
    if not (quality.count(_FILE) or quality.count(_CORRECTED)):  # nearly always
        return 0
    from_file = (columns.quality == _FILE) | (columns.quality == _CORRECTED)
    return int(np.count_nonzero(from_file & (columns.import_id < 0)))


def encode_days(days: Iterable[NewDay]) -> bytes:
    """The rows that `save_days` writes, for callers with something else to do meanwhile."""
    return b"".join(map(_copied, days))


def save_days(conn: Connection, days: Sequence[NewDay], encoded: bytes | None = None) -> None:
    """Save packed days. ReportDefect if one that shall be replaced is not there."""
    old = [day for day in days if day.replaces]
    if old:
        _take(conn, [(day.datastream_id, day.start_time) for day in old])
    if days:
        content = encode_days(days) if encoded is None else encoded
        with conn.cursor().copy(_COPY) as copy:
            copy.write(_HEADER + content + _TRAILER)


def _copied(day: NewDay) -> bytes:
    """A row of a binary COPY: number of fields, then length and content of each, big-endian."""
    columns = encode(day.columns, scale=day.scale, shift=day.shift)
    about = summary_of(day.columns)
    start, end, first, last = (
        to_us(time) - EPOCH_2000_US
        for time in (day.start_time, day.end_time, about.first_received, about.last_received)
    )
    return (
        _ROW.pack(
            *(13, 4, day.datastream_id, 8, start, 8, end, 4, about.n, 4, about.suspect, 4, about.failed),
            *(4, about.unnumbered, 8, first, 8, last, 8, about.smallest, 8, about.largest, 8, about.total),
            len(columns),
        )
        + columns
    )


def _take(conn: Connection, keys: Sequence[tuple[int, datetime]]) -> None:
    numbers, starts = [number for number, _ in keys], [start for _, start in keys]
    if run(conn, _SQL.take_days, datastream_ids=numbers, starts=starts) != len(keys):
        raise ReportDefect("A packed day is gone that was to be changed. Please report it.")


def days_within(
    conn: Connection, datastream_ids: Sequence[int], firsts: Sequence[datetime], lasts: Sequence[datetime]
) -> list[PackedDay]:
    """Those that share time with one of the spans `[first, last]`, in order; locked until the transaction
    ends.
    """
    found = rows(
        conn,
        PackedDay,
        _SQL.days_within,
        datastream_ids=list(datastream_ids),
        firsts=list(firsts),
        lasts=list(lasts),
    )
    return list({(day.datastream_id, day.start_time): day for day in found}.values())


def days_of_keys(
    conn: Connection, datastream_ids: Sequence[int], times: Sequence[datetime]
) -> list[PackedDay]:
    """Those that may hold one of these keys, in order; locked until the transaction ends."""
    return rows(conn, PackedDay, _SQL.days_of_keys, datastream_ids=list(datastream_ids), times=list(times))


def raise_packed_flags(conn: Connection, datastream_id: int, times_us: Ints, flags: NDArray[np.int8]) -> None:
    """Give packed results of a datastream these flags, in place. `times_us`: at least one, in any order."""
    order = np.argsort(times_us)
    times, wanted = times_us[order], flags[order]
    first, last = to_datetime(int(times[0])), to_datetime(int(times[-1]))
    changed = []
    for day in days_within(conn, [datastream_id], [first], [last]):
        columns = day.opened()
        at = np.minimum(np.searchsorted(times, columns.time_us), len(times) - 1)
        flag = np.where(times[at] == columns.time_us, wanted[at], columns.flag).astype(np.int8)
        if np.any(flag != columns.flag):
            _note(conn, datastream_id, columns.at(flag != columns.flag))
            columns = columns._replace(flag=flag)
            kept = scale_of(day.columns)
            changed.append(NewDay(datastream_id, day.start_time, day.end_time, columns, True, *kept))
    save_days(conn, changed)


def note_whole_days(
    conn: Connection, datastream_ids: Sequence[int], since: datetime | None, until: datetime | None
) -> None:
    """Note what the packed results of `[since, until)` are, before whole days of them are erased. None:
    without an end.
    """
    run(conn, _SQL.take_number)
    span = {"since": since or "-infinity", "until": until or "infinity"}
    for number in datastream_ids:
        for day in rows(conn, PackedDay, _SQL.whole_days, datastream_id=number, **span):
            _note(conn, number, day.opened())


def _note(conn: Connection, datastream_id: int, columns: Columns) -> None:
    """As the triggers note what observations were, for the seals of their days."""
    run(conn, _SQL.take_number)
    times, was = [to_datetime(time) for time in columns.time_us.tolist()], digests_of(datastream_id, columns)
    run(conn, _SQL.note_results, datastream_id=datastream_id, times=times, was=was)


def unpack(conn: Connection, days: Iterable[PackedDay]) -> int:
    """Move packed days back among the observations, where everything may change them; returns how many
    results.

    The caller holds the turns of the trials (`store.quality.take_turn`), so that nothing packs meanwhile.
    """
    taken = list(days)
    if not taken:
        return 0
    _take(conn, [(day.datastream_id, day.start_time) for day in taken])
    moved = 0
    for day in taken:
        columns = day.opened()
        copy_columns(conn, day.datastream_id, columns)
        moved += len(columns.time_us)
    return moved


def unpack_newest(conn: Connection, datastream_ids: Sequence[int]) -> int:
    """Unpack what holds one of the newest 50 results of these datastreams: they always lie among the
    observations, where the latest result, its flag and the usual spacing are read. Call it after results are
    gone.
    """
    return unpack(conn, _newest(conn, datastream_ids, "infinity", "-infinity"))


def unpack_beside(
    conn: Connection, datastream_ids: Sequence[int], since: datetime | None, until: datetime | None
) -> int:
    """Unpack what must be among the observations before the span `[since, until)` is erased: days that lie
    partly in it, and the newest 50 results that will be left. None: without an end.
    """
    first, last = since or "-infinity", until or "infinity"
    partly = rows(
        conn, PackedDay, _SQL.partly_within, datastream_ids=list(datastream_ids), since=first, until=last
    )
    return unpack(conn, partly) + unpack(conn, _newest(conn, datastream_ids, first, last))


def _newest(
    conn: Connection, datastream_ids: Sequence[int], since: datetime | str, until: datetime | str
) -> list[PackedDay]:
    return rows(
        conn, PackedDay, _SQL.newest_days, datastream_ids=list(datastream_ids), since=since, until=until
    )
