"""Return types of decoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ingest.decode.flatten import NO_RECORDS, Records
from insitu.model import IgnoreReason, Reading, RejectReason, Remark


class StatusReport(NamedTuple):
    """Status that a device reports about itself; None for missing values."""

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
    """An event worth showing as text: joined, a log line of the network server."""


LONGEST_INTERVAL_US: Final = 366 * 86_400_000_000
"""A longer interval between two results is no measure of a device's health."""


class Problem(NamedTuple):
    """A part of a message that could not be read."""

    reason: RejectReason
    detail: str
    item: int | None = None
    """Its position in the message's list."""


class Decoded(NamedTuple):
    """A message that could be read."""

    readings: list[Reading]
    sequences: tuple[tuple[str, int], ...] = ()
    """(boot, seq) of the message, or of each part of a list of messages."""
    refused: tuple[tuple[RejectReason, int, str], ...] = ()
    """Unreadable parts of a readable message: reason, number of results, text about the first."""
    status: StatusReport | None = None
    """Status of the device in the same message."""
    frame: bytes | None = None
    """Identity of a radio frame: two copies share it although their times differ. Remembered for some
    minutes.
    """
    ignored: IgnoreReason | None = None
    """By rule these are no trial data: all results count as ignored."""
    interval_us: int | None = None
    """Interval between measurements as reported by the device. Values outside (0, LONGEST_INTERVAL_US] are
    ignored.
    """

    in_part: bool = False
    """Some messages of the list have no `seq`. If a time is missing too, the others' `seq` do not identify
    the message.
    """
    historical: bool = False
    """All of it was measured and stored earlier, so it does not show that the device is alive now."""
    network_time: bool = False
    """The times come from the network that heard the device, not from the device's own clock."""
    named: str | None = None
    """Name of the device at its network server according to the payload; equals the last part of its
    address.
    """
    whose: tuple[str, ...] = ()
    """Texts beside the results that may name the device that measured."""
    records: Records = NO_RECORDS
    """Readings from objects in lists, which a mapping selects by a key."""
    problems: tuple[Problem, ...] = ()
    """The unreadable parts, each."""
    starts: tuple[int, ...] = ()
    """Of a list of messages: index of the first reading of each item."""
    remarks: tuple[Remark, ...] = ()

    @property
    def timed(self) -> bool:
        """True if every reading has a device time, so that its own key identifies it."""
        for reading in self.readings:  # noqa: SIM110 - a third of the time of all(), for every message
            if reading.time_us is None:
                return False
        return True


class Unreadable(NamedTuple):
    """A message that could not be read, with the reason as text for its sender."""

    reason: RejectReason
    detail: str
    problems: tuple[Problem, ...] = ()
    """If it is a list: why each item cannot be read."""


Decoder = Callable[[bytes, int], Decoded | StatusReport | Unreadable]
"""(payload, received µs) → content."""


def settle(readings: list[Reading], problems: Sequence[Problem]) -> Decoded | Unreadable:
    """Combine the readings with the problems, one result for each problem. Without any reading, the first
    problem.
    """
    if not problems:
        return Decoded(readings)
    if not readings:
        return Unreadable(problems[0].reason, problems[0].detail, tuple(problems))
    refused: dict[RejectReason, tuple[int, str]] = {}
    for reason, detail, _ in problems:
        count, first = refused.get(reason, (0, detail))
        refused[reason] = (count + 1, first)
    summed = tuple((reason, *found) for reason, found in refused.items())
    return Decoded(readings, refused=summed, problems=tuple(problems))
