"""The packer's step: moves old results of some datastreams into packed days, in the caller's transaction.

It is safe beside everybody else. Those who change results hold the turn of their trial, without which nothing
is packed. Those who write earlier results than the latest hold the datastream's row of `datastream_latest`,
which the packer holds too; those who write later ones find `packed_to` there afterwards
(`store.observations`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Ints
from insitu.errors import ReportDefect
from insitu.times import to_datetime, to_us
from store.database import Connection, rows, run, scalar
from store.packed.codec import Columns
from store.packed.days import NewDay, days_within, save_days
from store.packed.reading import EPOCH_2000_US, read_arrays
from store.packed.spans import SLOW, Span, runs, spans_to_pack
from store.queries import Queries


class _SQL(Queries, file="packed/packing"):
    may_pack: str
    packable: str
    hold_streams: str
    count_before: str
    spans_beside: str
    take_out: str
    mark_packed: str
    limit_waiting: str
    moves_begin: str
    moves_end: str


_AT_ONCE: Final = 8
"""Datastreams that are held together: a writer of late results may wait for one of them."""


@dataclass(frozen=True, slots=True)
class Packable:
    """A datastream with results in `[first_time, until)` that may be packed."""

    datastream_id: int
    time_zone: str
    first_time: datetime
    until: datetime
    scale: float
    shift: float
    expected_s: float | None
    """Its interval, declared or reported."""
    half_s: float
    """From the time of a result to the middle of the interval that it stands for."""


class Step(NamedTuple):
    """`moved`: results; `seen`: datastreams; `idle`: those of them that had nothing to pack, or a writer."""

    moved: int
    seen: list[int]
    idle: list[int]


def may_pack(conn: Connection, trial: str) -> bool:
    """True if nobody changes results of the trial now; nobody will until the transaction ends. Bounds the
    transaction's waits for locks.
    """
    run(conn, _SQL.limit_waiting)
    return bool(scalar(conn, _SQL.may_pack, trial=trial))


def packable(conn: Connection, trial: str, before: datetime) -> list[Packable]:
    """Datastreams with results before a time that are none of their newest 50; some may have no whole span
    yet.
    """
    return rows(conn, Packable, _SQL.packable, trial=trial, before=before)


def pack(conn: Connection, streams: Sequence[Packable], *, most: int) -> Step:
    """Pack the oldest results of these datastreams, of as many of them as hold about `most` results. Skips
    those into which somebody writes.
    """
    days: list[NewDay] = []
    ends: dict[int, datetime] = {}
    seen: list[int] = []
    moved = 0
    run(conn, _SQL.moves_begin)
    for first in range(0, len(streams), _AT_ONCE):
        known = {one.datastream_id: one for one in streams[first : first + _AT_ONCE]}
        held = conn.execute(_SQL.hold_streams.encode(), {"datastream_ids": list(known)}).fetchall()
        seen += known
        for (number,) in held:
            found, count = _packed(conn, known[number], most)
            days += found
            moved += count
            if found:
                ends[number] = max(day.end_time for day in found)
        if moved >= most:
            break
    run(conn, _SQL.moves_end)
    save_days(conn, days)
    if ends:
        mark_packed(conn, ends)
    return Step(moved, seen, [number for number in seen if number not in ends])


def mark_packed(conn: Connection, ends: Mapping[int, datetime]) -> None:
    """Tell writers up to where these datastreams are packed."""
    run(conn, _SQL.mark_packed, datastream_ids=list(ends), ends=list(ends.values()))


def _packed(conn: Connection, one: Packable, most: int) -> tuple[list[NewDay], int]:
    """Take the oldest results of a datastream out, at most about `most` of them: (the days that hold them
    now, how many moved).
    """
    spans, there = _spans(conn, one, most)
    days: list[NewDay] = []
    moved = 0
    for start, end in runs(spans):
        taken = _take_out(conn, one.datastream_id, start, end)
        moved += len(taken.time_us)
        days += _days(conn, one, [span for span in spans if start <= span[0] < end], there, taken)
    return days, moved


def _spans(conn: Connection, one: Packable, most: int) -> tuple[list[Span], set[Span]]:
    """(spans whose results are packed now, spans that are packed already)."""
    first, until = to_us(one.first_time), to_us(one.until)
    keys = {"datastream_id": one.datastream_id, "first": one.first_time, "until": one.until}
    if one.expected_s is None:
        count = float(scalar(conn, _SQL.count_before, **keys))
    else:
        count = (until - first) / (one.expected_s * 1e6)
    beside = conn.execute(_SQL.spans_beside.encode(), keys).fetchall()
    there = [(to_us(start), to_us(end)) for start, end in beside]
    spans = spans_to_pack(
        first,
        until,
        there,
        is_slow=86_400e6 * count <= SLOW * (until - first),
        zone=one.time_zone,
        shift_us=round(one.half_s * 1e6),
    )
    longest = (until - first) * most / max(count, 1.0)
    some = [span for number, span in enumerate(spans) if number == 0 or span[1] <= first + longest]
    return some, set(there)


def _take_out(conn: Connection, number: int, start: int, end: int) -> Columns:
    """Delete results and return them, in order of time."""
    parameters = {"datastream_id": number, "first": to_datetime(start), "until": to_datetime(end)}
    times, results, received, codes, imports = read_arrays(conn, _SQL.take_out, parameters)
    order = np.argsort(times, kind="stable")
    return Columns(
        times[order] + EPOCH_2000_US,
        results[order],
        received[order] + EPOCH_2000_US,
        (codes[order] & 15).astype(np.int8),
        (codes[order] >> 4).astype(np.int8),
        imports[order].astype(np.int32),
    )


def _days(
    conn: Connection, one: Packable, spans: Sequence[Span], there: set[Span], taken: Columns
) -> list[NewDay]:
    """The results by span, with those that a packed day has already."""
    edges = np.searchsorted(taken.time_us, [span[0] for span in spans]).tolist()
    parts = {
        span: taken.at(slice(low, high))
        for span, low, high in zip(spans, edges, [*edges[1:], len(taken.time_us)], strict=True)
        if high > low
    }
    starts = [to_datetime(span[0]) for span in parts if span in there]
    before = days_within(conn, [one.datastream_id] * len(starts), starts, starts) if starts else []
    known = {(to_us(day.start_time), to_us(day.end_time)): day for day in before}
    days = []
    for span, part in parts.items():
        day = known.get(span)
        columns = part if day is None else _merged(day.opened(), part)
        start, end = map(to_datetime, span)
        days.append(NewDay(one.datastream_id, start, end, columns, day is not None, one.scale, one.shift))
    return days


def _merged(some: Columns, others: Columns) -> Columns:
    pairs: zip[tuple[NDArray[Any], NDArray[Any]]] = zip(some, others, strict=True)
    both = Columns._make(np.concatenate(pair) for pair in pairs)
    both = both.at(np.argsort(both.time_us, kind="stable"))
    times: Ints = both.time_us
    if np.any(times[1:] == times[:-1]):
        raise ReportDefect(
            "A result is among the observations and in a packed day: `insitu check` names the day. "
            "Please report it."
        )
    return both
