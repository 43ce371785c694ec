"""Rows as dataclasses: columns by name, words of an enum as its members, by the annotation of the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from operator import itemgetter
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

    def factory(cursor: Cursor[Any]) -> RowMaker[Kind]:
        names = tuple(column.name for column in cursor.description or ())
        return _maker(kind, names) or class_row(kind)(cursor)  # type: ignore[arg-type]  # hashable

    return factory


@cache
def _maker(kind: Callable[..., Any], names: tuple[str, ...]) -> RowMaker[Any] | None:
    """Makes a row of these columns; None if there are none. A page reads thousands of rows, and arguments by
    place take a third of the time of arguments by name.
    """
    if not names:
        return None
    words = [
        (at, enum, {member.value: member for member in enum})
        for at, name in enumerate(names)
        if (enum := _enums(kind).get(name)) is not None
    ]
    make = _by_place(kind, names)

    def with_words(values: Sequence[Any]) -> Any:
        cells = list(values)
        for at, enum, members in words:
            if (cell := cells[at]) is not None:
                cells[at] = members.get(cell) or enum(cell)
        return make(cells)

    return with_words if words else make


def _by_place(kind: Callable[..., Any], names: tuple[str, ...]) -> RowMaker[Any]:
    """Makes a row of these columns, in any order; by name if fields with a default are left out between
    them.
    """
    of_kind = fields(kind) if is_dataclass(kind) else ()
    first = [field.name for field in of_kind if field.init and not field.kw_only][: len(names)]
    if first == list(names):
        return lambda values: kind(*values)
    if len(names) > 1 and sorted(first) == sorted(names):
        in_place = itemgetter(*map(names.index, first))
        return lambda values: kind(*in_place(values))
    return lambda values: kind(**dict(zip(names, values, strict=True)))
