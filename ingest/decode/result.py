"""What a decoder returns."""

from __future__ import annotations

from typing import NamedTuple

from insitu.model import Reading, RejectReason


class Decoded(NamedTuple):
    """A message that could be read."""

    readings: list[Reading]
    sequences: tuple[tuple[str, int], ...] = ()
    """(boot, seq) of the message, or of each part of a list of messages."""

    @property
    def timed(self) -> bool:
        """True where every reading carries a device time, so that its own key identifies it."""
        for reading in self.readings:  # noqa: SIM110 - a third of the time of all(), for every message
            if reading.time_us is None:
                return False
        return True


class StatusReport(NamedTuple):
    """What a device says of itself; None where it does not say."""

    state: str | None = None
    battery: float | None = None
    rssi: float | None = None
    firmware: str | None = None
    uptime: float | None = None
    time_us: int | None = None


class Unreadable(NamedTuple):
    """A message that could not be read, and why, in words for who sent it."""

    reason: RejectReason
    detail: str
