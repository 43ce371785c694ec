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
from collections.abc import Iterator, Sequence
from typing import Any, Final

from insitu.errors import CorrectInput
from trials.package.contents import OnDisk
from trials.plan.reading import canonical

MOST_DEPTH: Final = 64
BLOCK_BYTES: Final = 1 << 20
NEWLINE: Final = b"\n"
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


def require_same(source: str, content: bytes, again: bytes, *, first: int = 1) -> None:
    """Raises NotCanonical with the first line that differs. `first`: the line that both begin with."""
    if content == again:
        return
    lines, others = content.split(b"\n"), again.split(b"\n")
    pairs = zip(lines, others, strict=False)
    ends = first + min(len(lines), len(others)) - 1
    line = next((n for n, (one, other) in enumerate(pairs, first) if one != other), ends)
    raise NotCanonical(f"{source}, line {line}: it is not in canonical form.")


def _text(source: str, content: bytes, first: int = 1) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(NEWLINE, 0, error.start) + first
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
    blocks = read_blocks(source, content, columns)
    return [row for first, block in blocks for row in read_block(source, block, columns, first)]


def read_blocks(
    source: str, content: bytes | OnDisk, columns: Sequence[str], *, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines below the header, each with the number of its first line, for `read_block`."""
    first = 1
    for block in _lines(source, content, block_bytes):
        rest = block
        if first == 1:
            header, _, rest = block.partition(NEWLINE)
            if _text(source, header) != ",".join(columns):
                raise NotCanonical(f"{source}, line 1: the header is not {','.join(columns)}.")
            first = 2
        if rest:
            yield first, rest
            first += rest.count(NEWLINE)


def _lines(source: str, content: bytes | OnDisk, block_bytes: int) -> Iterator[bytes]:
    """Blocks of whole lines, of at least `block_bytes` but for the last one. NotCanonical if the last line
    has no end.
    """
    chunks = iter([content]) if isinstance(content, bytes) else content.chunks()
    lines, rest = 0, b""
    for chunk in chunks:
        held, low = rest + chunk, 0
        while high := held.find(NEWLINE, low + block_bytes - 1) + 1:
            yield held[low:high]
            lines += held.count(NEWLINE, low, high)
            low = high
        rest = held[low:]
    if not rest.endswith(NEWLINE) and (rest or not lines):
        line = lines + rest.count(NEWLINE) + 1
        raise NotCanonical(f"{source}, line {line}: it does not end with a line end.")
    if rest:
        yield rest


def read_block(source: str, content: bytes, columns: Sequence[str], first: int) -> list[list[str]]:
    """Its rows. NotCanonical names the line that is not in the one way of writing it."""
    rows: list[list[str]] = []
    reader = csv.reader(_text(source, content, first)[:-1].split("\n"), strict=True)
    try:
        for row in reader:
            line = first + len(rows)
            rows.append(row)
            if len(row) != len(columns):
                raise NotCanonical(f"{source}, line {line}: {len(row)} cells instead of {len(columns)}.")
            if reader.line_num != len(rows):
                raise NotCanonical(f"{source}, line {line}: a cell goes on in the next line.")
    except csv.Error as error:
        raise NotCanonical(
            f"{source}, line {first + len(rows)}: it is no row of a table ({error})."
        ) from error
    require_same(source, content, table_bytes(None, rows), first=first)
    return rows


def table_bytes(columns: Sequence[str] | None, rows: Sequence[Sequence[object]]) -> bytes:
    """A CSV file with its header, or without one."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    if columns is not None:
        writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue().encode()
