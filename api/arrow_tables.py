"""Observations as an Arrow stream or a Parquet file, written batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.database import Connection
from store.packed.reading import Part, join, read_in_order
from store.read.results import NAMES, StreamNames, name_streams

ROWS: Final = 65_536
"""Rows of a batch, and of a row group; about 2 MB."""
_TEXTS: Final = pa.dictionary(pa.int32(), pa.string())
_TIME: Final = pa.timestamp("us", tz="UTC")
SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, _TEXTS, nullable=False) for name in NAMES),
        pa.field("phenomenon_time", _TIME, nullable=False),
        pa.field("result", pa.float64(), nullable=False),
        pa.field("flag", pa.int8(), nullable=False),
        pa.field("received_at", _TIME, nullable=False),
    ]
)


def write_arrow(
    conn: Connection, streams: Sequence[int], start: datetime, end: datetime, file: IO[bytes]
) -> None:
    """As the streaming format of Arrow IPC."""
    with pa.ipc.new_stream(file, SCHEMA) as writer:
        for batch in _batches(conn, streams, start, end):
            writer.write_batch(batch)


def write_parquet(
    conn: Connection, streams: Sequence[int], start: datetime, end: datetime, file: IO[bytes]
) -> None:
    """As Parquet with zstd, one row group for each batch."""
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in _batches(conn, streams, start, end):
            writer.write_batch(batch)


def _batches(
    conn: Connection, streams: Sequence[int], start: datetime, end: datetime
) -> Iterator[pa.RecordBatch]:
    """Batches of about ROWS rows, read as they are consumed; by datastream and time."""
    names = name_streams(conn, streams)
    table = _Names(list(names.values()))
    place = {number: at for at, number in enumerate(names)}
    waiting: list[tuple[int, Part]] = []
    rows = 0
    for number, part in read_in_order(conn, list(names), start, end):
        waiting.append((place[number], part))
        rows += len(part.time_us)
        if rows >= ROWS:
            yield _batch(table, waiting)
            waiting, rows = [], 0
    if waiting:
        yield _batch(table, waiting)


class _Names:
    """The same dictionaries for all batches: for each column its texts, and the text of each datastream."""

    def __init__(self, named: Sequence[StreamNames]) -> None:
        columns = [[names[at] for names in named] for at in range(len(NAMES))]
        self._texts = [sorted(set(column)) for column in columns]
        self._of_stream = [
            np.array([texts.index(text) for text in column], np.int32)
            for texts, column in zip(self._texts, columns, strict=True)
        ]

    def columns(self, streams: np.ndarray[Any, np.dtype[np.int64]]) -> list[pa.Array]:
        return [
            pa.DictionaryArray.from_arrays(pa.array(of_stream[streams]), pa.array(texts, pa.string()))
            for texts, of_stream in zip(self._texts, self._of_stream, strict=True)
        ]


def _batch(table: _Names, parts: Sequence[tuple[int, Part]]) -> pa.RecordBatch:
    streams = np.repeat([place for place, _ in parts], [len(part.time_us) for _, part in parts])
    whole = join([part for _, part in parts])
    columns = [
        *table.columns(streams),
        pa.array(whole.time_us, _TIME),
        pa.array(whole.result),
        pa.array(whole.flag, pa.int8()),
        pa.array(whole.received_us, _TIME),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
