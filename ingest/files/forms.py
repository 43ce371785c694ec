"""Two forms of time in one file: which of them a row means would be a guess, so the import stops. Lines with
sums and means between the days are no data. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ingest.files.rows import Row
from ingest.files.stamps import find_formats, joined, read_stamp
from insitu.errors import CorrectInput

_SPAN: Final = r"(?:daily|day|hourly|weekly|monthly|journali[eè]re?|du jour|jour|tages|monats|day's|24 ?h)"
_STATISTIC: Final = (
    r"(?:(?:grand |sub)?(?:totals?|totaux|sum|summe|somme|gesamt)|averages?|avg\.?|mean|moyennes?|moy\.?"
    r"|mittelwert|mittel|durchschnitt|median|médiane|min(?:imum|\.)?|max(?:imum|\.)?|count|nombre|anzahl"
    r"|std\.?(?: ?dev)?|[ée]cart[- ]type)"
)
SUMMARY: Final = re.compile(
    rf"(?:{_SPAN}[ -]?)?{_STATISTIC}(?: (?:of the |per )?{_SPAN}| général)?\s*:?", re.IGNORECASE
)
"""The word for a line that sums up others, where its time would be."""
_FURTHER: Final = re.compile(
    r"(?:totals?|totaux|sum|summe|somme|averages?|mean|moyennes?|mittelwert|durchschnitt)\s*:?", re.IGNORECASE
)
"""Such a word in another column, beside a date: nothing else can be meant."""
_SERIAL: Final = re.compile(r"[1-9]\d{4}(?:[.,]\d+)?")
_NUMERIC_DATE: Final = re.compile(r"%[dm][/.-]%[dm]")
_SHOWN: Final = 60


class Forms:
    """Watches the times of a file. `time_format`: by which they are read; `is_said`: the user named it."""

    def __init__(self, path: Path, indexes: Sequence[int], time_format: str, *, is_said: bool) -> None:
        self._path, self._indexes, self._format, self._is_said = path, tuple(indexes), time_format, is_said
        self._date: int | None = None
        self._text: tuple[int, str] | None = None

    def of_time(self, row: Row, given: Sequence[Any]) -> None:
        """A row whose time can be read. Raises CorrectInput for a spreadsheet's dates beside dates as text:
        where it could not read a text as a date, it may have exchanged day and month of the others.
        """
        if not _NUMERIC_DATE.search(self._format):
            return
        if isinstance(given[0], date):
            self._date = self._date or row.number
        elif isinstance(given[0], str) and self._text is None:
            self._text = row.number, given[0]
        if self._date is not None and self._text is not None:
            raise CorrectInput(
                f"{self._path}: the time of row {self._text[0]} is the text "
                f"{self._text[1][:_SHOWN]!r}, that of "
                f"row {self._date} a date of the spreadsheet, which may have taken day and month "
                f"for each other. "
                "Give the whole column one form, and look at a few dates."
            )

    def of_no_time(self, row: Row, given: Sequence[Any]) -> None:
        """A row whose time is none in the format of the file. Raises CorrectInput if it is one in another."""
        if self._is_said or any(cell in (None, "") for cell in given):
            return
        other = _other_form(given)
        if other:
            raise CorrectInput(
                f"{self._path}, row {row.number}: {_shown(given)!r} is a time in another form "
                f"({other}) than the "
                f"others in this file ({self._format or 'ISO 8601 or Unix'}). Give the column one "
                f"form; or cut the "
                "file, and import each part. --time-format with one of them refuses the rows of the other."
            )


class HalfDays:
    """Watches for a clock of 12 hours whose a.m. and p.m. are not written: all hours from 1 to 12, and 01:00
    of the same day below 12:00.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._row, self._is_whole = 0, False

    def add(self, row: Row, stamp: object) -> None:
        if self._is_whole:
            return
        if not isinstance(stamp, datetime) or stamp.tzinfo is not None or not 1 <= stamp.hour <= 12:
            self._is_whole = True
            return
        last, self._last = self._last, stamp
        if last is not None and stamp < last:
            if last.hour == 12 and last.date() == stamp.date():
                self._row = self._row or row.number
            else:
                self._is_whole = True  # in no order that says anything

    def require_none(self, path: Path, time_format: str) -> None:
        """Raises CorrectInput if the whole file looks so."""
        if self._row and not self._is_whole:
            raise CorrectInput(
                f"{path}, row {self._row}: the time goes back from 12 to an earlier hour of the same day, "
                "and no row has an hour after 12, so a.m. and p.m. may be missing. Write the times with 24 "
                f"hours; or say --time-format '{time_format}' if they are right."
            )


def _other_form(given: Sequence[Any]) -> str:
    whole = given[0] if len(given) == 1 else joined(given)
    if not isinstance(whole, str):
        is_serial = isinstance(whole, int | float | Decimal) and _SERIAL.fullmatch(str(whole)) is not None
        return "days of a spreadsheet" if is_serial else ""
    text = whole.strip()
    if read_stamp([text], "") is not None:
        return "ISO 8601 or Unix"
    if _SERIAL.fullmatch(text):
        return "days of a spreadsheet"
    formats = find_formats([text]) if any(letter.isdecimal() for letter in text) else []
    return " or ".join(formats[:2])


def is_summary(row: Row, indexes: Collection[int]) -> bool:
    """True for a line with `Mean` or `Total` where its time, or its time of day, would be."""
    cells = [row.cells[index] for index in indexes if row.cells[index] not in (None, "")]
    words = [cell for cell in cells if isinstance(cell, str) and SUMMARY.fullmatch(cell.strip())]
    return bool(words) and (len(words) == len(cells) or len(cells) == len(indexes) > 1)


def require_no_summary(
    path: Path, row: Row, header: Sequence[str], used: Collection[int], said: Collection[str]
) -> None:
    """Raises CorrectInput for such a word in a column that the import does not read, beside a time."""
    for index, cell in enumerate(row.cells):
        if not isinstance(cell, str) or index in used or len(cell) > 12 or header[index].casefold() in said:
            continue
        if cell and cell[0].isalpha() and _FURTHER.fullmatch(cell.strip()):
            name = header[index]
            raise CorrectInput(
                f"{path}, row {row.number}: {cell.strip()!r} in the column {name!r} says that the "
                f"row sums up "
                f"others. Say --where '{name}=' (or the text of the other rows) to leave such rows "
                f"out, or --map "
                f"'{name}=' if every row counts."
            )


def _shown(given: Sequence[Any]) -> str:
    return " ".join("" if cell is None else str(cell).strip() for cell in given)[:_SHOWN]
