"""Workbooks (XLSX, XLS, ODS): one sheet, its dates as dates, its numbers as they are stored."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import ParseError

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from ingest.files.containers import Container
from ingest.files.head import is_head, is_units_row, refuse_data, units_above
from ingest.files.mapping import FileMap
from ingest.files.percents import find_bare_formulas, find_percents, find_units, show_percent, show_unit
from ingest.files.percents_ods import find_in_ods
from ingest.files.percents_xls import find_in_xls, find_units_in_xls
from ingest.files.rows import Row
from ingest.files.stamps import EXCEL, EXCEL_1904
from insitu.errors import CorrectInput

_MOST_HEAD_ROWS = 60
_BARE_FORMULA = "a formula without a saved result"
_DATE_1904 = re.compile(rb"date1904\s*=\s*[\"'](?:1|true)[\"']")
_BIFF_1904 = b"\x22\x00\x02\x00\x01\x00"


class Workbook:
    """Reads the sheet at construction: a workbook is held in memory."""

    def __init__(self, container: Container, said: FileMap) -> None:
        self._path, self._said, self._read = container.path, said, 0
        content = container.read_all()
        self.missing: tuple[str, ...] = ()
        self.serial_format = EXCEL_1904 if _is_1904(content) else EXCEL
        name, self._rows = self._choose(_sheets(self._path, content))
        self._show_units(content, name)
        self._name_formulas(content, name)
        start = self._head_index()
        if start >= len(self._rows):
            raise CorrectInput(
                f"{self._path}: the sheet {name!r} has no row {start + 1}. Say --sheet or --skip-lines."
            )
        self.header = said.names or [_text(cell) for cell in self._rows[start]]
        if not said.names:
            refuse_data(self._path, self.header, start + 1)
        below = self._rows[start + 1] if start + 1 < len(self._rows) and not said.names else []
        has_units = bool(below) and (
            said.units_row or is_units_row([_text(cell) for cell in below], self.header)
        )
        above = [] if said.names else [[_text(cell) for cell in row] for row in self._rows[:start]]
        self.units = [_text(cell) for cell in below] if has_units else units_above(above, self.header)
        self.above = [";".join(_text(cell) for cell in row) for row in self._rows[:start]]
        self._first = start + (0 if said.names else 1) + has_units + said.skip_after
        self.head = frozenset(";".join(map(_text, row)).strip(" ;") for row in self._rows[: self._first])
        self.notes: dict[int, str] = {}
        self.described = f"sheet {name!r} of a workbook, names in row {start + 1}" + (
            f", units in row {start + 2}" if has_units else ", units above them" if self.units else ""
        )

    def _show_units(self, content: bytes, sheet: str) -> None:
        """Numbers that the workbook shows as per cent or with a unit become such texts, which state it."""
        percents = find_percents(content, sheet) or find_in_xls(content, sheet)
        if content.startswith(b"PK"):
            try:
                percents |= find_in_ods(content, sheet, len(self._rows))
            except ParseError as error:
                raise CorrectInput(f"{self._path} is damaged: {error}. Save it again, or as CSV.") from error
        for at, column in percents:
            if (number := self._number_at(at, column)) is not None:
                self._rows[at][column] = show_percent(number)
        for (at, column), shown in (find_units(content, sheet) or find_units_in_xls(content, sheet)).items():
            if (number := self._number_at(at, column)) is not None:
                self._rows[at][column] = show_unit(number, shown)

    def _number_at(self, at: int, column: int) -> float | None:
        cells = self._rows[at] if 0 <= at < len(self._rows) else []
        cell = cells[column] if column < len(cells) else None
        return cell if isinstance(cell, int | float) and not isinstance(cell, bool) else None

    def _name_formulas(self, content: bytes, sheet: str) -> None:
        """A formula without a stored result says so, so that its row is refused and not taken for an empty
        one.
        """
        for at, column in find_bare_formulas(content, sheet):
            if 0 <= at < len(self._rows) and column < len(self._rows[at]):
                self._rows[at][column] = _BARE_FORMULA

    def _choose(self, sheets: dict[str, list[list[Any]]]) -> tuple[str, list[list[Any]]]:
        said = self._said.sheet
        if said:
            if said not in sheets:
                raise CorrectInput(
                    f"{self._path} has no sheet {said!r}; it has {', '.join(sheets) or 'none'}."
                )
            return said, sheets[said]
        filled = {name: rows for name, rows in sheets.items() if any(any(map(_text, row)) for row in rows)}
        headed = {name: rows for name, rows in filled.items() if self._find_head(rows) is not None}
        for able in (headed, filled):
            if len(able) == 1:
                return next(iter(able.items()))
        raise CorrectInput(
            f"{self._path} has {'several sheets' if filled else 'no sheet with rows'}: {', '.join(sheets)}. "
            "Say which with --sheet NAME."
        )

    def _find_head(self, rows: Sequence[Sequence[Any]]) -> int | None:
        heads = (
            at
            for at, row in enumerate(rows[:_MOST_HEAD_ROWS])
            if is_head([_text(cell) for cell in row], self._said)
        )
        return next(heads, None)

    def _head_index(self) -> int:
        if self._said.skip_lines or self._said.names:
            return self._said.skip_lines
        found = self._find_head(self._rows)
        filled = (at for at, row in enumerate(self._rows) if any(map(_text, row)))
        return next(filled, 0) if found is None else found

    def done(self) -> float:
        return self._read / max(len(self._rows), 1)

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        width = len(self.header)
        for number, cells in enumerate(self._rows[self._first :], self._first + 1):
            self._read = number
            row = [None if cell == "" else cell for cell in cells[:width]]
            row += [None] * (width - len(row))
            if any(cell is not None for cell in row):
                yield Row(number, row, ";".join(map(_text, cells)))


def _sheets(path: object, content: bytes) -> dict[str, list[list[Any]]]:
    """Visible sheets, each with all its rows, whole numbers as such."""
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = [one.name for one in book.sheets_metadata if one.visible == SheetVisibleEnum.Visible]
        return {
            name: [
                [_plain(cell) for cell in row]
                for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            ]
            for name in names
        }
    except (CalamineError, OSError, ValueError) as error:
        raise CorrectInput(
            f"{path} cannot be read as a workbook: {error}. Save it again, or as CSV."
        ) from error


def _plain(cell: Any) -> Any:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return int(cell)
    return cell.strip() if isinstance(cell, str) else cell


def _text(cell: Any) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return "" if cell is None else str(cell).strip()


def _is_1904(content: bytes) -> bool:
    """True if the workbook counts days from 1904."""
    if not content.startswith(b"PK"):
        return _BIFF_1904 in content[: 1 << 20]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            return False
        return _DATE_1904.search(archive.read("xl/workbook.xml")) is not None
