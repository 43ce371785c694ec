"""One message on its way from bytes to rows, and the outcome of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.decode import StatusReport
from insitu.model import IgnoreReason, Message, Observation, Reject, RejectReason
from insitu.wire import PREFIX
from store.catalogue.snapshot import KnownDevice
from store.sequences import Ranges

DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Exceptions caused by our own bugs. Retrying would not help, and the database's driver raises none of
them.
"""
UNKNOWN = "unknown"


@dataclass(slots=True)
class Item:
    """One message on its way. `refused`: reason → (number of results, text about the first); an unreadable
    message has 0 results.
    """

    message: Message
    trial: str = UNKNOWN
    device: str = UNKNOWN
    known: KnownDevice | None = None
    contained: int = 0
    observations: list[Observation] = field(default_factory=list)
    refused: dict[RejectReason, tuple[int, str]] = field(default_factory=dict)
    sequences: tuple[tuple[str, int], ...] = ()
    status: StatusReport | None = None
    frame: bytes | None = None
    own_clock: bool = True
    """Its times come from the device's own clock."""
    historical: bool = False
    also_gone: list[int] = field(default_factory=list)
    """Devices that went offline with this one."""
    ignored_for: IgnoreReason | None = None
    interval_us: int | None = None
    by_delivery: bool = False
    """It has no other identity than its delivery."""
    timed: bool = True
    repeated: bool = False
    counted_before: bool = False
    """Its `seq` was already accounted for."""
    identity: bytes = b""
    duplicate: int = 0
    conflicting: int = 0
    reject_id: int = 0
    """The reject that this item replays; 0 for live traffic."""
    others: frozenset[str] = frozenset()
    """For a replay: reasons of the message's other rejects."""
    source: str = ""
    """Place in the file from which the message comes. A reject quotes it; the message is then no sign of
    life.
    """

    @property
    def speaks_for_itself(self) -> bool:
        """False behind a network server: such a device hears neither receipts nor refusals."""
        return self.message.topic.startswith(PREFIX)

    @property
    def stored(self) -> int:
        """Number of stored results, after the merge."""
        return 0 if self.repeated else len(self.observations) - self.duplicate - self.conflicting

    @property
    def settled(self) -> bool:
        """For a replay, after the merge: nothing is refused any more for its reject's reason."""
        return all(str(reason) in self.others for reason in self.refused)

    def is_plain(self) -> bool:
        """True if every result became a row, as for nearly all messages."""
        return not (self.refused or self.duplicate or self.repeated or self.ignored_for)


@dataclass(slots=True)
class Outcome:
    """Result of a batch: messages to send to the devices after the commit."""

    receipts: dict[tuple[str, str, str], Ranges] = field(default_factory=dict)
    """(trial, device, boot) → accounted ranges of seq."""
    refusals: list[tuple[Reject, int | None]] = field(default_factory=list)
    """New rejects of known devices, with the message's seq."""
    rebirths: set[tuple[str, str]] = field(default_factory=set)
    """(group, edge node) to ask for a birth."""
    stored: int = 0
    refused: int = 0
