"""A look at every row before anything is stored: clocks that contradict each other, units in cells,
numbers that
loggers write for no result, several stations in one file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ingest.files.again import Decimals, Repeats, require_plain_notes
from ingest.files.beside import Beside, OtherTimes
from ingest.files.cells import Conversion
from ingest.files.clocks import fixed, read_clock, winter_option
from ingest.files.columns import find_conversion
from ingest.files.facts_beside import FactsBeside
from ingest.files.forms import Forms, HalfDays, is_summary, require_no_summary
from ingest.files.mapping import FileMap
from ingest.files.rows import Chosen, Row
from ingest.files.sentinels import Numbers, ask_sentinels
from ingest.files.shape import Layout, Statement
from ingest.files.stamps import Read, is_contradicted, read_stamp, twin, was_skipped
from ingest.files.time_columns import with_zone
from insitu.errors import CorrectInput
from insitu.unit_words import read_unit
from store.catalogue.snapshot import KnownDevice

_MOST_FOOTER_LINES: Final = 10
_END: Final = re.compile(r"(?:end|ende|fin)\b\s*:?", re.IGNORECASE)
_ANY_TIME: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - any local time will do


@dataclass(frozen=True, slots=True)
class Findings:
    left_out: frozenset[int]
    """Numbers of rows that are no data: the head again, lines at the end."""
    conversions: Mapping[tuple[str, str, str], Conversion | None]
    sentences: tuple[str, ...]
    refused: Mapping[int, str]
    """Numbers of rows that may be cut → why."""


def survey(path: Path, layout: Layout, said: FileMap, devices: Mapping[str, KnownDevice]) -> Findings:
    """Raises CorrectInput for facts that contradict each other or are not understood, and for numbers that
    may
    mean no result.
    """
    look = _Look(path, layout, said, devices)
    if isinstance(layout.source, Chosen) and said.where:
        for row in layout.source.whole.rows(layout.needed()):
            look.around(row)
    for row in layout.source.rows(layout.needed() | look.beside.indexes):
        look.at(row)
    return look.findings()


@dataclass(slots=True)
class _Found:
    numbers: dict[str, Numbers] = field(default_factory=dict)
    conversions: dict[tuple[str, str, str], Conversion | None] = field(default_factory=dict)
    tail: list[Row] = field(default_factory=list)
    """Rows after the last one with a time."""
    filled: set[int] = field(default_factory=set)
    """Indexes of columns with a result, or a mark for none, in some row."""
    summaries: list[Row] = field(default_factory=list)
    """Rows with sums and means between others."""
    refused: dict[int, str] = field(default_factory=dict)
    bare: dict[tuple[str, str], int] = field(default_factory=dict)
    """(device, datastream) → the first row that states no unit."""


class _Look:
    def __init__(self, path: Path, layout: Layout, said: FileMap, devices: Mapping[str, KnownDevice]) -> None:
        self._path, self._layout, self._said, self._devices = path, layout, said, devices
        self._found = _Found()
        self._twin = "" if said.time_format else twin(layout.times.time_format)
        answered = (*said.where, *said.columns, *said.ignore)
        has_devices = layout.device_index is not None
        self.beside = Beside(layout.source.header, layout.needed(), answered, has_devices=has_devices)
        self._facts = FactsBeside(
            layout.source.header,
            layout.needed(),
            answered,
            () if has_devices else {*devices} - layout.devices(),
            {stream.unit for device in devices.values() for stream in device.datastreams.values()},
        )
        self._others = OtherTimes(layout.source.header, layout.times.indexes, layout.needed(), answered)
        self._repeats = Repeats(path, layout.source)
        times = layout.times
        self._forms = Forms(path, times.indexes, times.time_format, is_said=bool(said.time_format))
        self._half_days = HalfDays()
        self._answered = {name.casefold() for name in answered}
        indexes = [column.index for column in layout.columns]
        self._decimals = Decimals(indexes if layout.result_index is None else [layout.result_index])

    def around(self, row: Row) -> None:
        """A row that --where may leave out: other names there hold for the rows below all the same."""
        times = self._layout.times
        given = [row.cells[index] for index in times.indexes] if row.cells and not row.problem else []
        if not given or read_stamp(given, times.time_format, is_answered=times.is_answered) is None:
            self._repeats.takes(row)

    def at(self, row: Row) -> None:
        if row.problem or not row.cells or not self._check_time(row):
            if not self._repeats.takes(row):
                self._found.tail.append(row)
            return
        self._between()
        require_no_summary(self._path, row, self._layout.source.header, self._layout.needed(), self._answered)
        if problem := self._decimals.problem(row):
            self._found.refused[row.number] = problem
            return
        self.beside.add(row)
        self._others.require_same(self._path, row)
        self._facts.require_none(self._path, row)
        self._check_results(row)

    # -- times

    def _between(self) -> None:
        """Sums and means among the rows without a time that come before this one are left out."""
        for row in self._found.tail:
            if row.cells and is_summary(row, self._layout.times.indexes):
                self._found.summaries.append(row)
        self._found.tail.clear()

    def _check_time(self, row: Row) -> bool:
        """False if the row has no time."""
        times = self._layout.times
        given = [row.cells[index] for index in times.indexes]
        if times.zone_index is not None:
            given = with_zone(given, row.cells[times.zone_index])
        stamp = read_stamp(given, times.time_format, is_answered=times.is_answered)
        if stamp is None:
            if self._twin and read_stamp(given, self._twin, is_answered=times.is_answered) is not None:
                raise self._twisted(row, given, times.time_format)
            if not self._said.time_format and is_contradicted(given, times.time_format):
                raise CorrectInput(
                    f"{self._path}, row {row.number}: {_show(given)!r} is no time in the format "
                    f"{times.time_format}, by which the rows above were understood, so that may be wrong. "
                    "Say --time-format (such as '%d/%m/%Y %H%M' for hours and minutes in one number), or "
                    "write the times with their offset (2026-10-25T02:00+02:00)."
                )
            self._forms.of_no_time(row, given)
            return False
        self._forms.of_time(row, given)
        self._half_days.add(row, stamp)
        self._require_shown(row, given, stamp)
        if times.statements:
            self._check_clock(row, given, stamp)
        return True

    def _require_shown(self, row: Row, given: list[Any], stamp: datetime | int | Read) -> None:
        """Raises CorrectInput for a time over which the clocks were put forward: the logger's was not."""
        zone = stamp.zone if isinstance(stamp, Read) else self._layout.times.zone
        local = stamp.local if isinstance(stamp, Read) else stamp
        if zone is None or zone.is_fixed() or not isinstance(local, datetime) or local.tzinfo is not None:
            return
        if was_skipped(local, zone.tz):
            raise CorrectInput(
                f"{self._path}, row {row.number}: {_show(given)!r} does not exist in {zone.name}: "
                f"the clocks were "
                "put forward over it, and this one was not, so the rows below may be an hour off. Say --zone "
                f"{winter_option(zone, local)} for a logger that stays on winter time. If its clock was put "
                "forward later, cut the file there, and import each part."
            )

    def _twisted(self, row: Row, given: list[Any], time_format: str) -> CorrectInput:
        this, others = ("month", "day") if time_format.startswith("%d") else ("day", "month")
        return CorrectInput(
            f"{self._path}, row {row.number}: {_show(given)!r} has its {this} first, other dates have their "
            f"{others} first. Say --time-format '{time_format}' to refuse such rows, or correct the file."
        )

    def _check_clock(self, row: Row, given: list[Any], stamp: datetime | int | Read) -> None:
        """Every statement about the clock must mean the same for this row."""
        first, *others = self._layout.times.statements
        offset: timedelta | None
        if isinstance(stamp, int):
            local, offset, whose = _ANY_TIME, timedelta(), "a Unix time, which is UTC"
        elif isinstance(stamp, Read):
            assert stamp.zone is not None
            local, offset, whose = stamp.local, stamp.zone.offset_at(stamp.local), stamp.zone.name
        elif stamp.tzinfo is not None:
            local, offset = stamp.replace(tzinfo=None), stamp.utcoffset()
            whose = f"{fixed((offset or timedelta()) // timedelta(minutes=1)).name} by its own offset"
        else:
            local, offset = stamp, first.zone.offset_at(stamp)
            whose = f"{first.zone.name} {first.where}"
            if first.zone.region and not _is(offset, first.zone.region, local):
                raise self._half_year(row, given, first, local)
        checked = others if isinstance(stamp, datetime) and stamp.tzinfo is None else (first, *others)
        for other in checked:
            if offset is not None and not _allows(other, local, offset):
                raise self._contradiction(row, given, whose, other)

    def _contradiction(self, row: Row, given: list[Any], whose: str, other: Statement) -> CorrectInput:
        stated = [one for one in (other, *self._layout.times.statements) if one.where != "by --zone"]
        advice = ["leave --zone out"] if self._said.zone else []
        advice += [f"say --ignore {one.text!r} if the file is wrong about it" for one in stated[:1]]
        text = ", or ".join(advice)
        return CorrectInput(
            f"{self._path}, row {row.number}: {_show(given)!r} is in {whose}, and in "
            f"{other.zone.name} {other.where}. "
            f"{text[:1].upper()}{text[1:]}."
        )

    def _half_year(self, row: Row, given: list[Any], stated: Statement, local: datetime) -> CorrectInput:
        name = stated.zone.region
        region = read_clock(name)
        assert region is not None
        return CorrectInput(
            f"{self._path}, row {row.number}: the clock is {stated.zone.name} {stated.where}, and "
            f"{_show(given)!r} is in "
            f"the other half of the year. Say --ignore {stated.text!r}, and --zone {name} for a "
            f"clock that follows "
            f"summer time, or --zone {winter_option(region, local)} for one that stays on winter time."
        )

    # -- results

    def _check_results(self, row: Row) -> None:
        layout = self._layout
        whose = "" if layout.device_index is None else str(row.cells[layout.device_index] or "").strip()
        if layout.property_index is not None and layout.result_index is not None:
            name = layout.name_of(row.cells[layout.property_index])
            self._count(name, row.cells[layout.result_index], (whose or layout.device, name))
            self._check_unit(row, whose or layout.device, name, "")
            return
        for column in layout.columns:
            device = column.device or whose or layout.device
            if row.cells[column.index] not in (None, ""):
                self._found.filled.add(column.index)
            self._count(layout.source.header[column.index], row.cells[column.index], (device, column.name))
            self._check_unit(row, device, column.name, column.unit)

    def _count(self, label: str, cell: object, target: tuple[str, str]) -> None:
        if target in self._layout.booleans:
            return
        number = self._layout.cells.number(cell)
        if number is not None:
            numbers = self._found.numbers.get(label)
            if numbers is None:
                numbers = self._found.numbers[label] = Numbers()
            numbers.add(number, cell)

    def _check_unit(self, row: Row, device: str, name: str, stated: str) -> None:
        text = row_unit(self._layout, row)
        key = (device, name, text)
        if not text and self._layout.unit_index is not None:
            self._found.bare.setdefault((device, name), row.number)
        if not text or key in self._found.conversions:
            return
        if stated and read_unit(text) != stated:
            raise CorrectInput(
                f"{self._path}, row {row.number}: {name} is in {text}, and in {stated} by the name "
                f"of its column. Say "
                f"--map '{self._unit_column()}=' to leave the column of units out."
            )
        known = self._devices.get(device)
        stream = known.datastreams.get(name) if known is not None else None
        if stream is None:
            return
        if stream.result_type == "boolean":
            self._found.conversions[key] = None
            return
        try:
            self._found.conversions[key] = find_conversion(text, stream.unit)
        except CorrectInput as error:
            raise CorrectInput(
                f"{self._path}, row {row.number}: unit_mismatch: {name} is in {text!r}: {error} "
                f"Correct the file, or "
                f"say --map '{self._unit_column()}=' to leave the unit out."
            ) from error

    def _unit_column(self) -> str:
        index = self._layout.unit_index
        return self._layout.source.header[self._layout.result_index or 0 if index is None else index]

    # -- outcome

    def findings(self) -> Findings:
        layout, said = self._layout, self._said
        self.beside.require_one_value(self._path)
        if not said.time_format:
            self._half_days.require_none(self._path, layout.times.time_format or "%Y-%m-%d %H:%M")
        names = sorted(
            {name.casefold() for name in (*layout.source.header, *(c.name for c in layout.columns))}
        )
        notes = {**layout.source.notes, **self._repeats.words}
        require_plain_notes(self._path, notes, names, said.ignore)
        self._require_units_everywhere()
        ask_sentinels(self._path, self._found.numbers, said.keep)
        footers = self._footers()
        sentences = [*self._unit_sentences(), *self._repeats.sentence()]
        empty = [c.index for c in layout.columns if c.index not in self._found.filled]
        if empty:
            shown = ", ".join(layout.source.header[index] for index in empty)
            sentences.append(f"  empty      {shown}: no row has a result there")
        if footers:
            shown = "; ".join(row.text.strip()[:40] for row in footers)
            sentences.append(f"  left out   at the end: {shown}")
        between = self._found.summaries
        if between:
            shown = "; ".join(f"row {row.number} ({row.text.strip()[:40]})" for row in between[:3])
            more = f" and {len(between) - 3} more" if len(between) > 3 else ""
            sentences.append(f"  left out   sums and means between the rows: {shown}{more}")
        others = [row.number for row in (*footers, *between)]
        left_out = frozenset([*others, *self._repeats.numbers])
        return Findings(left_out, dict(self._found.conversions), tuple(sentences), dict(self._found.refused))

    def _require_units_everywhere(self) -> None:
        """A row without a unit among rows that state one."""
        stated = {(device, name): text for device, name, text in self._found.conversions}
        for key, number in self._found.bare.items():
            if key in stated:
                raise CorrectInput(
                    f"{self._path}, row {number}: {key[1]} has no unit here, and {stated[key]!r} in other "
                    f"rows. Correct the file, or say --map '{self._unit_column()}=' to leave the units out."
                )

    def _footers(self) -> list[Row]:
        """Lines of words at the end, outside the table: `End of file`. A row that was cut stays a refused
        row.
        """
        tail = self._found.tail
        if len(tail) > _MOST_FOOTER_LINES:
            return []
        return [row for row in tail if _is_footer(row, self._layout.times.indexes)]

    def _unit_sentences(self) -> list[str]:
        counted = Counter((name, text) for _, name, text in self._found.conversions)
        return [
            f"  unit       {name} in {text}{_outcome(self._found.conversions, name, text)}"
            for name, text in sorted(counted)
        ]


