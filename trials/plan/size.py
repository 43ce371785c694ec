"""How much a protocol plans: the bound on what an evaluation may ask of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from trials.plan.protocol import Protocol

MOST_OF_DEVICE: Final = 35_000_000
"""Planned results of one device and property: more than a year of seconds."""
MOST: Final = 100_000_000
"""Planned results of all devices. An evaluation of them takes about 5 GB of memory."""


def oversized(protocol: Protocol) -> Iterator[str]:
    """Problems of a protocol that plans too much for an evaluation, each with its path."""
    seconds = sum((period.end - period.start for period in protocol.periods), timedelta()).total_seconds()
    in_all = 0.0
    for number, measurement in enumerate(protocol.measurements):
        of_device = seconds / measurement.interval.about_s()
        if of_device > MOST_OF_DEVICE:
            yield (
                f"measurements.{number}.interval: {measurement.interval} makes {of_device:,.0f} planned "
                f"results of each device, and at most {MOST_OF_DEVICE:,} can be evaluated: plan a longer "
                "interval"
            )
        in_all += of_device * sum(len(protocol.arm(arm).devices) for arm in measurement.arms)
    if in_all > MOST:
        yield (
            f"measurements: {in_all:,.0f} results are planned, and at most {MOST:,} can be evaluated: plan "
            "longer intervals, shorter periods or fewer devices"
        )
