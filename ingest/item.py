"""One message on its way from bytes to rows, and what a batch of them comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.decode import StatusReport
from insitu.model import IgnoreReason, Message, Observation, Reject, RejectReason
from insitu.wire import PREFIX
from store.catalogue.snapshot import KnownDevice
from store.sequences import Ranges

DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a mistake of ours raises on a message: nothing that waiting would mend, and nothing that the driver of
the database says.
"""
UNKNOWN = "unknown"


@dataclass(slots=True)
class Item:
    """One message on its way. `refused`: reason → (results, first of them in words); an unreadable message
    refuses 0.
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
    """Its times are of a clock of the device."""
    historical: bool = False
    also_gone: list[int] = field(default_factory=list)
    """Devices that went down with this one."""
    ignored_for: IgnoreReason | None = None
    interval_us: int | None = None
    by_delivery: bool = False
    """Only its delivery identifies it."""
    timed: bool = True
    repeated: bool = False
    counted_before: bool = False
    """Its `seq` was accounted for before."""
    identity: bytes = b""
    duplicate: int = 0
    conflicting: int = 0
    reject_id: int = 0
    """The reject of which this is the replay."""
    others: frozenset[str] = frozenset()
    """Of a replay: for what reasons the same message has other rejects."""
    source: str = ""
    """Where it stands, if it came from a file: it tells a reject where to look, and is no sign of life of the
    device.
    """

    @property
    def speaks_for_itself(self) -> bool:
        """False behind a network server: such a device hears neither receipts nor refusals."""
        return self.message.topic.startswith(PREFIX)

    @property
    def stored(self) -> int:
        """Of its results, once they are merged."""
        return 0 if self.repeated else len(self.observations) - self.duplicate - self.conflicting

    @property
    def settled(self) -> bool:
        """Of a replay: nothing is left of what its reject stands for, once it is merged."""
        return all(str(reason) in self.others for reason in self.refused)

    def is_plain(self) -> bool:
        """Every result became a row: what nearly all messages are."""
        return not (self.refused or self.duplicate or self.repeated or self.ignored_for)


@dataclass(slots=True)
class Outcome:
    """What to tell the devices after the commit."""

    receipts: dict[tuple[str, str, str], Ranges] = field(default_factory=dict)
    """(trial, device, boot) → accounted ranges of seq."""
    refusals: list[tuple[Reject, int | None]] = field(default_factory=list)
    """New rejects of known devices, with the message's seq."""
    rebirths: set[tuple[str, str]] = field(default_factory=set)
    """(group, edge node) that are to be asked for a birth."""
    stored: int = 0
    refused: int = 0
