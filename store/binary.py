"""NumPy arrays, texts and bytes as parameters of statements, in PostgreSQL's binary format: a list costs the
driver about a microsecond for each element, an array of numbers nothing, one of texts a third of it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

EPOCH_2000_US: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01 UTC."""
_SIZE: Final = struct.Struct(">i").pack


@dataclass(frozen=True, slots=True)
class _Column:
    """One dimension; without nulls."""

    values: NDArray[Any]

    element: ClassVar[int]
    """OID of the type of an element."""
    form: ClassVar[str]

    def binary(self) -> bytes:
        """Dimensions, nulls, type, length, first index; then length and content of each element."""
        table = np.empty(len(self.values), np.dtype([("size", ">i4"), ("value", self.form)]))
        table["size"] = table.dtype["value"].itemsize
        table["value"] = self.encoded()
        return struct.pack(">iiIii", 1, 0, self.element, len(table), 1) + table.tobytes()

    def encoded(self) -> NDArray[Any]:
        return self.values


@dataclass(frozen=True, slots=True)
class _Pieces:
    """One dimension of values of any lengths; without nulls."""

    values: Sequence[Any]

    element: ClassVar[int]

    def binary(self) -> bytes:
        """As `_Column.binary`."""
        parts = [struct.pack(">iiIii", 1, 0, self.element, len(self.values), 1)]
        for value in self.encoded():
            parts += (_SIZE(len(value)), value)
        return b"".join(parts)

    def encoded(self) -> Sequence[bytes]:
        return self.values


class Int4s(_Column):
    """int[]"""

    element, form = 23, ">i4"


class Int8s(_Column):
    """bigint[]"""

    element, form = 20, ">i8"


class Float8s(_Column):
    """float8[]"""

    element, form = 701, ">f8"


class Times(_Column):
    """timestamptz[]; the values are µs since 1970."""

    element, form = 1184, ">i8"

    def encoded(self) -> NDArray[Any]:
        return self.values - EPOCH_2000_US


class Texts(_Pieces):
    """text[]"""

    element = 25

    def encoded(self) -> Sequence[bytes]:
        return [value.encode() for value in self.values]


class Byteas(_Pieces):
    """bytea[]"""

    element = 17


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Column | _Pieces) -> bytes:
        return obj.binary()


class _Int4sDumper(_ColumnDumper):
    oid = 1007


class _Int8sDumper(_ColumnDumper):
    oid = 1016


class _Float8sDumper(_ColumnDumper):
    oid = 1022


class _TimesDumper(_ColumnDumper):
    oid = 1185


class _TextsDumper(_ColumnDumper):
    oid = 1009


class _ByteasDumper(_ColumnDumper):
    oid = 1001


def register_columns(context: AdaptContext) -> None:
    """Let statements of this connection, or cursor, take columns."""
    context.adapters.register_dumper(Int4s, _Int4sDumper)
    context.adapters.register_dumper(Int8s, _Int8sDumper)
    context.adapters.register_dumper(Float8s, _Float8sDumper)
    context.adapters.register_dumper(Times, _TimesDumper)
    context.adapters.register_dumper(Texts, _TextsDumper)
    context.adapters.register_dumper(Byteas, _ByteasDumper)
