"""The packer's step: moves old results of some datastreams into packed days, in the caller's transaction.

It is safe beside everybody else. Those who change results hold the turn of their trial, without which nothing
is packed. Those who write earlier results than the latest hold the datastream's row of `datastream_latest`,
which the packer holds too; those who write later ones find `packed_to` there afterwards
(`store.observations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Ints
from insitu.errors import ReportDefect, RetryLater
from insitu.times import to_datetime, to_us
from store.binary import Int4s, Times
from store.database import Connection, rows, run, scalar
from store.packed.codec import Columns
from store.packed.days import NewDay, PackedDay, days_within, encode_days, save_days
from store.packed.reading import EPOCH_2000_US, read_streams
from store.packed.spans import SLOW, Span, runs, spans_to_pack
from store.queries import Queries


class _SQL(Queries, file="packed/packing"):
    may_pack: str
    packable: str
    hold_streams: str
    counts_before: str
    spans_beside: str
    to_pack: str
    take_out: str
    mark_packed: str
    limit_waiting: str
    moves_begin: str
    moves_end: str


_AT_ONCE: Final = 64
"""Datastreams whose results are counted together, until they are enough."""
_DAY, _MONTH = timedelta(days=1), timedelta(days=31)
_JOINED: Final = 50
"""Results that are packed in the time in which one joins a day that is packed already."""


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
    packed_to: datetime | None
    """Earlier results came late, and join a packed day."""


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


def packable(
    conn: Connection, trial: str, before: datetime, *, after: int = 0, most: int | None = None
) -> list[Packable]:
    """Datastreams with results before a time that are none of their newest 50; some may have no whole span
    yet. In order: the first `most` behind the datastream `after`.
    """
    return rows(conn, Packable, _SQL.packable, trial=trial, before=before, after=after, most=most)


def pack(conn: Connection, streams: Sequence[Packable], *, most: int) -> Step:
    """Pack the oldest results of these datastreams, of as many of them as hold about `most` results. Skips
    those into which somebody writes.
    """
    chosen, spans = _first_of(conn, streams, most)
    held = {number for (number,) in conn.execute(_SQL.hold_streams.encode(), _numbers(chosen)).fetchall()}
    plans = _plans(conn, [one for one in chosen if one.stream.datastream_id in held], spans)
    taken, stretches = _read(conn, plans)
    days = _days(conn, plans, taken)
    with ThreadPoolExecutor(1) as beside:  # the server deletes while this process encodes
        encoded = beside.submit(encode_days, days)
        _take_out(conn, stretches)
        save_days(conn, days, encoded.result())
    ends: dict[int, datetime] = {}
    for day in days:
        ends[day.datastream_id] = max(day.end_time, ends.get(day.datastream_id, day.end_time))
    if ends:
        mark_packed(conn, ends)
    seen = [one.stream.datastream_id for one in chosen]
    return Step(sum(plan.moved for plan in plans), seen, [number for number in seen if number not in ends])


def mark_packed(conn: Connection, ends: Mapping[int, datetime]) -> None:
    """Tell writers up to where these datastreams are packed."""
    run(conn, _SQL.mark_packed, datastream_ids=list(ends), ends=list(ends.values()))


class _Counted(NamedTuple):
    stream: Packable
    is_slow: bool
    """Whether it is packed by month."""
    work: float
    """Of packing one span, in results: one that joins a packed day counts for many."""


@dataclass(slots=True)
class _Plan:
    """`spans`: whose results are packed now; `beside`: spans that are packed already. `moved` results."""

    stream: Packable
    spans: list[Span]
    beside: set[Span]
    moved: int = 0


def _first_of(conn: Connection, streams: Sequence[Packable], most: int) -> tuple[list[_Counted], float]:
    """(the first of these datastreams, how many spans of each make about `most` results together). Few spans
    of many datastreams, because results of one time lie together on disk.
    """
    chosen: list[_Counted] = []
    work = 0.0
    for first in range(0, len(streams), _AT_ONCE):
        for one in _counted(conn, streams[first : first + _AT_ONCE]):
            chosen.append(one)
            work += one.work
            if work >= most:
                return chosen, 1.0
    return chosen, most / max(work, 1.0)


def _counted(conn: Connection, streams: Sequence[Packable]) -> list[_Counted]:
    counts = _counts(conn, [(one, one.until) for one in streams if one.expected_s is None])
    packed = {one.datastream_id: max(one.packed_to or one.first_time, one.first_time) for one in streams}
    late = _counts(
        conn, [(one, end) for one in streams if (end := packed[one.datastream_id]) > one.first_time]
    )
    found = []
    for one in streams:
        number, whole = one.datastream_id, one.until - one.first_time
        count = counts.get(number, 0.0)
        if one.expected_s is not None:
            count = whole.total_seconds() / one.expected_s
        fresh = count * max((one.until - packed[number]) / whole, 0.0)
        is_slow = _DAY * count <= SLOW * whole
        spans = max(whole / (_MONTH if is_slow else _DAY), 1.0)
        found.append(_Counted(one, is_slow, (fresh + _JOINED * late.get(number, 0.0)) / spans))
    return found


def _counts(conn: Connection, ends: Sequence[tuple[Packable, datetime]]) -> dict[int, float]:
    """Results of each datastream from its first to its end here."""
    if not ends:
        return {}
    parameters = _spans_of([one for one, _ in ends]) | {"untils": [end for _, end in ends]}
    return dict(conn.execute(_SQL.counts_before.encode(), parameters).fetchall())


def _plans(conn: Connection, chosen: Sequence[_Counted], most: float) -> list[_Plan]:
    """The spans to pack of each, about `most` of them; without those that have no whole span yet."""
    beside: dict[int, list[Span]] = {one.stream.datastream_id: [] for one in chosen}
    times = _spans_of([one.stream for one in chosen])
    for number, start, end in conn.execute(_SQL.spans_beside.encode(), times).fetchall():
        beside[number].append((to_us(start), to_us(end)))
    plans = []
    for one, is_slow, _ in chosen:
        there = beside[one.datastream_id]
        first, until = to_us(one.first_time), to_us(one.until)
        found = spans_to_pack(
            first,
            until,
            there,
            is_slow=is_slow,
            zone=one.time_zone,
            shift_us=round(one.half_s * 1e6),
        )
        longest = most * (_MONTH if is_slow else _DAY).total_seconds() * 1e6
        some = [span for number, span in enumerate(found) if number == 0 or span[1] <= first + longest]
        if some:
            plans.append(_Plan(one, some, set(there)))
    return plans


def _read(
    conn: Connection, plans: Sequence[_Plan]
) -> tuple[dict[int, list[Columns]], list[tuple[dict[str, Any], int]]]:
    """(the results of each datastream, in order of time within each of its runs; parameters of statements
    about all of them, each with the number of its results).

    All datastreams with the same run are read, and deleted, at once, because results of one time lie together
    on disk. Nothing changes them meanwhile.
    """
    together: dict[Span, list[int]] = {}
    for plan in plans:
        for span in runs(plan.spans):
            together.setdefault(span, []).append(plan.stream.datastream_id)
    taken: dict[int, list[Columns]] = {plan.stream.datastream_id: [] for plan in plans}
    stretches = []
    for (start, end), numbers in sorted(together.items()):
        parameters: dict[str, Any] = {
            "datastream_ids": Int4s(np.array(numbers)),
            "first": to_datetime(start),
            "until": to_datetime(end),
        }
        found = 0
        for number, arrays in read_streams(conn, _SQL.to_pack, parameters):
            columns = _columns(arrays)
            taken[number].append(columns)
            found += len(columns.time_us)
        stretches.append((parameters, found))
    return taken, stretches


def _take_out(conn: Connection, stretches: Sequence[tuple[dict[str, Any], int]]) -> None:
    """Delete what was read. RetryLater if it is not the same number any more."""
    run(conn, _SQL.moves_begin)
    for parameters, found in stretches:
        if run(conn, _SQL.take_out, **parameters) != found:
            raise RetryLater("Results came while they were packed. Nothing is lost: they are packed later.")
    run(conn, _SQL.moves_end)


def _columns(arrays: Sequence[NDArray[Any]]) -> Columns:
    """In order of time."""
    times, results, received, codes, numbered, numbers = arrays
    if np.any(times[1:] < times[:-1]):
        order = np.argsort(times, kind="stable")
        times, results, received, codes = (one[order] for one in (times, results, received, codes))
    imports = np.full(len(times), -1, np.int32)
    imports[np.searchsorted(times, numbered)] = numbers
    return Columns(
        times + EPOCH_2000_US,
        results,
        received + EPOCH_2000_US,
        (codes & 15).astype(np.int8),
        (codes >> 4).astype(np.int8),
        imports,
    )


def _days(conn: Connection, plans: Sequence[_Plan], taken: Mapping[int, Sequence[Columns]]) -> list[NewDay]:
    """The results by span, with those that a packed day has already."""
    parts: list[tuple[_Plan, Span, Columns]] = []
    for plan in plans:
        for columns in taken[plan.stream.datastream_id]:
            plan.moved += len(columns.time_us)
            edges = np.searchsorted(columns.time_us, list(chain.from_iterable(plan.spans)))
            pairs = edges.reshape(-1, 2).tolist()
            parts += [
                (plan, span, columns.at(slice(low, high)))
                for span, (low, high) in zip(plan.spans, pairs, strict=True)
                if high > low
            ]
    known = _beside(conn, [(plan, span) for plan, span, _ in parts if span in plan.beside])
    days = []
    for plan, (start, end), part in parts:
        one = plan.stream
        day = known.get((one.datastream_id, start, end))
        columns = part if day is None else _merged(day.opened(), part)
        days.append(
            NewDay(
                one.datastream_id,
                to_datetime(start),
                to_datetime(end),
                columns,
                day is not None,
                one.scale,
                one.shift,
            )
        )
    return days


def _beside(conn: Connection, spans: Sequence[tuple[_Plan, Span]]) -> dict[tuple[int, int, int], PackedDay]:
    """The packed days of these spans, by datastream, start and end."""
    if not spans:
        return {}
    numbers = [plan.stream.datastream_id for plan, _ in spans]
    starts = [to_datetime(start) for _, (start, _) in spans]
    return {
        (day.datastream_id, to_us(day.start_time), to_us(day.end_time)): day
        for day in days_within(conn, numbers, starts, starts)
    }


def _numbers(chosen: Iterable[_Counted]) -> dict[str, Any]:
    return {"datastream_ids": Int4s(np.array([one.stream.datastream_id for one in chosen], np.int64))}


def _spans_of(streams: Sequence[Packable]) -> dict[str, Any]:
    """Parameters of a statement about the time of each of these datastreams."""
    return {
        "datastream_ids": Int4s(np.array([one.datastream_id for one in streams], np.int64)),
        "firsts": Times(np.array([to_us(one.first_time) for one in streams], np.int64)),
        "untils": Times(np.array([to_us(one.until) for one in streams], np.int64)),
    }


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
