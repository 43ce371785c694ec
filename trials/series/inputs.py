"""The inputs of an evaluation: plain arrays and facts, the same from a database and from a package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats, Ints
from insitu.model import Flag, Stamp
from insitu.spacing import Spacing
from insitu.times import to_whole_second_us
from trials.evaluation import GapSummary, Part, RejectSummary, SensorSummary, WithdrawalSummary
from trials.plan.endpoint import Endpoint
from trials.plan.protocol import Protocol
from trials.plan.rules import Rules


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
    time_us: Ints
    result: Floats
    flag: NDArray[np.int8]
    by_check: dict[str, int] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    late: int = 0
    """Received more than a day after their time, as far as it is known how they arrived."""
    from_file: int = 0
    """Read from a file: nobody knows how they arrived."""
    checked_with: str | None = None
    """Parameters of the last run of the checks, as canonical JSON; None if none ran, or they were not
    kept.
    """
    stamp: Stamp = Stamp.INSTANT
    """The point of their interval that the times mark."""
    every: Spacing | None = None
    """The declared time between two results."""

    def key(self) -> str:
        return f"{self.device}/{self.name}"

    def shift_us(self, planned: Spacing, rules: Rules) -> int:
        """From a time to the middle of the interval that the result stands for, µs; 0 for an instant."""
        return shift_us(self.stamp, self.every, planned) if rules.local_grid else 0


def shift_us(stamp: Stamp, every: Spacing | None, planned: Spacing) -> int:
    """From the time of a result to the middle of the interval that it stands for, µs; 0 for an instant.

    That interval is the declared one, or the planned one if that is shorter: a filter of one day that is
    taken every sixth day stands for its day. Its middle decides where the result belongs. So a stamp at an
    edge falls into the right interval, also if a clock or a person is a little early or late.
    """
    if stamp is Stamp.INSTANT:
        return 0
    half = min(planned.about_us, planned.about_us if every is None else every.about_us) // 2
    return half if stamp is Stamp.BEGIN else -half


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
    ended_at: datetime | None = None
    """When somebody ended it, earlier than declared or without a declared end; None: nobody did."""

    def covers(self, device: str, sites: Sequence[str]) -> bool:
        if self.target_kind == "device":
            return self.target == device
        return self.target_kind == "trial" or self.target in sites


@dataclass(frozen=True, slots=True)
class Unblinding:
    """From `at` on, the result of a blinded endpoint is shown."""

    endpoint: str
    at: datetime
    login: str
    reason: str


class ErasureSummary(Part):
    """Results of a device that were erased, measured in `[start, end)`; None: without a limit."""

    erasure_id: int
    erased_at: datetime
    reason: str
    device: str
    start: datetime | None
    end: datetime | None
    results: int


class CorrectionSummary(Part):
    """Results of a datastream, measured from `first` to `last`, that one file replaced."""

    datastream: str
    file: str
    reason: str
    corrected_by: str
    corrected_at: datetime
    """The last of them."""
    first: datetime
    last: datetime
    results: int
    moved: float
    """Mean of new − old."""


@dataclass(frozen=True, slots=True)
class EarlierEvaluation:
    """An evaluation that was made before this one."""

    at: datetime
    sha256: str
    interim: bool
    """Made before the end of the reporting period, as planned at that time."""
    blinded: bool
    """Its verdict meant nothing: nobody saw the results of the primary endpoints."""


@dataclass(frozen=True, slots=True)
class ProtocolVersion:
    """A locked version; `document` is its canonical JSON, whose SHA-256 is `sha256`."""

    version: int
    locked_at: datetime
    sha256: str
    document: str


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
    unblinded: list[Unblinding] = field(default_factory=list)
    earlier: list[EarlierEvaluation] = field(default_factory=list)
    """In order of time."""
    versions: list[ProtocolVersion] = field(default_factory=list)
    """Oldest first; the last is applied."""
    whole: Protocol | None = None
    """At an early look the uncut protocol, while the reporting period of `protocol` is cut; else None
    (`trials.judge.looks`).
    """
    withdrawals: list[WithdrawalSummary] = field(default_factory=list)
    """Results that were taken out of use before."""
    sensors: list[SensorSummary] = field(default_factory=list)
    """Of the devices of `streams`, by device in order of time."""
    erasures: list[ErasureSummary] = field(default_factory=list)
    """Results that were erased before, in order of the erasures."""
    corrections: list[CorrectionSummary] = field(default_factory=list)
    """Results that were replaced before, in order of time."""
    rules: Rules = field(default_factory=Rules)
    """By which it is computed: the newest, unless it recomputes an older evaluation."""

    def is_blinded(self, endpoint: Endpoint) -> bool:
        return bool(endpoint.blinded) and all(one.endpoint != endpoint.name for one in self.unblinded)

    def places_of(self, device: str) -> list[Placement]:
        """The places of the device and of its replacements, in order of time."""
        own = [s for s in self.streams if s.device == device]
        named = {name for arm in self.protocol.arms for name in arm.devices}
        places = {p for s in own for p in s.placements}
        swapped = {
            place
            for stream in self.streams
            if stream.device not in named
            and any((stream.property, stream.role) == (s.property, s.role) for s in own)
            for place in stream.placements
            if _swapped(place, list(places))
        }
        return sorted(places | swapped, key=lambda place: place.start)

    def series_of(self, device: str, property: str) -> list[StreamInput]:
        """The device's datastream of a property, and those of its replacements: devices of its role at its
        position before or after it.

        Takes only their time at that position. A device that was there at the same time is a neighbour, and
        one that the protocol names is a series of its own: neither may fill this one's gaps.
        """
        own = [s for s in self.streams if s.device == device and s.property == property]
        named = {name for arm in self.protocol.arms for name in arm.devices}
        places = [p for s in own for p in s.placements]
        found = list(own)
        for stream in self.streams:
            if (
                stream.property == property
                and stream.device not in named
                and any(stream.role == s.role for s in own)
            ):
                shift = stream.shift_us(self.protocol.interval_for(property, device), self.rules)
                found += [
                    _during(stream, place, shift) for place in stream.placements if _swapped(place, places)
                ]
        return found


def _swapped(place: Placement, places: Sequence[Placement]) -> bool:
    """Whether `place` has the position of one of `places`, at a time that overlaps none of them."""
    there = [p for p in places if (p.site, p.position) == (place.site, place.position)]
    return bool(there) and all(
        (p.end is not None and p.end <= place.start) or (place.end is not None and place.end <= p.start)
        for p in there
    )


def _during(stream: StreamInput, place: Placement, shift: int) -> StreamInput:
    middles = stream.time_us + shift
    inside = middles >= to_whole_second_us(place.start)
    if place.end is not None:
        inside &= middles < to_whole_second_us(place.end)
    return replace(
        stream, time_us=stream.time_us[inside], result=stream.result[inside], flag=stream.flag[inside]
    )


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
