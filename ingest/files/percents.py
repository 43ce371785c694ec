"""Cells of an XLSX workbook that it shows as per cent (0.45 in the file, 45% on the screen), and formulas
whose result it does not hold. Pure.

The library for workbooks gives the numbers without their formats, so the formats are read from the archive.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from decimal import Decimal
from html import unescape
from typing import Final

_TAG: Final = rb"<(?:\w+:)?%s\b([^>]*)>"
_SHEET, _RELATION, _FORMAT, _CELL, _XF = (
    re.compile(_TAG % name) for name in (b"sheet", b"Relationship", b"numFmt", b"c", b"xf")
)
_BARE: Final = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_STYLES: Final = re.compile(rb"<(?:\w+:)?cellXfs\b.*?</(?:\w+:)?cellXfs>", re.DOTALL)
_ATTRIBUTE: Final = re.compile(rb"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_PLACE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_QUOTED: Final = re.compile(r'"[^"]*"|\\.')
_BUILT_IN: Final = frozenset({"9", "10"})
"""Numbers of the formats `0%` and `0.00%`."""


def find_percents(content: bytes, sheet: str) -> frozenset[tuple[int, int]]:
    """(row, column) from 0 of each cell of the sheet that has such a format; none for other workbooks."""
    if not content.startswith(b"PK"):
        return frozenset()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        if not {"xl/workbook.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels"} <= names:
            return frozenset()
        styles = _percent_styles(archive.read("xl/styles.xml"))
        path = _path_of(archive, sheet)
        if not styles or path not in names:
            return frozenset()
        cells = (_attributes(found[1]) for found in _CELL.finditer(archive.read(path)))
        return frozenset(_place(one["r"]) for one in cells if one.get("s") in styles and one.get("r"))


def find_bare_formulas(content: bytes, sheet: str) -> frozenset[tuple[int, int]]:
    """(row, column) from 0 of each formula without a result: the program that wrote the file did not compute
    it. None for other workbooks.
    """
    if not content.startswith(b"PK"):
        return frozenset()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
            return frozenset()
        path = _path_of(archive, sheet)
        if path not in names:
            return frozenset()
        cells = (_attributes(found[1]) for found in _BARE.finditer(archive.read(path)))
        return frozenset(_place(one["r"]) for one in cells if one.get("r") and one.get("t") != "str")


def show_percent(number: float) -> str:
    """As the workbook shows it, with all its digits."""
    return f"{(Decimal(repr(number)) * 100).normalize():f}%"


def _percent_styles(styles: bytes) -> frozenset[str]:
    """Numbers of the cell styles whose format ends in a percent sign."""
    formats = (_attributes(found[1]) for found in _FORMAT.finditer(styles))
    own = {one.get("numFmtId", "") for one in formats if "%" in _QUOTED.sub("", one.get("formatCode", ""))}
    block = _STYLES.search(styles)
    used = [] if block is None else [_attributes(found[1]) for found in _XF.finditer(block[0])]
    return frozenset(str(n) for n, one in enumerate(used) if one.get("numFmtId") in own | _BUILT_IN)


def _path_of(archive: zipfile.ZipFile, sheet: str) -> str:
    sheets = (_attributes(found[1]) for found in _SHEET.finditer(archive.read("xl/workbook.xml")))
    wanted = next((one for one in sheets if one.get("name") == sheet), {})
    number = next((text for name, text in wanted.items() if name.endswith(":id")), "")
    relations = archive.read("xl/_rels/workbook.xml.rels")
    targets = (_attributes(found[1]) for found in _RELATION.finditer(relations))
    target = next((one.get("Target", "") for one in targets if one.get("Id") == number), "")
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def _attributes(tag: bytes) -> dict[str, str]:
    return {
        name.decode("utf-8", "replace"): unescape((double or single).decode("utf-8", "replace"))
        for name, double, single in _ATTRIBUTE.findall(tag)
    }


def _place(name: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(name)
    if found is None:
        return -1, -1
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return int(found[2]) - 1, column - 1
