"""Finds the troubles of a device that still sends: codes with their evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from insitu.model import DeviceCause
from trials.condition.facts import ContactFacts, DayCount, DeviceFacts, StreamFacts

LOW_BATTERY: Final = 15.0
POOR_RADIO_DBM: Final = -100.0
POOR_SNR_DB: Final = -15.0
"""LoRa ends between −7.5 dB (SF7) and −20 dB (SF12)."""
CLOCK_OFF_S: Final = 300.0
"""Limit for a clock that is ahead. One that is behind may lag by one interval more, because many devices
stamp a mean with the start of its interval.
"""
FAILING_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a device is in its state. `evidence`: the numbers behind the code, by names that end in the
    unit.
    """

    code: DeviceCause
    evidence: dict[str, float | str]

    @property
    def key(self) -> str:
        """The code; with a name after a colon where one device can have it several times."""
        name = self.evidence.get("name")
        return str(self.code) if name is None else f"{self.code}:{name}"


def find_troubles(
    facts: DeviceFacts, silent: Sequence[StreamFacts], clock_offset: float | None
) -> tuple[Cause, ...]:
    """Worst first. `silent`: its datastreams that send nothing. `clock_offset` in s; None where it is not
    believed.
    """
    return (
        *find_denials(facts.contact),
        *(Cause(DeviceCause.SILENT_DATASTREAM, {"name": stream.name}) for stream in silent),
        *_low_battery(facts.contact),
        *_poor_radio(facts.contact),
        *_clock_off(clock_offset, facts.expected_interval_s()),
        *_failing_checks(facts.counts),
    )


def find_denials(contact: ContactFacts) -> Iterator[Cause]:
    """The broker denied messages that the device believes delivered."""
    if contact.denied:
        yield Cause(DeviceCause.DENIED, {"messages": float(contact.denied)})


def _low_battery(contact: ContactFacts) -> Iterator[Cause]:
    if contact.battery is not None and contact.battery < LOW_BATTERY:
        yield Cause(DeviceCause.LOW_BATTERY, {"battery_percent": contact.battery})


def _poor_radio(contact: ContactFacts) -> Iterator[Cause]:
    """Judges by the signal-to-noise ratio where it is known, since LoRa still works far below the noise and
    at −110 dBm.
    """
    if contact.snr is not None:
        if contact.snr < POOR_SNR_DB:
            yield Cause(DeviceCause.POOR_RADIO, {"snr_db": contact.snr})
    elif contact.rssi is not None and contact.rssi < POOR_RADIO_DBM:
        yield Cause(DeviceCause.POOR_RADIO, {"rssi_dbm": contact.rssi})


def _clock_off(offset: float | None, expected_s: float) -> Iterator[Cause]:
    if offset is not None and not -CLOCK_OFF_S - expected_s <= offset <= CLOCK_OFF_S:
        yield Cause(DeviceCause.CLOCK_OFF, {"offset_s": offset})


def _failing_checks(counts: Sequence[DayCount]) -> Iterator[Cause]:
    """Counts the last day that has results and the day before it."""
    if not any(failed for _, _, _, failed in counts):  # nearly every device of a fleet
        return
    since = max(count.day for count in counts) - timedelta(days=1)
    recent = [count for count in counts if count.day >= since]
    n, failed = sum(count.n for count in recent), sum(count.failed for count in recent)
    if n and failed / n > FAILING_SHARE:
        yield Cause(DeviceCause.FAILING_CHECKS, {"share": failed / n})
