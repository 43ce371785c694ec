"""What a decoder returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from insitu.model import Reading, RejectReason


class Decoded(NamedTuple):
    """A message that could be read."""

    readings: list[Reading]
    sequences: tuple[tuple[str, int], ...] = ()
    """(boot, seq) of the message, or of each part of a list of messages."""
    refused: tuple[tuple[RejectReason, int, str], ...] = ()
    """Parts that could not be read beside others that could: reason, how many results, the first of them in words."""

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


def settle(readings: list[Reading], problems: Sequence[tuple[RejectReason, str]]) -> Decoded | Unreadable:
    """What could be read with what could not beside it, one result a problem; the first problem, where nothing could be read."""
    if not problems:
        return Decoded(readings)
    if not readings:
        return Unreadable(*problems[0])
    refused: dict[RejectReason, tuple[int, str]] = {}
    for reason, detail in problems:
        count, first = refused.get(reason, (0, detail))
        refused[reason] = (count + 1, first)
    return Decoded(readings, refused=tuple((reason, *found) for reason, found in refused.items()))
