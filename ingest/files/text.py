"""CSV as loggers and spreadsheets write it: one of four delimiters, an optional byte-order mark, lines above
the header, a row of units.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TextIO

from ingest.files.mapping import FileMap
from ingest.files.rows import Row
from insitu.errors import CorrectInput

_DELIMITERS = {";": "semicolon", "\t": "tab", ",": "comma", "|": "bar"}
_MOST_LINES = 50
"""Limit for one row, whose quoted cells may contain line ends."""
_LONGEST_LINE = 262_144
_NOT_DECODED = re.compile("[\udc80-\udcff]")


def _line(file: TextIO) -> str:
    try:
        return file.readline(_LONGEST_LINE)
    except UnicodeError as error:  # UTF-16 only: with other encodings undecodable bytes stay in the line
        raise CorrectInput(f"{file.name} is not {file.encoding}: {error}. Say --encoding.") from error


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
    """Reads the header at construction; raises CorrectInput if there is none."""

    def __init__(self, path: Path, said: FileMap) -> None:
        self._path, self._said, self._read = path, said, 0
        self._size = max(path.stat().st_size, 1)
        self._encoding = {"utf-8": "utf-8-sig", "": _encoding(path)}.get(said.encoding, said.encoding)
        with self._open() as file:
            for _ in range(said.skip_lines):
                _line(file)
            line = _line(file)
        if not line.strip():
            raise CorrectInput(
                f"{path}: line {said.skip_lines + 1} is empty; it should be the header. Say --skip-lines."
            )
        if _NOT_DECODED.search(line):
            raise CorrectInput(
                f"{path}: the header is not {self._encoding}. Say --encoding cp1252 (as Excel writes it) or "
                "utf-16."
            )
        self._delimiter = said.delimiter or _delimiter(line)
        self.header = [cell.strip() for cell in next(csv.reader([line], delimiter=self._delimiter))]
        if len(self.header) < 2:
            raise CorrectInput(
                f"{path}: line {said.skip_lines + 1} has one column only: {line[:60]!r}. Say --delimiter, "
                "or --skip-lines if the "
                "header is further down."
            )
        self.described = (
            f"{_DELIMITERS[self._delimiter]} between cells, {self._encoding}, header in line "
            f"{said.skip_lines + 1}"
        )

    def _open(self) -> TextIO:
        return self._path.open(encoding=self._encoding, errors="surrogateescape", newline="")

    def done(self) -> float:
        return self._read / self._size

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        with self._open() as file:
            lines = _Lines(file)
            for _ in range(self._said.skip_lines + 1 + self._said.units_row):
                if next(lines, None) is None:
                    return
                lines.next_row()
            reader = csv.reader(lines, delimiter=self._delimiter)
            while True:
                row = self._row(reader, lines, wanted)
                if row is None:
                    return
                self._read = file.buffer.tell()
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
        text = "".join(taken).rstrip("\r\n")
        lines.next_row()
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
        return Row(number, cells, text)


def _broken(cells: list[str], wanted: Collection[int] | None) -> bool:
    return any(
        "\n" in cells[index] or "\r" in cells[index]
        for index in (range(len(cells)) if wanted is None else wanted)
    )


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _delimiter(line: str) -> str:
    """The delimiter that splits the header into the most cells."""
    return max(_DELIMITERS, key=lambda delimiter: len(next(csv.reader([line], delimiter=delimiter))))
