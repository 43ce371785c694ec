"""A fixed topic that carries one plain value, such as `21.4` or `ON`, as ESPHome and ESPEasy publish it."""

from __future__ import annotations

import re
from typing import Final

from ingest.decode.result import Decoded, Decoder, Unreadable
from insitu.model import IgnoreReason, Reading, RejectReason

_WORDS: Final = {"true": True, "on": True, "false": False, "off": False}
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_MOST_BYTES: Final = 256


def decode_value(name: str) -> Decoder:
    """The decoder of a topic whose payload is the value of `name`: a number, or true, false, on, off."""

    def decode(payload: bytes, received_us: int) -> Decoded | Unreadable:
        if len(payload) > _MOST_BYTES:
            return Unreadable(
                RejectReason.INVALID_SHAPE, f"{len(payload)} bytes: this topic carries one plain value."
            )
        try:
            text = payload.decode("utf-8-sig").strip(" \t\r\n\0").strip('"')
        except UnicodeDecodeError:
            return Unreadable(RejectReason.UNPARSABLE, "The value is no text in UTF-8.")
        if not text:
            return Unreadable(RejectReason.UNPARSABLE, "The message is empty.")
        return Decoded([Reading(name, _value(text), None)])

    return decode


def _value(text: str) -> float | bool | str:
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    return float(text) if _NUMBER.fullmatch(text) else text


def ignore(payload: bytes, received_us: int) -> Decoded:
    """A topic that is heard because the device cannot leave it out."""
    return Decoded([], ignored=IgnoreReason.IGNORED_TOPIC)
