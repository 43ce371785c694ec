"""CSV as loggers and spreadsheets write it: one of four delimiters, an optional byte-order mark, lines above
the header, a row of units, comments.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
import re
from collections import deque
from collections.abc import Collection, Iterator
from typing import TextIO

from ingest.files.containers import Container
from ingest.files.head import (
    MOST_HEAD_LINES,
    Head,
    is_head,
    is_units_row,
    logger_format,
    refuse_data,
    units_above,
)
from ingest.files.mapping import FileMap
from ingest.files.rows import Row
from insitu.errors import CorrectInput

_DELIMITERS = {";": "semicolon", "\t": "tab", ",": "comma", "|": "bar"}
_MOST_LINES = 50
"""Limit for one row, whose quoted cells may contain line ends."""
_LONGEST_LINE = 262_144
CAMPBELL_MISSING = ("-7999",)
_COMMENT = re.compile(r"#(?!N/A|NV|VALUE|REF|DIV|NUM|NULL|NAME)")
"""A comment; not an error of a spreadsheet, such as #N/A."""
_OPEN = re.compile(r'^(?:[^"]|"[^"]*")*(?:^|[,;\t|])"[^"]*$')
"""A quoted cell that does not end in its line."""
_CLOSED = re.compile(r'[^"]*"\s*(?:[,;\t|]|$)')
_MOST_BREAKS = 4
_NOT_DECODED = re.compile("[\udc80-\udcff]")


def _line(file: TextIO) -> str:
    try:
        return file.readline(_LONGEST_LINE)
    except UnicodeError as error:  # UTF-16 only: with other encodings undecodable bytes stay in the line
        raise CorrectInput(f"The file is not {file.encoding}: {error}. Say --encoding.") from error


