"""The rejects of a batch as they are kept: without texts that nobody asked for. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ingest.masks.payload import Kept, keep_payload
from ingest.masks.personal import hide
from ingest.masks.wanted import wanted_of
from ingest.outcome import Booked, content_digest
from insitu.model import Reject, Remark, RemarkCode
from store.retention import Allowed

_DAY_US: Final = 86_400_000_000


_TOLD: Final = 512
"""Bytes of a message that are read for the excerpt in an answer."""


def rejects_of(batch: Sequence[Booked]) -> list[tuple[Booked, Reject]]:
    """Each refusal with its message, as received."""
    return [(one, reject) for one in batch if not one.repeated and one.refused for reject in _rejects(one)]


def _rejects(one: Booked) -> Iterator[Reject]:
    prepared, message = one.message, one.message.message
    one.identity = _identity(one)
    for reason, (results, detail) in one.refused.items():
        yield Reject(
            reason,
            f"{prepared.source}: {detail}" if prepared.source else detail,
            message.topic,
            message.payload,
            message.received_us,
            prepared.trial,
            prepared.device,
            results,
            message.size or len(message.payload),
            one.identity,
        )


class Keeper:
    """Makes of a reject what is kept, and what its device hears. Only for those that are: a flood of refused
    messages costs little. Notes at the message what named a person.
    """

    def __init__(self, rejects: Sequence[tuple[Booked, Reject]]) -> None:
        self._owners = {reject.identity: one for one, reject in rejects}
        self._kept: dict[tuple[bytes, str], Reject] = {}

    def keep(self, reject: Reject, allowed: Allowed) -> Reject:
        key = reject.identity, str(reject.reason)
        if key not in self._kept:
            self._kept[key] = self._masked(reject, allowed)
        return self._kept[key]

    def tell(self, reject: Reject, allowed: Allowed) -> Reject:
        """Of a reject that is only counted."""
        return self._masked(reject._replace(payload=reject.payload[:_TOLD]), allowed)

    def _masked(self, reject: Reject, allowed: Allowed) -> Reject:
        one = self._owners[reject.identity]
        wanted, raw_until_us = wanted_of(one.message.known), None
        kept = keep_payload(reject.topic, reject.payload, reject.detail, wanted)
        if kept.kinds:
            _note(one, kept)
        if reject.trial in allowed:
            fields, days = allowed[reject.trial]
            own = replace(wanted, allowed=tuple(fields))
            whole = keep_payload(reject.topic, reject.payload, reject.detail, own)
            if whole != kept:
                kept, raw_until_us = whole, reject.received_us + days * _DAY_US
        return reject._replace(
            payload=kept.payload, detail=kept.detail, topic=kept.topic, raw_until_us=raw_until_us
        )


def _identity(one: Booked) -> bytes:
    message = one.message.message
    digest = content_digest(message)
    if one.message.by_delivery:
        # Two deliveries of the same unreadable bytes are two messages: the first receipt tells them apart.
        return hashlib.sha256(
            digest + message.received_us.to_bytes(8, "big") + message.mid.to_bytes(2, "big")
        ).digest()
    return digest


def _note(one: Booked, kept: Kept) -> None:
    """A remark at the device, so that somebody stops it at its source."""
    noted = {remark.subject for remark in one.message.remarks}
    new = [Remark(RemarkCode.PERSONAL_DATA, kind) for kind in sorted(kept.kinds) if kind not in noted]
    if new:
        one.message = one.message._replace(remarks=(*one.message.remarks, *new))


def without_persons(text: str) -> str:
    """A text that is kept for itself, as a version or the name of a file, without what names a person."""
    return hide(text, bare=False)[0]
