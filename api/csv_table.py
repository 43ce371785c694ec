"""Observations as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import IO, Final

from insitu.times import to_rfc3339
from store.database import Connection
from store.read.results import NAMES, export_observations
from trials.package.rows import safe_cell

COLUMNS: Final = (*NAMES, "phenomenon_time", "result", "flag", "received_at")
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LINES_AT_ONCE: Final = 1000

Write = Callable[[Connection, Sequence[int], datetime, datetime, IO[bytes]], None]
"""(connection, datastreams, start, end, file): writes the observations of `[start, end)` as one table."""


def write_csv(
    conn: Connection, streams: Sequence[int], start: datetime, end: datetime, file: IO[bytes]
) -> None:
    """In UTF-8, by datastream and time."""
    file.writelines(text.encode() for text in csv_blocks(conn, streams, start, end))


def csv_blocks(conn: Connection, streams: Sequence[int], start: datetime, end: datetime) -> Iterator[str]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    with closing(export_observations(conn, streams, start, end)) as found:
        for number, (*names, phenomenon_time, result, flag, received_at) in enumerate(found, start=1):
            writer.writerow(
                [
                    *map(safe_cell, names),
                    to_rfc3339(phenomenon_time),
                    repr(result),
                    flag,
                    to_rfc3339(received_at),
                ]
            )
            if number % _LINES_AT_ONCE == 0:
                yield text.getvalue()
                text.seek(0)
                text.truncate()
    yield text.getvalue()
