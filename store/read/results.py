"""Observations, for exports and for companies."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from store.database import Connection, rows
from store.queries import Queries


class _SQL(Queries, file="read/results"):
    buckets: str
    own_observations: str
    export: str


@dataclass(frozen=True, slots=True)
class Bucket:
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
    `turn`: a full circle of a direction; None if it is no such thing.
    """

    datastream_id: int
    decade: float | None
    turn: float | None


def list_buckets(
    conn: Connection, streams: Sequence[Charted], start: datetime, end: datetime, width: timedelta
) -> list[Bucket]:
    """Those that hold a result, by datastream and time."""
    return rows(
        conn,
        Bucket,
        _SQL.buckets,
        datastream_ids=[one.datastream_id for one in streams],
        decades=[one.decade for one in streams],
        turns=[one.turn for one in streams],
        start=start,
        end=end,
        width=width,
    )


def list_own_observations(
    conn: Connection, datastream_id: int, start: datetime, end: datetime, *, after: datetime | None, most: int
) -> list[OwnObservation]:
    return rows(
        conn,
        OwnObservation,
        _SQL.own_observations,
        datastream_id=datastream_id,
        start=start,
        end=end,
        after=after,
        most=most,
    )


def export_observations(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> Generator[tuple[Any, ...], None, None]:
    """(trial, device, datastream, property, unit, phenomenon_time, result, flag, received_at), read as they
    are consumed.
    """
    with conn.cursor() as cursor:
        yield from cursor.stream(
            _SQL.export.encode(),
            {"datastream_ids": list(datastream_ids), "start": start, "end": end},
            size=1000,
        )
