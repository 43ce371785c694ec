"""Below the first row: the head of the file again, other names, comments that change a fact, a last line that
was cut. Files that were joined, or to which a logger appends, have them. Pure.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from ingest.files.claims import has_caveat
from ingest.files.head import is_time_name, is_units_row
from ingest.files.rows import Row, Source
from ingest.files.stamps import read_stamp
from ingest.files.statements import read_clock_lines, read_unit_lines
from insitu.errors import CorrectInput

_MARK: Final = "\ufeff"
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_DECIMALS: Final = re.compile(r"[+-]?[0-9]+[.,]([0-9]+)")
_FACT: Final = re.compile(
    r"\b(?:units?|unités?|einheit(?:en)?|scale|scaling|factor|facteur|faktor|time ?zone|utc|gmt|clock"
    r"|horloge|uhr|fahrenheit|celsius|kelvin|summer ?time|winter ?time|dst|offset)\b|°\s?[CF]\b",
    re.IGNORECASE,
)
_LONGEST: Final = 400
_COUNTED: Final = 200
"""Rows that show how many decimals a logger writes."""
_FEWEST_ROWS: Final = 2


class Repeats:
    """The rows without a time of one file."""

    def __init__(self, path: Path, source: Source) -> None:
        self._path, self._source = path, source
        self._header = _folded(source.header)
        self.numbers: list[int] = []
        """Rows that repeat the head."""
        self.words: dict[int, str] = {}
        """Number of each other line of words → its text."""

    def takes(self, row: Row) -> bool:
        """True for a row of the head that comes again. Raises CorrectInput for other names or units."""
        source = self._source
        if row.text.strip(_MARK + " \t\r\n;,") in source.head:
            self.numbers.append(row.number)
            return True
        cells = _texts(row)
        if _are_names(cells):
            if not self._is_header(_folded(cells), is_whole=bool(row.problem)):
                raise self._other(row, "names of columns", ", ".join(cells))
            self.numbers.append(row.number)
            return True
        if row.cells and is_units_row(cells, source.header):
            if cells != [unit.strip() for unit in source.units]:
                raise self._other(row, "units", ", ".join(filter(None, cells)))
            self.numbers.append(row.number)
            return True
        if not any(_NUMBER.fullmatch(cell) or read_stamp([cell], "") is not None for cell in cells if cell):
            self.words[row.number] = row.text[:_LONGEST]
        return False

    def _is_header(self, names: list[str], *, is_whole: bool) -> bool:
        """True for the names of the header. A workbook's row is cut to the width of the header, so more names
        may follow unless it is whole.
        """
        more = names[len(self._header) :]
        return names[: len(self._header)] == self._header and not (is_whole and any(more))

    def _other(self, row: Row, what: str, text: str) -> CorrectInput:
        return CorrectInput(
            f"{self._path}, row {row.number}: other {what} begin here ({text[:80]}), so the rows below are "
            "not those of the columns above. Cut the file there, and import each part."
        )

    def sentence(self) -> list[str]:
        if not self.numbers:
            return []
        numbers = sorted({*self.numbers})
        shown = ", ".join(str(number) for number in numbers[:4])
        more = f" and {len(numbers) - 4} more" if len(numbers) > 4 else ""
        return [f"  left out   the head of the file again, in row {shown}{more}"]


def require_plain_notes(
    path: Path, notes: Mapping[int, str], names: Sequence[str], ignore: Collection[str]
) -> None:
    """Raises CorrectInput for a line of words below the first row that says something about the clock, a unit
    or a factor: nobody knows for which rows it holds.
    """
    ignored = {text.strip().casefold() for text in ignore}
    for number, note in notes.items():
        text = note.strip(" \t\r\n#;,")
        is_fact = bool(
            _FACT.search(text)
            or has_caveat(text)
            or read_clock_lines([note])
            or read_unit_lines([note], names)
        )
        if is_fact and text.casefold() not in ignored:
            raise CorrectInput(
                f"{path}, line {number}: {text[:80]!r} stands between or below the rows, and may hold for "
                "some of them only. If it does, cut the file there, and import each part. Otherwise say "
                f"--ignore {text!r}, and what it means as --zone, or as --map COLUMN=DATASTREAM:UNIT."
            )


class Decimals:
    """How many decimals the results of each column have at least."""

    def __init__(self, indexes: Sequence[int]) -> None:
        self._fewest: dict[int, int] = dict.fromkeys(indexes, 99)
        self._rows = 0

    def problem(self, row: Row) -> str:
        """Why the last line of the file, which has no line end, may be cut; '' for all other rows."""
        if row.is_open and self._rows >= _FEWEST_ROWS:
            for index, fewest in self._fewest.items():
                text = str(row.cells[index]).strip()
                if (
                    index == len(row.cells) - 1
                    and fewest < 99
                    and _NUMBER.fullmatch(text)
                    and _count(text) < fewest
                ):
                    return (
                        f"The file ends in this line, without a line end, and {text!r} has fewer decimals "
                        "than all results above: it may be cut. Import the file again when it is whole; if "
                        "it is, "
                        "end its last line."
                    )
        elif self._rows < _COUNTED:
            self._rows += 1
            for index, fewest in self._fewest.items():
                cell = row.cells[index]
                if isinstance(cell, str) and _NUMBER.fullmatch(cell.strip()):
                    self._fewest[index] = min(fewest, _count(cell.strip()))
        return ""


def _count(text: str) -> int:
    found = _DECIMALS.fullmatch(text)
    return len(found[1]) if found else 0


def _texts(row: Row) -> list[str]:
    """The cells of a row; of one that does not fit the header, split at the mark that it has most."""
    if row.cells:
        return ["" if cell is None else str(cell).strip(_MARK + " \t") for cell in row.cells]
    text = row.text.strip(_MARK)
    delimiter = max(";,\t|", key=text.count)
    try:
        return [cell.strip(_MARK + " \t") for cell in next(csv.reader([text], delimiter=delimiter), [])]
    except csv.Error:
        return [text]


def _folded(cells: Sequence[str]) -> list[str]:
    return [" ".join(cell.strip(_MARK).split()).casefold() for cell in cells]


def _are_names(cells: Sequence[str]) -> bool:
    """True for words with the name of a time among them, and neither a number nor a time."""
    texts = [cell for cell in cells if cell]
    return (
        len(texts) > 1
        and any(is_time_name(text) for text in texts)
        and not any(_NUMBER.fullmatch(text) or read_stamp([text], "") is not None for text in texts)
    )
