"""The device's own record: each message it made, how often it sent it, and when it was acknowledged.

Messages are numbered n from 0. The result holds device and number, `device number · 10⁷ + n`, so that a row
or the bytes of a reject lead back to the message. A constant device sends number 0 every time.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from enum import Enum

SPAN = 10_000_000


class Kind(Enum):
    """How a message identifies itself besides its result, its format and transport."""

    SEQUENCED = "boot+seq+time"
    TIMED = "time"
    COUNTED = "boot+seq"
    BARE = "bare distinct"
    CONSTANT = "bare constant"
    UNREADABLE = "unreadable"
    HTTP = "HTTP, time"
    HTTP_BARE = "HTTP, bare"
    SENML = "SenML"
    INFLUX = "line protocol"
    TELEMETRY = "ThingsBoard"


TIMELESS = {Kind.COUNTED, Kind.BARE, Kind.CONSTANT, Kind.UNREADABLE, Kind.HTTP_BARE}
"""Kinds whose rows carry the time of receipt, so that a row's time does not identify a message."""

REPEATABLE = {Kind.BARE, Kind.CONSTANT, Kind.UNREADABLE, Kind.HTTP_BARE}
"""Kinds that docs/reliability.md identifies by their delivery only: each transmission may be stored once."""

BY_HTTP = {Kind.HTTP, Kind.HTTP_BARE}

MESSAGES_OF_A_BOOT = 200
"""A device "restarts" after this many messages, so that first messages of a boot are frequent."""


@dataclass
class Journal:
    """`made[n]`: device time in microseconds since 1970. `sent[n]`: transmissions. `first[n]`,
    `acknowledged[n]`: seconds since 1970, or 0.
    """

    device: str
    number: int
    kind: Kind
    made: array[int] = field(default_factory=lambda: array("q"))
    sent: array[int] = field(default_factory=lambda: array("H"))
    first: array[float] = field(default_factory=lambda: array("d"))
    acknowledged: array[float] = field(default_factory=lambda: array("d"))

    def make(self, now: float) -> int:
        """Adds a message and returns its number. Device times strictly increase, by at least a millisecond:
        ThingsBoard has no finer ones.
        """
        at = int(now * 1000) * 1000
        self.made.append(max(at, self.made[-1] + 1000) if self.made else at)
        self.sent.append(0)
        self.first.append(0.0)
        self.acknowledged.append(0.0)
        return len(self.made) - 1

    def note_sent(self, n: int, now: float) -> None:
        self.sent[n] = min(self.sent[n] + 1, 65535)
        if not self.first[n]:
            self.first[n] = now

    def note_acknowledged(self, n: int, now: float) -> None:
        if not self.acknowledged[n]:
            self.acknowledged[n] = now

    def result(self, n: int) -> int:
        return self.number * SPAN + (0 if self.kind is Kind.CONSTANT else n)


def payload(journal: Journal, n: int) -> bytes:
    """The bytes of message n, the same at each transmission."""
    result, at = journal.result(n), journal.made[n]
    boot, seq = divmod(n, MESSAGES_OF_A_BOOT)
    counter = {"boot": f"boot-{boot}", "seq": seq}
    results = {"results": {"pm25": result}}
    match journal.kind:
        case Kind.SEQUENCED:
            return json.dumps({**counter, "time": at, **results}).encode()
        case Kind.TIMED | Kind.HTTP:
            return json.dumps({"time": at, **results}).encode()
        case Kind.COUNTED:
            return json.dumps({**counter, **results}).encode()
        case Kind.BARE | Kind.CONSTANT | Kind.HTTP_BARE:
            return json.dumps(results).encode()
        case Kind.UNREADABLE:
            return b"\xff\xfe{" + str(result).encode()
        case Kind.SENML:
            return json.dumps([{"bt": at / 1_000_000, "n": "pm25", "v": result}]).encode()
        case Kind.INFLUX:
            return f"pms pm25={result} {at * 1000}".encode()
        case Kind.TELEMETRY:
            return json.dumps({"ts": at // 1000, "values": {"pm25": result}}).encode()


def suffix(kind: Kind) -> str:
    """The last part of topic and path."""
    named = {Kind.SENML: "senml", Kind.INFLUX: "influx", Kind.TELEMETRY: "telemetry"}
    return named.get(kind, "observations" if kind in BY_HTTP else "obs")
