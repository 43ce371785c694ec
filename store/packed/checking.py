"""Compares packed days with their summaries, with each other and with the observations beside them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np

from insitu.times import to_us
from store.database import Connection, run
from store.packed.codec import Columns, Damaged, decode
from store.packed.days import Summary, summary_of
from store.queries import Queries


class _SQL(Queries, file="packed/checking"):
    all_days: str
    sizes: str
    settle: str


def find_wrong_days(conn: Connection, *, most: int = 20) -> list[str]:
    """A sentence for each packed day that is not as it was written, at most `most`."""
    wrong: list[str] = []
    before: tuple[int, datetime] | None = None
    with conn.cursor() as cursor:
        for number, start, end, packed_to, beside, record, *kept in cursor.stream(_SQL.all_days.encode()):
            day = f"datastream {number}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
            overlaps = before is not None and before[0] == number and before[1] > start
            before = number, end
            if len(wrong) < most:
                problems = [*_problems(record, Summary(*kept), start, end, beside)]
                if overlaps:
                    problems.append("it begins before another packed day ends")
                if packed_to is None or packed_to < end:
                    problems.append("the datastream is marked as packed only up to an earlier time")
                wrong += [f"{day}: {problem}" for problem in problems]
    return wrong[:most]


def measure_bytes(conn: Connection) -> tuple[int, int]:
    """Of the observations and of the packed days, with indexes."""
    ((hot, packed),) = conn.execute(_SQL.sizes.encode()).fetchall()
    return int(hot), int(packed)


def settle(conn: Connection) -> None:
    """Vacuum and analyse both now, as autovacuum would within a minute. Ends the transaction."""
    conn.commit()
    conn.autocommit = True
    try:
        run(conn, _SQL.settle)
    finally:
        conn.autocommit = False


def _problems(
    record: bytes, kept: Summary, start: datetime, end: datetime, beside: list[datetime] | None
) -> Iterator[str]:
    try:
        columns = decode(record)
    except Damaged as error:
        yield str(error)
        return
    yield from _summary(columns, kept)
    times = columns.time_us
    if np.any(times[1:] <= times[:-1]):
        yield "its results are out of order"
    if times[0] < to_us(start) or times[-1] >= to_us(end):
        yield "it holds results of another time"
    twice = np.isin([to_us(time) for time in beside or ()], times)
    if twice.any():
        yield f"{int(twice.sum())} of its results are among the observations too"


def _summary(columns: Columns, kept: Summary) -> Iterator[str]:
    for name, there, made in zip(Summary._fields, kept, summary_of(columns), strict=True):
        if not _same(there, made):
            yield f"its summary says {name} {there}, its results {made}"


def _same(there: Any, made: Any) -> bool:
    return bool(there == made or (there != there and made != made))  # two sums that are no numbers
