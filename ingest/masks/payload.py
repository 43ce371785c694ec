"""The bytes of a refused message as they are kept. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ingest.masks.binary import NotThis, mask_bytes, mask_cbor, mask_sparkplug
from ingest.masks.json_text import mask_json, mask_plain
from ingest.masks.lines import mask_lines
from ingest.masks.personal import Kind, find_personal, stars
from ingest.masks.wanted import Masked, Wanted
from insitu.wire import INFLUX, SENML, SPARKPLUG, parse_below, parse_network_topic


class Kept(NamedTuple):
    """Payload, sentence and topic of a refused message, of the lengths that they had. `kinds`: what named a
    person in it.
    """

    payload: bytes
    detail: str
    topic: str
    kinds: frozenset[Kind]


_IN_A_TOPIC: Final = (Kind.EMAIL, Kind.PHONE)
"""An address of a device or a serial number is in its proper place there."""


def keep_payload(topic: str, payload: bytes, detail: str, wanted: Wanted) -> Kept:
    """Texts that nobody asked for become stars; in what stays, stars replace what names a person."""
    masked = Masked()
    content = _masked(_suffix(topic), payload, wanted, masked)
    return Kept(content, masked.scrub(detail), keep_topic(topic), frozenset(masked.kinds))


def keep_topic(topic: str) -> str:
    for one in reversed([one for one in find_personal(topic) if one.kind in _IN_A_TOPIC]):
        topic = topic[: one.start] + stars(topic[one.start : one.end]) + topic[one.end :]
    return topic


def _suffix(topic: str) -> str:
    parts = parse_below(topic) or parse_network_topic(topic)
    return parts.suffix if parts is not None else ""


def _masked(suffix: str, payload: bytes, wanted: Wanted, masked: Masked) -> bytes:
    if suffix.startswith(SPARKPLUG):
        return _binary(mask_sparkplug, payload, wanted, masked)
    if suffix == SENML and payload[:1] >= b"\x80":
        return _binary(mask_cbor, payload, wanted, masked)
    text = payload.decode("utf-8", "surrogateescape")
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        return mask_bytes(payload, masked)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", '"'):
        text = mask_json(text, wanted, masked)
    elif suffix == INFLUX:
        text = mask_lines(text, wanted, masked)
    else:
        text = mask_plain(text, wanted, masked)
    return text.encode("utf-8", "surrogateescape")


def _binary(
    mask: Callable[[bytes, Wanted, Masked], bytes], payload: bytes, wanted: Wanted, masked: Masked
) -> bytes:
    try:
        return mask(payload, wanted, masked)
    except NotThis:
        return mask_bytes(payload, masked)
