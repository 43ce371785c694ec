"""One form for every file: what was read is written again, and the bytes must be the same.

Two readers then cannot see two things in one file: no second value of a key, no other digits, no other line
ends. Errors name file and line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from insitu.errors import CorrectInput
from trials.plan.reading import canonical

MOST_DEPTH: Final = 64
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class NotCanonical(CorrectInput):
    """A file is not in the one form that a package has."""


def written(document: Any) -> bytes:
    """JSON as the package has it where no other form is fixed: sorted keys, one space, a line end."""
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    return (text + "\n").encode()


def read_json(source: str, content: bytes, *, rfc8785: bool | None = False) -> dict[str, Any]:
    """The object in a JSON file, whose bytes must be those of `written`, or of RFC 8785; None: any bytes."""
    text = _text(source, content)
    _bound_depth(source, content)
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotCanonical(f"{source}, line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"{source} cannot be read ({error}).") from error
    if not isinstance(document, dict):
        raise NotCanonical(f"{source} cannot be read (it holds no JSON object).")
    if rfc8785 is None:
        return document
    try:
        again = canonical(document) if rfc8785 else written(document)
    except (ValueError, OverflowError) as error:  # rfc8785 refuses integers beyond 2^53; surrogates
        raise NotCanonical(f"{source} cannot be read ({error}).") from error
    require_same(source, content, again)
    return document


def require_same(source: str, content: bytes, again: bytes) -> None:
    """Raises NotCanonical with the first line that differs."""
    if content == again:
        return
    lines, others = content.split(b"\n"), again.split(b"\n")
    pairs = zip(lines, others, strict=False)
    line = next((n for n, (one, other) in enumerate(pairs, 1) if one != other), min(len(lines), len(others)))
    raise NotCanonical(f"{source}, line {line}: it is not in canonical form.")


def _text(source: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotCanonical(f"{source}, line {line}: it is not UTF-8.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _bound_depth(source: str, content: bytes) -> None:
    depth = 0
    for token in _TOKEN.finditer(content):
        sign = token.group()
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(sign, 0)
        if depth > MOST_DEPTH:
            line = content.count(b"\n", 0, token.start()) + 1
            raise NotCanonical(f"{source}, line {line}: too deeply nested.")


def read_table(source: str, content: bytes, columns: Sequence[str]) -> list[list[str]]:
    """The rows of a CSV file below its header, in the one way of writing them; row `n` is line `n + 2`."""
    text = _text(source, content)
    if not text.endswith("\n"):
        raise NotCanonical(f"{source}, line {text.count(chr(10)) + 1}: it does not end with a line end.")
    lines = text[:-1].split("\n")
    if lines[0] != ",".join(columns):
        raise NotCanonical(f"{source}, line 1: the header is not {','.join(columns)}.")
    rows = []
    reader = csv.reader(lines[1:], strict=True)
    try:
        for row in reader:
            rows.append(row)
            if len(row) != len(columns):
                raise NotCanonical(
                    f"{source}, line {len(rows) + 1}: {len(row)} cells instead of {len(columns)}."
                )
            if reader.line_num != len(rows):
                raise NotCanonical(f"{source}, line {len(rows) + 1}: a cell goes on in the next line.")
    except csv.Error as error:
        raise NotCanonical(f"{source}, line {len(rows) + 2}: it is no row of a table ({error}).") from error
    require_same(source, content, table_bytes(columns, rows))
    return rows


def table_bytes(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """A CSV file with its header."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue().encode()
