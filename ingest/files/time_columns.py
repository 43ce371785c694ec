"""Which columns have the time, how it is written, and what the file and the user say about its clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ingest.files.claims import other_epoch, says_winter
from ingest.files.clocks import (
    AMBIGUOUS,
    Zone,
    describe,
    fixed,
    is_local,
    read_clock,
    read_time_name,
    say_zone,
    winter_option,
)
from ingest.files.columns import Columns
from ingest.files.head import DAYS, TIMES, TIMES_OF_DAY
from ingest.files.mapping import FileMap
from ingest.files.rows import Row, Source
from ingest.files.shape import Statement, Times
from ingest.files.stamps import EXCEL, Read, find_formats, joined, read_stamp, split_stamp
from ingest.files.statements import read_clock_lines
from insitu.errors import CorrectInput

_ZONE_COLUMNS: Final = frozenset(
    {
        "timezone",
        "time zone",
        "time_zone",
        "tz",
        "utc offset",
        "utc_offset",
        "utcoffset",
        "gmt offset",
        "gmt_offset",
        "tz_offset",
        "zeitzone",
        "fuseau",
        "fuseau horaire",
    }
)
_OFFSETS: Final = re.compile(
    r"(?<![^\W_])(?:utc|gmt|tz|time ?zone|timezone)[ _-]?offset"
    r"|offset[ _-]?(?:from[ _-]?)?(?:utc|gmt)(?![^\W_])",
    re.IGNORECASE,
)
_ANY_YEAR: Final = 2026
_SERIALS: Final = (10_000, 100_000)
"""Days since 1900 or 1904 of all dates that a trial can have."""


class TimeFinding:
    def __init__(
        self, path: Path, said: FileMap, source: Source, columns: Columns, sample: Sequence[Row]
    ) -> None:
        self._path, self._said, self._source = path, said, source
        self._columns, self._sample = columns, sample
        self.sentence = ""

    def find(self) -> Times:
        indexes = self._indexes()
        self._require_own_epoch(indexes)
        zone_index = self._zone_index(indexes)
        given = self._given(indexes, zone_index)
        statements, unclear = self._statements(indexes)
        time_format = self._said.time_format or self._find_format(given, indexes)
        is_answered = bool(self._said.zone)
        readable = [
            found
            for cells in given
            if (found := read_stamp(cells, time_format, is_answered=is_answered)) is not None
        ]
        names = " and ".join(self._source.header[index] for index in indexes)
        self._require_readable(given, readable, names, time_format)
        is_local = any(isinstance(found, datetime) and found.tzinfo is None for found in readable)
        if unclear and not self._said.zone:
            raise self._unclear(unclear[0])
        if is_local and not statements:
            raise CorrectInput(
                f"{self._path}: the times in {names} have no offset. Say --zone Europe/Paris (or wherever "
                "the clock was), --zone UTC, or a fixed one such as --zone +01:00."
            )
        if is_local:
            self._require_winter(indexes, statements[0].zone)
        zone = statements[0].zone if statements and (is_local or not readable) else None
        self.sentence = self._describe(names, time_format, zone_index, statements, is_local=zone is not None)
        if zone is None:
            self.sentence += _own_clocks(readable)
        return Times(indexes, time_format, zone, tuple(statements), zone_index, is_answered)

    def _require_own_epoch(self, indexes: tuple[int, ...]) -> None:
        """Raises CorrectInput for a column that counts from another year than Unix times do."""
        name = next((one for i in indexes if other_epoch(one := self._source.header[i])), "")
        if name and not self._said.time_format and name not in self._said.ignore:
            raise CorrectInput(
                f"{self._path}: {name!r} counts from {other_epoch(name)}, which is not read. Add a column "
                f"with dates to the file; or say --ignore {name!r} if its numbers are Unix times."
            )

    def _require_winter(self, indexes: tuple[int, ...], zone: Zone) -> None:
        """Raises CorrectInput if the file says that its clock stays on winter time, and the zone does not."""
        texts = [*(self._source.header[index] for index in indexes), *self._source.above]
        words = next((said for text in texts if (said := says_winter(text))), "")
        ignored = {text.strip().casefold() for text in self._said.ignore}
        if not words or words.casefold() in ignored or zone.is_fixed():
            return
        now = datetime(_ANY_YEAR, 1, 1)  # noqa: DTZ001 - a local time
        raise CorrectInput(
            f"{self._path}: {words!r} says that the clock stays on winter time, and {zone.name} follows "
            f"summer time. Say --zone {winter_option(zone, now)}, or --ignore {words!r} if the file is wrong "
            "about it."
        )

    def _describe(
        self,
        names: str,
        time_format: str,
        zone_index: int | None,
        statements: Sequence[Statement],
        *,
        is_local: bool,
    ) -> str:
        form = time_format or "ISO 8601 or Unix"
        if zone_index is not None:
            return f"{names}, {form}, with the offset in {self._source.header[zone_index]}"
        if not is_local:
            return f"{names}, {form}, with an offset"
        first = statements[0]
        return f"{names}, {form}, without an offset: {describe(first.zone)} ({first.where})"

    def _given(self, indexes: tuple[int, ...], zone_index: int | None) -> list[list[Any]]:
        given = [[row.cells[index] for index in indexes] for row in self._sample]
        if zone_index is not None:
            given = [
                with_zone(cells, row.cells[zone_index])
                for cells, row in zip(given, self._sample, strict=True)
            ]
        return [cells for cells in given if all(cell is not None and cell != "" for cell in cells)]

    def _indexes(self) -> tuple[int, ...]:
        if self._said.time_columns:
            return tuple(self._columns.index(name) for name in self._said.time_columns)
        plain = [read_time_name(name).plain for name in self._source.header]
        day = next((plain.index(name) for name in DAYS if name in plain), None)
        clock = next((plain.index(name) for name in TIMES_OF_DAY if name in plain), None)
        if day is not None and clock is not None:
            return day, clock
        found = next((plain.index(name) for name in TIMES if name in plain), None)
        if found is None:
            raise CorrectInput(
                f"{self._path}: which column is the time? Say --time-column; it has "
                f"{', '.join(filter(None, self._source.header[:30]))}. If the names are further down, say "
                "--skip-lines; if several columns have its parts, name each, and "
                "say --time-format, such as '%Y %j %H'."
            )
        return (found,)

    def _zone_index(self, indexes: tuple[int, ...]) -> int | None:
        """A column with the clock of each row; --map COLUMN= or --ignore COLUMN leaves it out."""
        left_out = {name.casefold() for name, text in self._said.columns.items() if not text}
        left_out |= {name.casefold() for name in (*self._said.ignore, *self._said.where)}
        found = [
            index
            for index, name in enumerate(self._source.header)
            if name.casefold() in _ZONE_COLUMNS and name.casefold() not in left_out and index not in indexes
        ]
        found = [index for index in found if any(row.cells[index] not in (None, "") for row in self._sample)]
        if not found:
            self._require_no_other_offset(left_out)
            return None
        name = self._source.header[found[0]]
        texts = {
            str(row.cells[found[0]]).strip() for row in self._sample if row.cells[found[0]] not in (None, "")
        }
        texts = {text for text in texts if not is_local(text)}
        if not texts:
            return None
        wrong = next((text for text in sorted(texts) if _clock_of_cell(text) is None), None)
        if wrong is not None:
            raise CorrectInput(
                f"{self._path}: {name} has {wrong!r}, which is not understood as a clock. Say "
                f"--zone for the whole "
                f"file, and --map '{name}=' to leave the column out."
            )
        return found[0]

    def _require_no_other_offset(self, left_out: set[str]) -> None:
        """Raises CorrectInput for a column with offsets in a unit that is not read: `utc_offset_seconds`."""
        for name in self._source.header:
            if _OFFSETS.search(name) and name.casefold() not in _ZONE_COLUMNS | left_out:
                raise CorrectInput(
                    f"{self._path}: the column {name!r} may have the offset of each time, and is not read: "
                    f"only hours are, in a column `utc_offset`. Say --zone for the whole file, and --map "
                    f"'{name}='."
                )

    def _statements(self, indexes: tuple[int, ...]) -> tuple[list[Statement], list[str]]:
        """Clear statements, the user's first, and the texts of unclear ones."""
        source, found, unclear = self._source, list[Statement](), list[str]()
        if self._said.zone:
            found.append(Statement(say_zone(self._said.zone), self._said.zone, "by --zone"))
        texts = [(read_time_name(source.header[i]), f"by the column {source.header[i]!r}") for i in indexes]
        stated = [(name.stated, name.zone, where) for name, where in texts if name.stated]
        for line in read_clock_lines(source.above):
            stated.append((line.text, line.zone, f"by the line {line.text!r}"))
        for index in indexes:
            cell = source.units[index].strip().strip("[]()") if index < len(source.units) else ""
            if read_clock(cell) is not None or cell.upper() in AMBIGUOUS:
                stated.append((cell, read_clock(cell), "by the row of units"))
        ignored = {text.strip().casefold() for text in self._said.ignore}
        for text, zone, where in stated:
            if text.casefold() in ignored:
                continue
            if zone is None:
                unclear.append(text)
            else:
                found.append(Statement(zone, text, where))
        return found, unclear

    def _unclear(self, text: str) -> CorrectInput:
        meanings = AMBIGUOUS.get(text.upper())
        if meanings:
            return CorrectInput(
                f"{self._path}: the clock {text!r} has several meanings: say --zone {meanings}."
            )
        return CorrectInput(
            f"{self._path}: {text!r} says something about the clock, and is not understood. Say "
            f"--zone, such as "
            "--zone +01:00 or --zone Europe/Paris."
        )

    def _require_readable(
        self, given: list[list[Any]], readable: list[Any], names: str, time_format: str
    ) -> None:
        if not given or readable:
            return
        example = " ".join(str(cell) for cell in given[0])
        unclear = split_stamp(example).unclear
        if unclear:
            raise self._unclear(unclear)
        if all(len(cells) == 1 and _is_elapsed(cells[0]) for cells in given):
            raise CorrectInput(
                f"{self._path}: {names} counts from a start ({example[:20]}, …) and states no date: add "
                "a column with the date and time to the file, and name it with --time-column."
            )
        serial = next((cells[0] for cells in given if len(cells) == 1 and _is_serial(cells[0])), None)
        advice = (
            f"Say --time-format {EXCEL} if these are a spreadsheet's days since 1900, or "
            f"--time-format {EXCEL}-1904."
            if serial is not None
            else "Say --time-format (such as '%d/%m/%Y %H:%M'), --time-column, --skip-lines or --units-row."
        )
        raise CorrectInput(
            f"{self._path}: {example[:60]!r} in {names} is no time in the format "
            f"{time_format or 'ISO 8601 or Unix'}. {advice}"
        )

    def _find_format(self, given: list[list[Any]], indexes: tuple[int, ...]) -> str:
        if self._source.serial_format and any(_is_serial(cells[0]) for cells in given):
            return self._source.serial_format
        texts = [
            cells[0].strip() if len(cells) == 1 else str(joined(cells))
            for cells in given
            if all(isinstance(cell, str) for cell in cells)
        ]
        formats = find_formats(texts) if texts else [""]
        if "" in formats:
            return ""
        if len(formats) > 1:
            formats = self._told_apart(indexes, formats)
        if len(formats) > 1:
            choice = " or ".join(f"'{one}'" for one in formats[:4])
            raise CorrectInput(
                f"{self._path}: {texts[0]!r} can be read in several ways. Say --time-format {choice}."
            )
        return formats[0] if formats else ""

    def _told_apart(self, indexes: tuple[int, ...], formats: list[str]) -> list[str]:
        """Decide between day-month and month-day by the first date in the file whose day is after the
        12th.
        """
        for row in self._source.rows(indexes):
            cells = [row.cells[index] for index in indexes] if row.cells else []
            able = [made for made in formats if cells and read_stamp(cells, made) is not None]
            if 0 < len(able) < len(formats):
                return able
        return formats


