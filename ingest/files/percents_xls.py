"""Cells of an XLS workbook (BIFF 5 and 8) that it shows as per cent (0.45 in the file, 45% on the screen) or
with a unit. Pure.

The library for workbooks gives the numbers without their formats. The stream of the workbook lies in sectors
of a compound file ([MS-CFB], [MS-XLS]); a chain that ends nowhere ends the search.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeVar

from ingest.files.percents import Shown, is_percent, unit_of_format

_START: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST: Final = 0xFFFFFFFA
"""Sector numbers from here on mark the end of a chain, or what is no sector."""
_IN_HEADER: Final = 109
_MINI: Final = 4096
"""Shorter streams lie in the small sectors of another stream."""
_FORMAT, _XF, _SHEET, _BEGIN = 0x041E, 0x00E0, 0x0085, 0x0809
_NUMBER, _RK, _MANY, _FORMULA = 0x0203, 0x027E, 0x00BD, 0x0006
_BUILT_IN: Final = frozenset({9, 10})
_T = TypeVar("_T")


def find_in_xls(content: bytes, sheet: str) -> frozenset[tuple[int, int]]:
    """(row, column) from 0 of each cell in per cent; none for bytes that are no such workbook."""
    return frozenset(_styled(content, sheet, lambda number, code: number in _BUILT_IN or is_percent(code)))


def find_units_in_xls(content: bytes, sheet: str) -> dict[tuple[int, int], Shown]:
    """The same of cells with a unit, each with it."""
    return _styled(content, sheet, lambda _, code: unit_of_format(code))


def _styled(content: bytes, sheet: str, judge: Callable[[int, str], _T | None]) -> dict[tuple[int, int], _T]:
    """(row, column) of each cell → what `judge` finds in the number and the code of its format."""
    if not content.startswith(_START):
        return {}
    try:
        stream = _Compound(content).workbook()
        formats, styles, start = _globals(stream, sheet)
        judged = [judge(kind, formats.get(kind, "")) for kind in styles]
        found = {number: one for number, one in enumerate(judged) if one}
        return dict(_cells(stream, start, found)) if found and start >= 0 else {}
    except (struct.error, IndexError):
        return {}


class _Compound:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._size = 1 << struct.unpack_from("<H", content, 30)[0]
        self._table = self._allocation()

    def _sector(self, number: int) -> bytes:
        return self._content[(number + 1) * self._size : (number + 2) * self._size]

    def _allocation(self) -> list[int]:
        """For each sector the next one of its chain."""
        numbers = list(struct.unpack_from(f"<{_IN_HEADER}I", self._content, 76))
        more, count = struct.unpack_from("<II", self._content, 68)
        for _ in range(count):
            entries = self._numbers(more)
            numbers += entries[:-1]
            more = entries[-1]
        return [entry for number in numbers if number < _LAST for entry in self._numbers(number)]

    def _numbers(self, sector: int) -> list[int]:
        return list(struct.unpack(f"<{self._size // 4}I", self._sector(sector)))

    def _chain(self, first: int) -> Iterator[bytes]:
        while first < _LAST:
            yield self._sector(first)
            first = self._table[first]

    def _read(self, first: int) -> bytes:
        return b"".join(islice(self._chain(first), len(self._table)))

    def workbook(self) -> bytes:
        """The stream `Workbook` or `Book`."""
        directory = self._read(struct.unpack_from("<I", self._content, 48)[0])
        entries = [directory[at : at + 128] for at in range(0, len(directory) - 127, 128)]
        named = {entry[: max(struct.unpack_from("<H", entry, 64)[0] - 2, 0)]: entry for entry in entries}
        for name in ("Workbook", "Book"):
            entry = named.get(name.encode("utf-16-le"))
            if entry is not None:
                first, size = struct.unpack_from("<II", entry, 116)
                return self._read(first)[:size] if size >= _MINI else self._small(entries[0], first, size)
        return b""

    def _small(self, root: bytes, first: int, size: int) -> bytes:
        """A stream in small sectors of 64 bytes, which the root's stream holds."""
        whole = self._read(struct.unpack_from("<I", root, 116)[0])
        start = struct.unpack_from("<I", self._content, 60)[0]
        table = list(struct.iter_unpack("<I", self._read(start)))
        parts = list[bytes]()
        while first < _LAST and len(parts) <= len(table):
            parts.append(whole[64 * first : 64 * first + 64])
            first = table[first][0]
        return b"".join(parts)[:size]


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield kind, stream[at + 4 : at + 4 + size]
        at += 4 + size


def _globals(stream: bytes, sheet: str) -> tuple[dict[int, str], list[int], int]:
    """(number of each format → its code, format of each cell style, where the sheet begins or -1)."""
    formats, styles, start = dict[int, str](), list[int](), -1
    for kind, body in _records(stream, 0):
        if kind == _FORMAT:
            formats[struct.unpack_from("<H", body)[0]] = _code(body)
        elif kind == _XF:
            styles.append(struct.unpack_from("<H", body, 2)[0])
        elif kind == _SHEET and sheet in _names(body):
            start = struct.unpack_from("<I", body)[0]
    return formats, styles, start


def _code(body: bytes) -> str:
    """BIFF 8 has two bytes for the length and one that says how the text is written; BIFF 5 one for both."""
    length, is_wide = struct.unpack_from("<H", body, 2)[0], len(body) > 4 and body[4] & 1
    if len(body) == 5 + length * (1 + is_wide):
        return body[5:].decode("utf-16-le" if is_wide else "latin-1", "replace")
    return body[3:].decode("cp1252", "replace")


def _names(body: bytes) -> tuple[str, ...]:
    """Both readings of the name of a sheet: BIFF 8 says how it is written, BIFF 5 has bytes only."""
    length, is_wide = body[6], body[7] & 1
    newer = body[8 : 8 + length * (1 + is_wide)].decode("utf-16-le" if is_wide else "latin-1", "replace")
    return newer, body[7 : 7 + length].decode("cp1252", "replace")


def _cells(stream: bytes, start: int, found: Mapping[int, _T]) -> Iterator[tuple[tuple[int, int], _T]]:
    for kind, body in islice(_records(stream, start), 1, None):
        if kind == _BEGIN:
            return  # the next sheet
        if kind in (_NUMBER, _RK, _FORMULA):
            row, column, style = struct.unpack_from("<HHH", body)
            if style in found:
                yield (row, column), found[style]
        elif kind == _MANY:
            row, column = struct.unpack_from("<HH", body)
            for number in range((len(body) - 6) // 6):
                style = struct.unpack_from("<H", body, 4 + 6 * number)[0]
                if style in found:
                    yield (row, column + number), found[style]
