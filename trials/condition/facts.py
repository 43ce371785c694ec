"""Facts about a device at one moment, as plain values. Times are aware; None means never, or not known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

_UNDECLARED_INTERVAL_S: Final = 3600.0
"""Assumed for a device if no datastream has a known interval."""


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """First and last sign of life of a device, and its last status message. `said`: online or offline."""

    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    said: str | None = None
    said_at: datetime | None = None
    battery: float | None = None
    """%"""
    rssi: float | None = None
    """dBm"""
    snr: float | None = None
    """Signal-to-noise ratio in dB."""
    clock_offset: float | None = None
    """Device time − receipt in s; positive: its clock is ahead."""
    here_since: datetime | None = None
    """Its first word after its last silence; None if it had none since it was first seen."""
    denied: int = 0
    """Messages that the broker denied in the last day."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """A datastream: its expected interval, and its last result."""

    datastream_id: int
    name: str
    expected_interval_s: float | None
    """Declared, or reported by the device."""
    usual_interval_s: float | None
    """`expected_interval_s`, or learned from past results."""
    latest_received_at: datetime | None
    latest_at: datetime | None = None
    """Time of its latest result, sent or imported."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A deployment `[start, end)`; `end` None while it lasts."""

    site: str
    start: datetime
    end: datetime | None
    position: str = ""
    """Within the site."""


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """A declared window `[start, end)`; `site` None where it was declared for the device or its trial."""

    kind: str
    site: str | None
    start: datetime
    end: datetime | None
    reason: str


class DayCount(NamedTuple):
    """Results of one datastream on one local day: `n`, and `failed` of them that failed a check."""

    datastream_id: int
    day: date
    n: int
    failed: int


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """Everything that decides the condition of a device, except the time at which it is judged."""

    device_id: int
    time_zone: str
    """The trial's: days are local."""
    retired_at: datetime | None
    contact: ContactFacts
    streams: tuple[StreamFacts, ...]
    stays: tuple[Stay, ...]
    """In order of time."""
    windows: tuple[WindowFacts, ...]
    counts: tuple[DayCount, ...]
    """For the last `completeness.COUNTED` before the time at which it is judged."""

    def expected_interval_s(self) -> float:
        """The shortest usual interval of its datastreams."""
        return min(
            (every for stream in self.streams if (every := stream.usual_interval_s)),
            default=_UNDECLARED_INTERVAL_S,
        )
