"""A message that was read and not yet stored: its results, or why it is refused. It never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from ingest.decode import StatusReport
from insitu.model import IgnoreReason, Message, Observation, RejectReason, Remark
from insitu.wire import PREFIX, parse_network_topic
from store.catalogue.snapshot import KnownDevice

Refusals = Mapping[RejectReason, tuple[int, str]]
"""Reason → (results, the first of them in words); an unreadable message refuses 0 results."""

DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Exceptions caused by our own bugs on a message. Trying again would not help. The database raises others."""
UNKNOWN: Final = "unknown"
NO_REFUSALS: Final[Refusals] = MappingProxyType({})
NOTHING_LEFT_OUT: Final[Mapping[IgnoreReason, int]] = MappingProxyType({})


class Look(IntEnum):
    """How closely a message is looked at that is to be refused. Each step needs less of us and of the
    database than the one before.
    """

    INSIDE = 0
    """Its `seq` is accounted for."""
    AT_TOPIC = 1
    """Its device is known, and hears of it."""
    NOT_AT_ALL = 2
    """Its bytes are kept, under the name `unknown`."""


class Prepared(NamedTuple):
    """One message, read. A tuple, since one is made for every message."""

    message: Message
    trial: str = UNKNOWN
    device: str = UNKNOWN
    known: KnownDevice | None = None
    contained: int = 0
    """Results in it; a status counts as one."""
    observations: Sequence[Observation] = ()
    refused: Refusals = NO_REFUSALS
    sequences: tuple[tuple[str, int], ...] = ()
    """Pairs of boot and seq."""
    status: StatusReport | None = None
    frame: bytes | None = None
    """Identifies a frame of a radio network, which may come by several gateways."""
    own_clock: bool = True
    """Its times are from a clock of the device."""
    historical: bool = False
    also_gone: Sequence[int] = ()
    """Devices that went down with this one."""
    ignored_for: IgnoreReason | None = None
    interval_us: int | None = None
    by_delivery: bool = False
    """Only its delivery identifies it."""
    timed: bool = True
    reject_id: int = 0
    """The reject that it replays; 0: none."""
    others: frozenset[str] = frozenset()
    """Of a replay: the reasons of the message's other rejects."""
    source: str = ""
    """File and row it came from: tells where to look, and is no sign of life of the device."""
    left_out: Mapping[IgnoreReason, int] = NOTHING_LEFT_OUT
    """Entries beside the results, by why they are none."""
    remarks: tuple[Remark, ...] = ()

    @property
    def speaks_for_itself(self) -> bool:
        """False behind a network server: such a device hears neither receipts nor refusals."""
        topic = self.message.topic
        return topic.startswith(PREFIX) or parse_network_topic(topic) is None
