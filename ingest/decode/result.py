"""What a decoder returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from insitu.model import IgnoreReason, Reading, RejectReason


class StatusReport(NamedTuple):
    """What a device says of itself; None where it does not say."""

    state: str | None = None
    battery: float | None = None
    rssi: float | None = None
    firmware: str | None = None
    uptime: float | None = None
    time_us: int | None = None
    snr: float | None = None
    """Signal-to-noise ratio of its last frame at the best gateway, dB."""
    margin: float | None = None
    """Link margin that the device reports, dB."""
    note: str | None = None
    """An event worth keeping in words: joined, a log line of the network server."""


LONGEST_INTERVAL_US: Final = 366 * 86_400_000_000
"""A longer time between two results says nothing of a device's health."""


class Decoded(NamedTuple):
    """A message that could be read."""

    readings: list[Reading]
    sequences: tuple[tuple[str, int], ...] = ()
    """(boot, seq) of the message, or of each part of a list of messages."""
    refused: tuple[tuple[RejectReason, int, str], ...] = ()
    """Parts that could not be read beside others that could: reason, how many results, the first of them in
    words.
    """
    status: StatusReport | None = None
    """What the same message says of the device itself."""
    frame: bytes | None = None
    """What makes two copies of one radio frame the same although their times differ; known again for some
    minutes.
    """
    ignored: IgnoreReason | None = None
    """By rule no trial data: all of its results count as ignored."""
    interval_us: int | None = None
    """How often the device says it measures; what is not in (0, LONGEST_INTERVAL_US] says nothing."""

    in_part: bool = False
    """Not every message of a list has a `seq`: where a time is missing too, the `seq` of the others do not
    identify it.
    """
    historical: bool = False
    """All of it was measured before and kept: no sign that the device is alive now."""
    network_time: bool = False
    """The times are those of the network that heard the device, not of a clock of its own."""
    named: str | None = None
    """What the message itself calls the device at its network server: the last part of its address."""

    @property
    def timed(self) -> bool:
        """True where every reading carries a device time, so that its own key identifies it."""
        for reading in self.readings:  # noqa: SIM110 - a third of the time of all(), for every message
            if reading.time_us is None:
                return False
        return True


class Unreadable(NamedTuple):
    """A message that could not be read, and why, in words for who sent it."""

    reason: RejectReason
    detail: str


Decoder = Callable[[bytes, int], Decoded | StatusReport | Unreadable]
"""(payload, received µs) → what it says."""


def settle(readings: list[Reading], problems: Sequence[tuple[RejectReason, str]]) -> Decoded | Unreadable:
    """What could be read with what could not beside it, one result a problem; the first problem, where
    nothing could be read.
    """
    if not problems:
        return Decoded(readings)
    if not readings:
        return Unreadable(*problems[0])
    refused: dict[RejectReason, tuple[int, str]] = {}
    for reason, detail in problems:
        count, first = refused.get(reason, (0, detail))
        refused[reason] = (count + 1, first)
    return Decoded(readings, refused=tuple((reason, *found) for reason, found in refused.items()))