class _Lines:
    """Lines for csv.reader that can be put back: an unclosed quotation mark must not swallow the following
    rows.
    """

    def __init__(self, file: TextIO) -> None:
        self._file, self._back = file, deque[str]()
        self.taken: list[str] = []
        self.number = 1
        """Line number of the first line in `taken`."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.taken) == _MOST_LINES:
            raise StopIteration
        line = self._back.popleft() if self._back else _line(self._file)
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def next_row(self, *, give_back: bool = False) -> None:
        """Finish a row of all taken lines, or, with `give_back`, of the first line only."""
        if give_back:
            self._back.extendleft(reversed(self.taken[1:]))
            del self.taken[1:]
        self.number += len(self.taken)
        self.taken = []


class TextFile:
    """Reads the head at construction; raises CorrectInput if there is none."""

    serial_format = ""
    missing: tuple[str, ...]

    def __init__(self, container: Container, said: FileMap) -> None:
        self._container, self._said, self._read = container, said, 0
        self._path = container.path
        self._encoding = {"utf-8": "utf-8-sig", "": self._find_encoding()}.get(said.encoding, said.encoding)
        lines = self._first_lines()
        head = self._find_head(lines)
        self._skipped = head.line + head.below + (0 if said.names else 1)
        self._breaks = _breaks(lines[: self._skipped])
        line = lines[head.line] if head.line < len(lines) else ""
        self._require_line(line, head.line + 1)
        self._require_decoded(lines[: head.line + 1 + head.below + 1])
        self._delimiter = said.delimiter or _delimiter(line, lines[head.line + 1 :])
        self.header = said.names or [" ".join(cell.split()) for cell in self._cells(line)]
        if len(self.header) < 2:
            raise CorrectInput(
                f"{self._path}: line {head.line + 1} has one column only: {line[:60].strip()!r}. Say "
                "--delimiter (space for blanks), or --skip-lines if the header is further down."
            )
        if not said.names:
            refuse_data(self._path, self.header, head.line + 1)
        self.units = self._find_units(lines, head)
        is_below = bool(self.units)
        if is_below and not head.units and not said.units_row:
            self._skipped += 1
        if not is_below:
            self.units = units_above([self._cells(line) for line in lines[: head.line]], self.header)
        self._comments = not self.header[0].startswith("#")
        self.above = [*lines[: head.line], *self._comments_below(lines[self._skipped :])]
        self.head = frozenset(one.strip("\ufeff \t\r\n;,") for one in [*lines[: self._skipped], *self.above])
        self.notes: dict[int, str] = {}
        self.described, self.missing = self._describe(head, is_below=is_below), head.missing

    def _describe(self, head: Head, *, is_below: bool) -> str:
        parts = [
            f"{'blanks' if self._delimiter == ' ' else _DELIMITERS[self._delimiter]} between cells",
            self._encoding,
            "no header, names as given" if self._said.names else f"header in line {head.line + 1}",
        ]
        if head.described:
            parts.insert(0, head.described)
        if self._container.described:
            parts.insert(0, self._container.described)
        if self.units:
            parts.append(f"units in line {head.line + 2}" if is_below else "units above the header")
        if self._comments and any(_COMMENT.match(line) for line in self.above[head.line :]):
            parts.append("lines that begin with # are comments")
        return ", ".join(parts)

    def _require_line(self, line: str, number: int) -> None:
        if not line.strip():
            raise CorrectInput(
                f"{self._path}: line {number} is empty; it should be the header. Say --skip-lines."
            )

    def _require_decoded(self, lines: list[str]) -> None:
        if any(_NOT_DECODED.search(line) for line in lines):
            raise CorrectInput(
                f"{self._path}: the header is not {self._encoding}. Say --encoding cp1252 (as Excel "
                f"writes it) "
                "or utf-16."
            )

    def _cells(self, line: str) -> list[str]:
        return _split(line, self._delimiter)

    def _first_lines(self) -> list[str]:
        with self._open() as file:
            lines = list(
                itertools.islice(
                    iter(functools.partial(_line, file), ""), self._said.skip_lines + MOST_HEAD_LINES
                )
            )
        return lines if self._said.skip_lines else _joined(lines)

    def _find_head(self, lines: list[str]) -> Head:
        said = self._said
        if lines and logger_format(_split(lines[0], ","), self._path):
            return Head(1, 2, ("",), "TOA5", CAMPBELL_MISSING)
        if said.skip_lines or said.names:
            return Head(said.skip_lines, said.skip_after + said.units_row)
        found = next((at for at, line in enumerate(lines) if self._is_head(line, lines[at + 1 :])), 0)
        return Head(found, said.skip_after + said.units_row)

    def _is_head(self, line: str, following: list[str]) -> bool:
        if (
            line.lstrip().startswith("#")
            and not self._said.time_columns
            and not line.lstrip().startswith(('#"', "#,", "#;", "#\t"))
        ):
            return False
        delimiter = self._said.delimiter or _delimiter(line, following)
        return is_head(_split(line, delimiter), self._said)

    def _find_units(self, lines: list[str], head: Head) -> list[str]:
        """Cells of the row of units: where the user or TOA5 says, or below the header if it has units
        only.
        """
        said, below = self._said, lines[head.line + 1 :]
        if not below or said.names:
            return []
        cells = [cell.strip() for cell in self._cells(below[0])]
        if head.units or said.units_row or is_units_row(cells, self.header):
            return [*cells, *("" for _ in self.header)][: len(self.header)]
        return []

    def _comments_below(self, lines: list[str]) -> list[str]:
        """Those above the first row; further down a comment may hold for some rows only."""
        if not self._comments:
            return []
        above = itertools.takewhile(lambda line: not line.strip() or _COMMENT.match(line), lines)
        return [line for line in above if line.strip()]

    def _open(self) -> TextIO:
        return io.TextIOWrapper(
            self._container.open(),
            encoding=self._encoding,
            errors="surrogateescape",
            newline="",
        )

    def _find_encoding(self) -> str:
        with self._container.open() as file:
            start = file.read(2)
        return "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"

    def done(self) -> float:
        return min(1.0, self._read / max(self._container.size, 1))

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        with self._open() as file:
            lines = _Lines(file)
            for _ in range(self._skipped + self._breaks):
                if next(lines, None) is None:
                    return
                lines.next_row()
            one_blank = map(_one_blank, lines) if self._delimiter == " " else lines
            reader = csv.reader(one_blank, delimiter=self._delimiter)
            while True:
                row = self._row(reader, lines, wanted)
                if row is None:
                    return
                self._read = file.buffer.tell()
                if self._comments and _COMMENT.match(row.text):
                    if row.text.strip(" \t;,") not in self.head:
                        self.notes[row.number] = row.text
                    continue
                if not row.text.strip("\0 \t\r\n"):
                    continue
                if row.problem or any(cell.strip() for cell in row.cells):
                    yield row

    def _row(self, reader: Iterator[list[str]], lines: _Lines, wanted: Collection[int] | None) -> Row | None:
        """The next row; None at the end of the file. A comment may contain line ends; a time or result that
        does has an unclosed quotation mark.
        """
        width, number = len(self.header), lines.number
        try:
            cells = next(reader)
        except StopIteration:
            return None
        except csv.Error:
            cells = []
        taken = lines.taken
        if len(taken) > 1 and (len(cells) != width or len(taken) == _MOST_LINES or _broken(cells, wanted)):
            text = taken[0]
            lines.next_row(give_back=True)
            return Row(number, [], text.rstrip("\r\n"), "A quotation mark is not closed in this line.")
        text, is_open = "".join(taken).rstrip("\r\n"), not taken[-1].endswith(("\n", "\r"))
        lines.next_row()
        if "\0" in text:
            problem = "It has zero bytes, as a line that was not wholly written: it may be cut."
            return Row(number, [], text, problem)
        if len(cells) != width:
            if not "".join(cells).strip():
                return Row(number, [], text)
            if len(cells) < width or "".join(cells[width:]).strip():
                return Row(number, [], text, f"It has {len(cells)} cells where the header has {width}.")
            del cells[width:]
        if not text.isascii() and _NOT_DECODED.search(text):
            return Row(
                number,
                [],
                text,
                f"It is not {self._encoding}: say --encoding cp1252, or whatever the file is in.",
            )
        return Row(number, cells, text, is_open=is_open)


def _joined(lines: list[str]) -> list[str]:
    """Lines as one where the first begins a quoted cell and a later one ends it: a name with a line end."""
    found: list[str] = []
    while lines:
        sizes = range(2, min(_MOST_BREAKS + 1, len(lines)) + 1) if _OPEN.search(lines[0]) else ()
        size = next((size for size in sizes if _is_one(lines[:size])), 1)
        found.append("".join(lines[:size]))
        lines = lines[size:]
    return found


def _is_one(lines: list[str]) -> bool:
    return not _OPEN.search("".join(lines)) and _CLOSED.match(lines[-1]) is not None


def _breaks(lines: list[str]) -> int:
    """How many more lines an editor shows."""
    return sum(line.rstrip("\r\n").replace("\r\n", "\n").count("\n") for line in lines)


def _broken(cells: list[str], wanted: Collection[int] | None) -> bool:
    return any(
        "\n" in cells[index] or "\r" in cells[index]
        for index in (range(len(cells)) if wanted is None else wanted)
    )


def _split(line: str, delimiter: str) -> list[str]:
    """The cells of one line; a line that is too long for a table is one cell."""
    try:
        line = _one_blank(line) if delimiter == " " else line
        return next(csv.reader(line.splitlines(keepends=True), delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _one_blank(line: str) -> str:
    return " ".join(line.split())


def _delimiter(line: str, following: list[str]) -> str:
    """The delimiter that splits the header into the most cells, and a row below it into as many."""
    rows = [row for row in following[:5] if row.strip()]

    def judge(delimiter: str) -> tuple[bool, int]:
        width = _width(line, delimiter)
        return width > 1 and (not rows or any(_width(row, delimiter) == width for row in rows)), width

    return max(_DELIMITERS, key=judge)


def _width(line: str, delimiter: str) -> int:
    """Cells without empty ones at the end."""
    cells = _split(line, delimiter)
    while cells and not cells[-1].strip():
        cells.pop()
    return len(cells)
