"""Parquet: reads batch by batch, only the needed columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.files.rows import Row
from insitu.errors import CorrectInput

_AT_A_TIME = 4096


class ParquetTable:
    def __init__(self, path: Path) -> None:
        self._path, self._read, self._total = path, 0, 0
        try:
            with pq.ParquetFile(path) as file:
                schema, self._total = file.schema_arrow, int(file.metadata.num_rows)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error
        twice = [name for name in schema.names if schema.names.count(name) > 1]
        if twice:
            raise CorrectInput(
                f"{path} has more than one column {twice[0]!r}: columns need names of their own."
            )
        self._types = list(schema.types)
        self.header = list(schema.names)
        self.described = f"{self._total} rows"

    def _unreadable(self, error: Exception) -> CorrectInput:
        return CorrectInput(f"{self._path} cannot be read as Parquet: {str(error).splitlines()[0][:200]}")

    def done(self) -> float:
        return self._read / max(self._total, 1)

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        chosen = [i for i in range(len(self.header)) if wanted is None or i in wanted]
        chosen = [i for i in chosen if not pa.types.is_nested(self._types[i])]
        self._read = 0
        try:
            with pq.ParquetFile(self._path, pre_buffer=False, buffer_size=1 << 20) as file:
                for batch in file.iter_batches(
                    _AT_A_TIME, columns=[self.header[i] for i in chosen], use_threads=False
                ):
                    columns: list[list[Any]] = [[None] * len(batch)] * len(self.header)
                    for i in chosen:
                        columns[i] = _cells(batch.column(self.header[i]))
                    for cells in zip(*columns, strict=True):
                        self._read += 1
                        if any(cell is not None for cell in cells):
                            yield Row(self._read, cells)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error


def _cells(column: Any) -> list[Any]:
    """Python values: text, numbers, Decimals, dates; times in microseconds, those with a zone as UTC."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    elif pa.types.is_time64(kind):
        column = column.cast(pa.time64("us"), safe=False)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        column = column.cast(pa.string())
    elif pa.types.is_float16(kind):
        column = column.cast(pa.float64())
    cells: list[Any] = column.to_pylist()
    return cells
