"""Observations, for exports and for companies."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any, Final, NamedTuple

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from insitu.model import Flag
from insitu.times import to_datetime, to_us
from store.database import Connection
from store.packed.reading import Part, read_in_order, read_page, read_series
from store.queries import Queries


class _SQL(Queries, file="read/results"):
    names: str


_MOST_MEAN: Final = 1e290
"""From there on a sum may be no number any more."""
_LOWEST, _HIGHEST = -20.0, 30.0
"""Bels of a result that can be a level."""
_MOST_TURNED: Final = 1e9
"""From there on a direction has no digits left."""


class Bucket(NamedTuple):
    """`[at, at + width)` of one datastream. `mean` None: beyond what a number holds; `energy`: the mean of
    10^(L/decade), None where no result can be a level; `cosine`, `sine`: the mean vector of directions, None
    where there are none.
    """

    datastream_id: int
    at: datetime
    smallest: float
    largest: float
    mean: float | None
    energy: float | None
    cosine: float | None
    sine: float | None
    n: int
    suspect: int
    """Results with that flag."""
    failed: int


@dataclass(frozen=True, slots=True)
class OwnObservation:
    phenomenon_time: datetime
    result: float
    received_at: datetime
    flag: int
    clock_quality: int


@dataclass(frozen=True, slots=True)
class Charted:
    """A datastream whose buckets are asked for. `decade`: how far a level grows with ten times the power;
    `turn`: a full circle of a direction; None if it is no such thing. `to_middle_us`: from the time of a
    result to the middle of its interval, by which it is drawn.
    """

    datastream_id: int
    decade: float | None
    turn: float | None
    to_middle_us: int = 0


def list_buckets(
    conn: Connection, streams: Sequence[Charted], start: datetime, end: datetime, width: timedelta
) -> list[Bucket]:
    """Those that hold a result, by datastream and time."""
    number = -(-(end - start) // width)
    edges = to_us(start) + (width // timedelta(microseconds=1)) * np.arange(number + 1, dtype=np.int64)
    return list_buckets_between(conn, streams, edges, end)


def list_buckets_between(
    conn: Connection, streams: Sequence[Charted], edges: Ints, end: datetime | None = None
) -> list[Bucket]:
    """The same for buckets between neighbouring edges (µs, at least two); results before `end`."""
    asked = {one.datastream_id: one for one in streams}
    start, last = to_datetime(int(edges[0])), to_datetime(int(edges[-1]))
    found: list[Bucket] = []
    ats = [to_datetime(edge) for edge in edges.tolist()]
    for number, one in sorted(asked.items()):
        shift = timedelta(microseconds=one.to_middle_us)
        part = read_series(conn, [number], start - shift, min(last, end or last) - shift)[number]
        if len(part.time_us):
            found += _buckets(one, part._replace(time_us=part.time_us + one.to_middle_us), edges, ats)
    return found


def list_single_results(
    conn: Connection, datastream_id: int, start: datetime, end: datetime, most: int, *, to_middle_us: int = 0
) -> list[Bucket] | None:
    """Each result of `[start, end)` as a bucket of its own, at the middle of its interval; None if there are
    more than `most`.
    """
    shift = timedelta(microseconds=to_middle_us)
    part = read_page(conn, datastream_id, start - shift, end - shift, most + 1)
    if len(part.time_us) > most:
        return None
    return [
        Bucket(
            datastream_id=datastream_id,
            at=to_datetime(time + to_middle_us),
            smallest=result,
            largest=result,
            mean=result,
            energy=None,
            cosine=None,
            sine=None,
            n=1,
            suspect=int(flag == Flag.SUSPECT),
            failed=int(flag == Flag.FAIL),
        )
        for time, result, flag in zip(
            part.time_us.tolist(), part.result.tolist(), part.flag.tolist(), strict=True
        )
    ]


def _buckets(one: Charted, part: Part, edges: Ints, ats: Sequence[datetime]) -> list[Bucket]:
    """Of results in order of time, at least one. `ats`: the edges."""
    numbers = np.searchsorted(edges, part.time_us, side="right") - 1
    firsts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    result, counted = part.result, np.diff(np.r_[firsts, len(numbers)])
    smallest, largest = np.minimum.reduceat(result, firsts), np.maximum.reduceat(result, firsts)
    size = np.abs(result)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduceat(result, firsts) / counted
    mean[np.maximum.reduceat(size, firsts) >= _MOST_MEAN] = np.nan
    energy = cosine = sine = None
    if one.decade is not None:
        bels = result / one.decade
        usable = (bels >= _LOWEST) & (bels <= _HIGHEST)
        energy = _mean_where(usable, 10.0 ** np.where(usable, bels, 0.0), firsts)
    if one.turn is not None:
        usable = size < _MOST_TURNED
        angle = 2 * np.pi * np.where(usable, result, 0.0) / one.turn
        cosine = _mean_where(usable, np.cos(angle), firsts)
        sine = _mean_where(usable, np.sin(angle), firsts)
    suspect = np.add.reduceat((part.flag == Flag.SUSPECT).astype(int), firsts)
    failed = np.add.reduceat((part.flag == Flag.FAIL).astype(int), firsts)
    columns: list[Iterable[Any]] = [
        repeat(one.datastream_id),
        map(ats.__getitem__, numbers[firsts].tolist()),
        smallest.tolist(),
        largest.tolist(),
        *(_known(some) for some in (mean, energy, cosine, sine)),
        counted.tolist(),
        suspect.tolist(),
        failed.tolist(),
    ]
    return list(map(Bucket, *columns))


def _known(means: Floats | None) -> Iterable[float | None]:
    """None for what is no number; without end where there are none."""
    if means is None:
        return repeat(None)
    if not np.isnan(means).any():
        known: list[float | None] = means.tolist()
        return known
    return [None if math.isnan(mean) else mean for mean in means.tolist()]


def _mean_where(usable: Bools, numbers: Floats, firsts: Ints) -> Floats:
    """The mean of the usable numbers of each bucket; NaN where there is none."""
    count = np.add.reduceat(usable.astype(int), firsts)
    total = np.add.reduceat(np.where(usable, numbers, 0.0), firsts)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def list_own_observations(
    conn: Connection, datastream_id: int, start: datetime, end: datetime, *, after: datetime | None, most: int
) -> list[OwnObservation]:
    begin = start if after is None else max(start, after + timedelta(microseconds=1))
    page = read_page(conn, datastream_id, begin, end, most)
    return [
        OwnObservation(to_datetime(time), result, to_datetime(received), flag, quality)
        for time, result, received, flag, quality in zip(*(column.tolist() for column in page), strict=True)
    ]


class StreamNames(NamedTuple):
    """Names of a datastream in an export."""

    trial: str
    device: str
    datastream: str
    property: str
    unit: str


NAMES: Final = StreamNames._fields


def name_streams(conn: Connection, datastream_ids: Sequence[int]) -> dict[int, StreamNames]:
    """By number, in the order of `datastream_ids`; an unknown number is left out."""
    found = conn.execute(_SQL.names.encode(), {"datastream_ids": list(datastream_ids)}).fetchall()
    named = {number: StreamNames(*names) for number, *names in found}
    return {number: named[number] for number in datastream_ids if number in named}


def export_observations(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> Generator[tuple[Any, ...], None, None]:
    """(trial, device, datastream, property, unit, phenomenon_time, result, flag, received_at), read as they
    are consumed.
    """
    names = name_streams(conn, datastream_ids)
    for number, part in read_in_order(conn, list(names), start, end):
        for time, result, received, flag, _ in zip(*(column.tolist() for column in part), strict=True):
            yield *names[number], to_datetime(time), result, flag, to_datetime(received)
