"""Rows as dataclasses: columns by name, words of an enum as its members, by the annotation of the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from psycopg import Cursor
from psycopg.rows import RowMaker, class_row

Kind = TypeVar("Kind")


@cache
def _enums(kind: type) -> dict[str, type[Enum]]:
    """The fields of a `kind` that are annotated with an enum, or with an enum or None."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        for candidate in (hint, *get_args(hint)):
            if isinstance(candidate, type) and issubclass(candidate, Enum):
                found[name] = candidate
    return found


def rows_as(kind: type[Kind]) -> Callable[[Cursor[Any]], RowMaker[Kind]]:
    """A row factory. ValueError for a word that the enum does not have."""
    enums = _enums(kind)  # type: ignore[arg-type]  # a class is hashable
    if not enums:
        return class_row(kind)

    def factory(cursor: Cursor[Any]) -> RowMaker[Kind]:
        names = [column.name for column in cursor.description or ()]

        def make(values: Sequence[Any]) -> Kind:
            fields = dict(zip(names, values, strict=True))
            for name, enum in enums.items():
                if fields.get(name) is not None:
                    fields[name] = enum(fields[name])
            return kind(**fields)

        return make

    return factory
