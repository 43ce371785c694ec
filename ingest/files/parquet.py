"""Parquet: reads batch by batch, only the needed columns."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.files.containers import Container
from ingest.files.rows import Row
from insitu.errors import CorrectInput

_AT_A_TIME = 4096


class ParquetTable:
    serial_format = ""
    missing: tuple[str, ...] = ()

    def __init__(self, container: Container) -> None:
        self._path, self._read, self._total = container.path, 0, 0
        self._content = io.BytesIO(container.read_all()) if container.described else None
        path = self._path
        try:
            with pq.ParquetFile(self._content or path) as file:
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
        self.above: list[str] = []
        self.head: frozenset[str] = frozenset()
        self.notes: dict[int, str] = {}
        self.units = _stated_units(schema)
        self.described = ", ".join(part for part in (container.described, f"{self._total} rows") if part)

    def _unreadable(self, error: Exception) -> CorrectInput:
        return CorrectInput(f"{self._path} cannot be read as Parquet: {str(error).splitlines()[0][:200]}")

    def done(self) -> float:
        return self._read / max(self._total, 1)

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        chosen = [i for i in range(len(self.header)) if wanted is None or i in wanted]
        chosen = [i for i in chosen if not pa.types.is_nested(self._types[i])]
        self._read = 0
        try:
            with pq.ParquetFile(self._content or self._path, pre_buffer=False, buffer_size=1 << 20) as file:
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


def _stated_units(schema: Any) -> list[str]:
    """The unit in each column's own description, as pandas and others write it; empty if no column has
    one.
    """
    described = [schema.field(name).metadata or {} for name in schema.names]
    units = [
        next((one[key].decode("utf-8", "replace") for key in (b"unit", b"units") if key in one), "")
        for one in described
    ]
    return units if any(units) else []


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
