"""Cells of an XLSX workbook that it shows as per cent (0.45 in the file, 45% on the screen) or with a unit
(`0.0 "°F"`), and formulas whose result it does not hold. Pure.

The library for workbooks gives the numbers without their formats, so the formats are read from the archive.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from typing import Final, TypeVar

from insitu.unit_words import read_unit

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
_LITERAL: Final = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)[^\]]*\]|([°µμ%‰][A-Za-z]*)|[_*].')
_THOUSANDS: Final = re.compile(r"[0#?](,+)(?=$|[^0#?,.])")

Shown = tuple[str, int]
"""A unit behind a number, and how many thousands the number is divided by."""


def find_percents(content: bytes, sheet: str) -> frozenset[tuple[int, int]]:
    """(row, column) from 0 of each cell of the sheet that has such a format; none for other workbooks."""
    return frozenset(_styled(content, sheet, lambda number, code: number in _BUILT_IN or is_percent(code)))


def find_units(content: bytes, sheet: str) -> dict[tuple[int, int], Shown]:
    """(row, column) from 0 → the unit, for each cell of the sheet that its format shows with one; none for
    other workbooks.
    """
    return _styled(content, sheet, lambda _, code: unit_of_format(code))


def is_percent(code: str) -> bool:
    return "%" in _QUOTED.sub("", code)


def unit_of_format(code: str) -> Shown | None:
    """The unit that a format writes beside the number; None for other words."""
    first = code.partition(";")[0]
    words = "".join("".join(found) for found in _LITERAL.findall(first)).strip()
    scaled = _THOUSANDS.search(_LITERAL.sub("", first))
    if not words or words == "%" or read_unit(words) is None:
        return None
    return words, len(scaled[1]) if scaled else 0


_T = TypeVar("_T")


def _styled(content: bytes, sheet: str, judge: Callable[[str, str], _T | None]) -> dict[tuple[int, int], _T]:
    """(row, column) of each cell → what `judge` finds in the number and the code of its format."""
    if not content.startswith(b"PK"):
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        if not {"xl/workbook.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels"} <= names:
            return {}
        styles = _styles(archive.read("xl/styles.xml"), judge)
        path = _path_of(archive, sheet)
        if not styles or path not in names:
            return {}
        cells = (_attributes(found[1]) for found in _CELL.finditer(archive.read(path)))
        return {
            _place(one["r"]): styles[one.get("s", "")]
            for one in cells
            if one.get("s") in styles and one.get("r")
        }


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


def show_unit(number: float, shown: Shown) -> str:
    """As the workbook shows it, with all its digits."""
    unit, thousands = shown
    return f"{(Decimal(repr(number)) / 1000**thousands).normalize():f} {unit}"


def _styles(styles: bytes, judge: Callable[[str, str], _T | None]) -> dict[str, _T]:
    """Number of each cell style → what `judge` finds in it."""
    formats = (_attributes(found[1]) for found in _FORMAT.finditer(styles))
    codes = {one.get("numFmtId", ""): one.get("formatCode", "") for one in formats}
    block = _STYLES.search(styles)
    used = [] if block is None else [_attributes(found[1]) for found in _XF.finditer(block[0])]
    judged = [judge(number := one.get("numFmtId", ""), codes.get(number, "")) for one in used]
    return {str(place): found for place, found in enumerate(judged) if found}


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