def _own_clocks(readable: Sequence[datetime | int | Read]) -> str:
    """The clocks of the cells themselves, in brackets."""
    names = {_own_clock(found) for found in readable}
    return f" ({', '.join(sorted(names)[:4])})" if names else ""


def _own_clock(found: datetime | int | Read) -> str:
    if isinstance(found, int):
        return "Unix, which is UTC"
    if isinstance(found, Read) and found.zone is not None:
        return found.zone.name
    offset = found.utcoffset() if isinstance(found, datetime) else None
    return "none" if offset is None else fixed(offset // timedelta(minutes=1)).name


def with_zone(cells: list[Any], zone: object) -> list[Any]:
    """The cells of a time with the clock from another column behind them."""
    text = "" if zone is None else str(zone).strip()
    if not text:
        return cells
    clock = text if read_clock(text) is not None else f"{float(text):+03.0f}"
    last = cells[-1]
    joined = last.isoformat(" ") if isinstance(last, datetime) else str(last).strip()
    return [*cells[:-1], f"{joined} {clock}" if "/" not in clock else f"{joined} [{clock}]"]


def _clock_of_cell(text: str) -> object:
    """A clock, or whole hours such as `1` and `-8`."""
    if read_clock(text) is not None:
        return text
    try:
        return text if abs(float(text)) <= 14 and float(text) == int(float(text)) else None
    except ValueError:
        return None


def _is_elapsed(cell: object) -> bool:
    try:
        number = float(str(cell).replace(",", "."))
    except ValueError:
        return False
    return 0 <= number <= _SERIALS[0] and not 1900 < number < 2200  # a year


def _is_serial(cell: object) -> bool:
    if isinstance(cell, str):
        try:
            cell = float(cell.replace(",", "."))
        except ValueError:
            return False
    return isinstance(cell, int | float) and not isinstance(cell, bool) and _SERIALS[0] < cell < _SERIALS[1]
