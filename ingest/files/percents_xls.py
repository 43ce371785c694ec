"""Cells of an XLS workbook (BIFF 5 and 8) that it shows as per cent: 0.45 in the file, 45% on the screen.
Pure.

The library for workbooks gives the numbers without their formats. The stream of the workbook lies in sectors
of a compound file ([MS-CFB], [MS-XLS]); a chain that ends nowhere ends the search.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Final

_START: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST: Final = 0xFFFFFFFA
"""Sector numbers from here on mark the end of a chain, or what is no sector."""
_IN_HEADER: Final = 109
_MINI: Final = 4096
"""Shorter streams lie in the small sectors of another stream."""
_FORMAT, _XF, _SHEET, _BEGIN = 0x041E, 0x00E0, 0x0085, 0x0809
_NUMBER, _RK, _MANY, _FORMULA = 0x0203, 0x027E, 0x00BD, 0x0006
_BUILT_IN: Final = frozenset({9, 10})
_QUOTED: Final = re.compile(rb'"[^"]*"|\\.')


def find_in_xls(content: bytes, sheet: str) -> frozenset[tuple[int, int]]:
    """(row, column) from 0 of each such cell of the sheet; none for bytes that are no such workbook."""
    if not content.startswith(_START):
        return frozenset()
    try:
        stream = _Compound(content).workbook()
        formats, styles, start = _globals(stream, sheet)
        percents = {number for number, kind in enumerate(styles) if kind in formats}
        return frozenset(_cells(stream, start, percents)) if percents and start >= 0 else frozenset()
    except (struct.error, IndexError):
        return frozenset()


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


def _globals(stream: bytes, sheet: str) -> tuple[frozenset[int], list[int], int]:
    """(numbers of formats in per cent, format of each cell style, where the sheet begins or -1)."""
    formats, styles, start = set(_BUILT_IN), list[int](), -1
    for kind, body in _records(stream, 0):
        if kind == _FORMAT and b"%" in _QUOTED.sub(b"", body[2:].replace(b"\0", b"")):
            formats.add(struct.unpack_from("<H", body)[0])
        elif kind == _XF:
            styles.append(struct.unpack_from("<H", body, 2)[0])
        elif kind == _SHEET and sheet in _names(body):
            start = struct.unpack_from("<I", body)[0]
    return frozenset(formats), styles, start


def _names(body: bytes) -> tuple[str, ...]:
    """Both readings of the name of a sheet: BIFF 8 says how it is written, BIFF 5 has bytes only."""
    length, is_wide = body[6], body[7] & 1
    newer = body[8 : 8 + length * (1 + is_wide)].decode("utf-16-le" if is_wide else "latin-1", "replace")
    return newer, body[7 : 7 + length].decode("cp1252", "replace")


def _cells(stream: bytes, start: int, percents: set[int]) -> Iterator[tuple[int, int]]:
    for kind, body in islice(_records(stream, start), 1, None):
        if kind == _BEGIN:
            return  # the next sheet
        if kind in (_NUMBER, _RK, _FORMULA):
            row, column, style = struct.unpack_from("<HHH", body)
            if style in percents:
                yield row, column
        elif kind == _MANY:
            row, column = struct.unpack_from("<HH", body)
            for number in range((len(body) - 6) // 6):
                if struct.unpack_from("<H", body, 4 + 6 * number)[0] in percents:
                    yield row, column + number
