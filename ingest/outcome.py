"""The outcome of a batch: of each message, and for its devices."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.prepared import Prepared, Refusals
from insitu.model import Message, Reject, RejectReason
from store.imports import ResultOrigin
from store.sequences import Ranges

CONFLICT = "Another result of the same time is stored already; the first one stands."


def content_digest(message: Message) -> bytes:
    """SHA-256 of topic and payload."""
    if message.unread:
        return message.unread
    return hashlib.sha256(
        message.topic.encode("utf-8", "backslashreplace") + b"\0" + message.payload
    ).digest()


def explain_conflict(earlier: ResultOrigin, import_id: int) -> str:
    """For a result of import `import_id`: which stored result it met, and what to do."""
    if earlier.import_id == import_id:
        return "An earlier row of this file has another result of the same time; the first one stands."
    mend = "if this file is right, import it with --correct --reason WHY"
    if earlier.import_id is None:
        whose = "a file" if earlier.is_from_file else "the device itself"
        return (
            f"Another result of the same time is stored already, from {whose}; the first one stands: {mend}."
        )
    return (
        f"Another result of the same time is stored already, from import {earlier.import_id} "
        f"({earlier.file}); the first one stands. If that import was wrong, `insitu withdraw "
        f"{earlier.import_id} --reason WHY` and import this file again; {mend}."
    )


@dataclass(slots=True)
class Booked:
    """The outcome of one message. Only `ingest.booking` writes to it."""

    message: Prepared
    place: int = 0
    """In its batch."""
    repeated: bool = False
    counted_before: bool = False
    """Its `seq` was accounted for before."""
    identity: bytes = b""
    """Of its rejects."""
    duplicate: int = 0
    conflicting: int = 0
    conflict: str = CONFLICT
    """Which result the first conflicting one met, in words."""

    def refuse_whole(self, reason: RejectReason, detail: str) -> None:
        """Refuse every result of the message."""
        message = self.message
        others = {one: count for one, count in message.refused.items() if one is not reason}
        results = message.contained - sum(count for count, _ in others.values())
        results -= sum(message.left_out.values())
        self.message = message._replace(
            observations=(), refused={**others, reason: (results, detail)}, status=None, remarks=()
        )

    @property
    def stored(self) -> int:
        """Results that became rows."""
        return 0 if self.repeated else len(self.message.observations) - self.duplicate - self.conflicting

    @property
    def refused(self) -> Refusals:
        """Those that were refused when it was read, and results that contradict stored ones."""
        refused = self.message.refused
        if not self.conflicting:
            return refused
        before, first = refused.get(RejectReason.CONFLICTING_RESULT, (0, self.conflict))
        return {**refused, RejectReason.CONFLICTING_RESULT: (before + self.conflicting, first)}

    @property
    def settled(self) -> bool:
        """Of a replay: its reject need not be tried again."""
        return all(str(reason) in self.message.others for reason in self.refused)

    def is_plain(self) -> bool:
        """Every result became a row, as for nearly all messages."""
        message = self.message
        return not (
            message.refused
            or self.duplicate
            or self.conflicting
            or self.repeated
            or message.ignored_for
            or message.left_out
        )


@dataclass(slots=True)
class Outcome:
    """Of a batch, with what to tell the devices after the commit."""

    messages: Sequence[Booked] = ()
    """In the order of the batch."""
    receipts: dict[tuple[str, str, str], Ranges] = field(default_factory=dict)
    """(trial, device, boot) → accounted ranges of seq."""
    refusals: list[tuple[Reject, int | None]] = field(default_factory=list)
    """New rejects of known devices, with the message's seq."""
    rebirths: set[tuple[str, str]] = field(default_factory=set)
    """(group, edge node) that are to be asked for a birth."""
    stored: int = 0
    refused: int = 0
