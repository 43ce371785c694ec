"""Masks texts in CBOR and in the Protocol Buffers of Sparkplug: lengths stay, so both can be read still.
Other bytes keep no run of letters. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from ingest.masks.personal import find_personal
from ingest.masks.wanted import Masked, Wanted

_RUN: Final = re.compile(rb"[\x20-\x7e\xc2-\xf4\x80-\xbf]{4,}")
_LETTER: Final = re.compile(rb"[A-Za-z\x80-\xff]")
_NAMES: Final = {0: "n", 1: "u", -2: "bn", -3: "bu", 3: "vs", 8: "vd"}
_MOST_DEPTH: Final = 16
_BIGNUMS: Final = (2, 3)
_METRICS: Final = 2
_METRIC_NAME: Final = 1
_METRIC_PROPERTIES: Final = 9
_PROPERTY_KEY, _PROPERTY_ENTRY = 1, 2
_JUDGED_BY: Final = ("unit", "quality")
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


class NotThis(Exception):
    """The bytes are not in this format."""


def mask_bytes(payload: bytes, masked: Masked) -> bytes:
    """Of an unknown format: digits stay, unless they name a person."""

    def hidden(run: re.Match[bytes]) -> bytes:
        text = run[0].decode("utf-8", "surrogateescape")
        names_nobody = not _LETTER.search(run[0]) and next(find_personal(text), None) is None
        return run[0] if names_nobody else _stars(run[0], masked)

    return _RUN.sub(hidden, payload)


def mask_cbor(payload: bytes, wanted: Wanted, masked: Masked) -> bytes:
    """Raises NotThis for other bytes."""
    walk = _Cbor(payload, wanted, masked)
    walk.item("", False, 0)
    if walk.at != len(payload):
        raise NotThis
    return bytes(walk.out)


def mask_sparkplug(payload: bytes, wanted: Wanted, masked: Masked) -> bytes:
    """Names of metrics stay, and numbers. Raises NotThis for other bytes."""
    out = bytearray(payload)
    for number, kind, start, end in _fields(payload, 0, len(payload)):
        if kind != _BYTES:
            continue
        if number != _METRICS:
            out[start:end] = _stars(payload[start:end], masked)
            continue
        name = ""
        for inner, inner_kind, first, last in _fields(payload, start, end):
            if inner_kind != _BYTES:
                continue
            text = payload[first:last].decode("utf-8", "surrogateescape")
            if inner == _METRIC_NAME:
                name = text
                out[first:last] = masked.name(text).encode("utf-8", "surrogateescape")[: last - first]
            elif inner == _METRIC_PROPERTIES:
                _mask_properties(out, payload, first, last, wanted, masked)
            elif not wanted.keeps(name.replace("/", "."), text, in_list=False):
                out[first:last] = _stars(payload[first:last], masked)
    return bytes(out)


def _mask_properties(
    out: bytearray, payload: bytes, start: int, end: int, wanted: Wanted, masked: Masked
) -> None:
    """Keys stay, numbers, and texts that a replay judges by: units, and words for a bad result."""
    for number, kind, first, last in _fields(payload, start, end):
        if kind != _BYTES:
            continue
        if number == _PROPERTY_KEY:
            text = payload[first:last].decode("utf-8", "surrogateescape")
            out[first:last] = masked.name(text).encode("utf-8", "surrogateescape")[: last - first]
            continue
        for _, inner_kind, at, upto in _fields(payload, first, last) if number == _PROPERTY_ENTRY else ():
            text = payload[at:upto].decode("utf-8", "surrogateescape")
            if inner_kind == _BYTES and not any(wanted.keeps(one, text, in_list=False) for one in _JUDGED_BY):
                out[at:upto] = _stars(payload[at:upto], masked)


def _stars(content: bytes, masked: Masked) -> bytes:
    return masked.cover(content.decode("utf-8", "surrogateescape")).encode()


def _fields(payload: bytes, at: int, end: int) -> list[tuple[int, int, int, int]]:
    """(number, wire type, start, end) of each field."""
    found = []
    while at < end:
        tag, at = _varint(payload, at, end)
        kind = tag & 7
        if kind == _VARINT:
            start, last = at, _varint(payload, at, end)[1]
        elif kind == _BYTES:
            size, start = _varint(payload, at, end)
            last = start + size
        elif kind in (_EIGHT, _FOUR):
            start, last = at, at + (8 if kind == _EIGHT else 4)
        else:
            raise NotThis
        if last > end or tag >> 3 == 0:
            raise NotThis
        found.append((tag >> 3, kind, start, last))
        at = last
    return found


def _varint(payload: bytes, at: int, end: int) -> tuple[int, int]:
    number = shift = 0
    while at < end and shift < 70:
        byte = payload[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
    raise NotThis


class _Cbor:
    def __init__(self, payload: bytes, wanted: Wanted, masked: Masked) -> None:
        self._payload, self._wanted, self._masked = payload, wanted, masked
        self.at, self.out = 0, bytearray(payload)

    def item(self, key: str, is_key: bool, depth: int, *, raw: bool = False) -> object:
        """Walks one item; returns a key's text or number. `raw`: bytes of a large number."""
        if self.at >= len(self._payload) or depth > _MOST_DEPTH:
            raise NotThis
        first = self._payload[self.at]
        self.at += 1
        kind, info = first >> 5, first & 31
        if kind == 7:
            self.at += {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
            return None
        argument = self._argument(info)
        if kind in (2, 3):
            return self._string(argument, key, is_key, raw)
        if kind < 2:
            return None if argument is None else argument if kind == 0 else -1 - argument
        if kind == 6:
            return self.item(key, is_key, depth + 1, raw=argument in _BIGNUMS)
        self._contents(argument, key, depth, is_map=kind == 5)
        return None

    def _contents(self, count: int | None, key: str, depth: int, *, is_map: bool) -> None:
        done = 0
        while done != count:
            if count is None and self._payload[self.at : self.at + 1] == b"\xff":
                self.at += 1
                return
            named = self.item("", True, depth + 1) if is_map else key
            name = (
                _NAMES.get(named, "") if isinstance(named, int) else named if isinstance(named, str) else ""
            )
            if is_map:
                self.item(name, False, depth + 1)
            else:
                self._element(key, depth)
            done += 1

    def _element(self, key: str, depth: int) -> None:
        self.item(key, False, depth + 1)

    def _argument(self, info: int) -> int | None:
        if info < 24:
            return info
        size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info)
        if size is None:
            if info == 31:
                return None
            raise NotThis
        content = self._payload[self.at : self.at + size]
        if len(content) < size:
            raise NotThis
        self.at += size
        return int.from_bytes(content, "big")

    def _string(self, length: int | None, key: str, is_key: bool, raw: bool) -> object:
        if length is None:
            while self._payload[self.at : self.at + 1] != b"\xff":
                self.item(key, is_key, _MOST_DEPTH - 1)
            self.at += 1
            return None
        start, self.at = self.at, self.at + length
        if self.at > len(self._payload):
            raise NotThis
        content = self._payload[start : self.at]
        text = content.decode("utf-8", "surrogateescape")
        if is_key:
            hidden = self._masked.name(text).encode("utf-8", "surrogateescape")[:length]
            self.out[start : self.at] = hidden.ljust(length, b"*")
        elif not raw and not self._wanted.keeps(key, text, in_list=True):
            self.out[start : self.at] = _stars(content, self._masked)
        return text