def _outcome(conversions: Mapping[tuple[str, str, str], Conversion | None], name: str, text: str) -> str:
    is_converted = any(c is not None for (_, n, t), c in conversions.items() if (n, t) == (name, text))
    return ", converted" if is_converted else ""


def row_unit(layout: Layout, row: Row) -> str:
    """The unit that a row states, as written; '' if it states none."""
    if layout.unit_index is None:
        return layout.long_unit
    cell = row.cells[layout.unit_index]
    return "" if cell is None else str(cell).strip().strip("[]()").strip()


def _show(cells: list[Any]) -> str:
    return " ".join("" if cell is None else str(cell).strip() for cell in cells)[:60]


def _is(offset: timedelta | None, region: str, local: datetime) -> bool:
    zone = read_clock(region)
    return zone is None or offset is None or zone.offset_at(local) in (None, offset)


def _allows(statement: Statement, local: datetime, offset: timedelta) -> bool:
    """True if `offset` can be the statement's at that local time; half a year's name also means its zone."""
    stated = statement.zone.offset_at(local)
    if stated is None or stated == offset:
        return True
    return bool(statement.zone.region) and _is(offset, statement.zone.region, local)


def _is_footer(row: Row, indexes: tuple[int, ...]) -> bool:
    """True for words outside the table, and for `End` where the time would be."""
    if row.problem or not row.cells:
        return row.problem.startswith("It has 1 cells") and _is_words(row.text)
    if is_summary(row, indexes):
        return True
    times = [row.cells[index] for index in indexes if row.cells[index] not in (None, "")]
    return bool(times) and all(isinstance(cell, str) and _END.fullmatch(cell.strip()) for cell in times)


def _is_words(text: str) -> bool:
    bare = text.strip().strip("\"'-=*# ")
    return bool(bare) and bare[0].isalpha()
