"""How a verb reports: a table or lines for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.cells import cell_len

from cli.output import say, warn
from insitu.errors import InsituError
from insitu.spacing import Spacing

Kind = TypeVar("Kind")
Cell = str | int | datetime | None
NOTHING: Final = "–"


def show(document: object, lines: Iterable[str], *, as_json: bool) -> None:
    """Print the document, or lines with the same content."""
    if as_json:
        _write(document)
        return
    for line in lines:
        say(line)


def show_each(items: Iterable[Kind], line: Callable[[Kind], str], *, as_json: bool) -> list[Kind]:
    """Print each item as a line as soon as it is known, or all of them as one array. Returns the items."""
    shown = []
    for item in items:
        shown.append(item)
        if not as_json:
            say(line(item))
    if as_json:
        _write(shown)
    return shown


def show_table(
    rows: Sequence[Kind],
    columns: Mapping[str, Callable[[Kind], Cell]],
    *,
    empty: str,
    notes: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Print rows under the titles of `columns` and `notes` below, or as one array with all fields of each
    row; `empty` is the sentence if there are no rows.
    """
    show(rows, [*table(rows, columns), *notes] if rows else [empty], as_json=as_json)


def aside(as_json: bool) -> Callable[[str], None]:
    """A function for texts outside the report: on stderr if stdout has JSON."""
    return warn if as_json else say


def table(rows: Sequence[Kind], columns: Mapping[str, Callable[[Kind], Cell]]) -> Iterator[str]:
    """Aligned lines, the titles first; times in UTC."""
    values = [[read(row) for read in columns.values()] for row in rows]
    texts = [list(columns), *([_text(value) for value in line] for line in values)]
    widths = [max(cell_len(line[place]) for line in texts) for place in range(len(columns))]
    numeric = [all(isinstance(line[place], int) for line in values) for place in range(len(columns))]
    for line in texts:
        cells = [_padded(*cell) for cell in zip(line, widths, numeric, strict=True)]
        yield "  ".join(cells).rstrip()


def in_utc(when: datetime) -> str:
    """To the minute, without the zone."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M}"


def _text(value: Cell) -> str:
    """Text of a cell; control characters become �."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, datetime):
        return in_utc(value)
    words = " ".join(str(value).split())
    return "".join(letter if letter.isprintable() else "�" for letter in words)


def _padded(text: str, width: int, is_number: bool) -> str:
    gap = " " * (width - cell_len(text))
    return gap + text if is_number else text + gap


def jsonable(value: Any) -> Any:
    """`value` in JSON's types: fields by name, times as ISO 8601 in UTC, intervals as P1D, infinite and
    undefined numbers as null.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, BaseModel):
        return {name: jsonable(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Spacing):
        return str(value)
    if is_dataclass(value):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(part) for part in value]
    return to_jsonable_python(value)


def _write(document: object) -> None:
    """Writes UTF-8 whatever the terminal's encoding. Raises if it fails: unlike a line, a document must not
    be lost silently.
    """
    text = json.dumps(jsonable(document), ensure_ascii=False, allow_nan=False, indent=2)
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InsituError(f"The JSON could not be written: {error.strerror}.") from error
