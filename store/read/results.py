"""Observations, for exports and for companies."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.database import Connection, rows
from store.queries import Queries


class _SQL(Queries, file="read/results"):
    own_observations: str
    export: str


@dataclass(frozen=True, slots=True)
class OwnObservation:
    phenomenon_time: datetime
    result: float
    received_at: datetime
    flag: int
    clock_quality: int


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
