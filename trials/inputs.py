"""What an evaluation is computed from: plain arrays and facts, the same from a database and from a package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from insitu.model import Flag
from trials.evaluation import GapSummary, RejectSummary
from trials.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Placement:
    """A device at a position of a site in `[start, end)`; `end` None while it stands there."""

    site: str
    position: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class StreamInput:
    """One datastream over the trial's periods, in order of time (µs since 1970)."""

    device: str
    name: str
    property: str
    unit: str
    role: str
    averaging_scale: str
    sensor: str
    placements: list[Placement]
    time_us: NDArray[np.int64]
    result: NDArray[np.float64]
    flag: NDArray[np.int8]
    by_check: dict[str, int] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    late: int = 0
    """Received more than a day after their time."""

    def key(self) -> str:
        return f"{self.device}/{self.name}"


@dataclass(frozen=True, slots=True)
class WindowInput:
    """A declared window; `target` is a trial, site or device by `target_kind`."""

    kind: str
    target_kind: str
    target: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime

    def covers(self, device: str, sites: Sequence[str]) -> bool:
        if self.target_kind == "device":
            return self.target == device
        return self.target_kind == "trial" or self.target in sites


@dataclass(frozen=True, slots=True)
class TrialInputs:
    protocol: Protocol
    protocol_sha256: str
    locked_at: datetime | None
    organisations: dict[str, str]
    sites: dict[str, str]
    streams: list[StreamInput]
    windows: list[WindowInput]
    rejects: list[RejectSummary]
    gaps: list[GapSummary]
    simulated: bool
    now: datetime

    def series_of(self, device: str, property: str) -> list[StreamInput]:
        """The device's datastream of a property, and those of devices that stood at its position before or after it."""
        own = [s for s in self.streams if s.device == device and s.property == property]
        places = {(p.site, p.position) for s in own for p in s.placements}
        joined = [
            s
            for s in self.streams
            if s.property == property and s not in own and any((p.site, p.position) in places for p in s.placements)
        ]
        return own + joined if own else []


def fingerprint(streams: Sequence[StreamInput]) -> str:
    """SHA-256 over key, times, results and flags of each datastream in the order of their keys."""
    digest = hashlib.sha256()
    for stream in sorted(streams, key=lambda s: s.key()):
        digest.update(stream.key().encode() + b"\0")
        digest.update(stream.time_us.astype("<i8").tobytes())
        digest.update(stream.result.astype("<f8").tobytes())
        digest.update(stream.flag.astype("<i1").tobytes())
    return digest.hexdigest()


USED = (Flag.PASS,)
USED_UNCHECKED = (Flag.PASS, Flag.NOT_EVALUATED)
USED_WITH_SUSPECT = (Flag.PASS, Flag.NOT_EVALUATED, Flag.SUSPECT)
