"""Cells of an OpenDocument sheet whose type is a percentage: 0.45 in the file, 45% on the screen. Pure."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import IO, Final
from xml.etree import ElementTree

_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_CELLS: Final = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")


def find_in_ods(content: bytes, sheet: str, rows: int) -> frozenset[tuple[int, int]]:
    """(row, column) from 0 of each such cell among the first `rows`; none for other archives."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if "content.xml" not in archive.namelist():
            return frozenset()
        found: set[tuple[int, int]] = set()
        at = 0
        with archive.open("content.xml") as file:
            for is_wanted, row in _rows(file, sheet):
                if is_wanted:
                    columns = _percents(row)
                    last = min(at + _times(row, "rows"), rows)
                    found |= {(number, column) for number in range(at, last) for column in columns}
                    at += _times(row, "rows")
        return frozenset(found)


def _rows(file: IO[bytes], sheet: str) -> Iterator[tuple[bool, ElementTree.Element]]:
    """(whether it is in the sheet, the row) of each row of all sheets."""
    is_wanted = False
    # Expat bounds what entities may become.
    for event, element in ElementTree.iterparse(file, events=("start", "end")):  # noqa: S314
        if element.tag == f"{_TABLE}table":
            is_wanted = event == "start" and element.get(f"{_TABLE}name") == sheet
        elif element.tag == f"{_TABLE}table-row" and event == "end":
            yield is_wanted, element
            element.clear()


def _percents(row: ElementTree.Element) -> list[int]:
    """Columns from 0; a repeated cell counts as often as it is repeated, within reason."""
    found, at = list[int](), 0
    for cell in row:
        if cell.tag in _CELLS:
            times = _times(cell, "columns")
            if cell.get(f"{_OFFICE}value-type") == "percentage":
                found += range(at, at + min(times, 1000))
            at += times
    return found


def _times(element: ElementTree.Element, what: str) -> int:
    said = element.get(f"{_TABLE}number-{what}-repeated", "1")
    return int(said) if said.isdecimal() and len(said) < 9 else 1
