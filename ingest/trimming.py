"""Bytes around a message that its sender added by mistake. Pure."""

from __future__ import annotations

from typing import Final

from insitu.model import RemarkCode

_BOM: Final = b"\xef\xbb\xbf"
_NOTHING: Final = (b"", b"null", b'""')


def is_empty(payload: bytes) -> bool:
    """True for a message without content: nothing was sent, so nothing is wrong."""
    return payload.removeprefix(_BOM).strip(b"\0 \t\r\n") in _NOTHING


def trimmed(payload: bytes) -> tuple[bytes, RemarkCode | None]:
    """The payload without a byte-order mark and zero bytes at its end, and what was there; None: neither."""
    end = payload.rstrip(b"\0 \t\r\n")
    code = RemarkCode.ZERO_BYTE if b"\0" in payload[len(end) :] else None
    if payload.startswith(_BOM):
        return (end if code else payload).removeprefix(_BOM), code or RemarkCode.BYTE_ORDER_MARK
    return end, code
