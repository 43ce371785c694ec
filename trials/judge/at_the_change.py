"""Instruments that were touched when the change was made: their step passes for an effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from insitu.model import PeriodName
from trials.designs import DESIGNS
from trials.plan.protocol import Protocol
from trials.sentences import deviation
from trials.series.inputs import TrialInputs
from trials.statement import Statement

NEAR: Final = timedelta(days=2)
"""Before the end of the baseline, and after the beginning of the reporting period."""


def touched_at_the_change(inputs: TrialInputs) -> Iterator[Statement]:
    """Devices replaced, sensors changed and calibrations within `NEAR` of the change, for designs that
    compare before with after. By rules 6.
    """
    if not inputs.rules.tell_touched:
        return
    protocol, span = inputs.protocol, _span(inputs.protocol)
    if span is None:
        return
    compared = {
        device
        for endpoint in protocol.endpoints
        if (design := DESIGNS.get(endpoint.design)) and PeriodName.BASELINE in design.periods
        for arm in endpoint.arms.values()
        for device in protocol.arm(arm).devices
    }
    zone = ZoneInfo(protocol.time_zone)
    found: set[tuple[str, str, datetime | None]] = {
        ("replaced", new, at) for old, new, at in _replaced(inputs) if {old, new} & compared
    }
    for sensor in inputs.sensors:
        if sensor.device in compared:
            found |= {
                ("sensor", sensor.device, sensor.start),
                ("calibrated", sensor.device, sensor.calibrated_at),
            }
    for what, device, when in sorted((w, d, at) for w, d, at in found if at and span[0] <= at <= span[1]):
        day = when.astimezone(zone).date().isoformat()
        yield deviation(f"{what}_at_the_change", device=device, day=day)


def _span(protocol: Protocol) -> tuple[datetime, datetime] | None:
    """From shortly before the end of the baseline to shortly after the beginning of the reporting period."""
    before, after = protocol.period(PeriodName.BASELINE), protocol.period(PeriodName.REPORTING)
    return (before.end - NEAR, after.start + NEAR) if before and after else None


def _replaced(inputs: TrialInputs) -> Iterator[tuple[str, str, datetime]]:
    """(old, new, when) of devices that took over another's position."""
    placed = [(place, stream.device) for stream in inputs.streams for place in stream.placements]
    ends = {(place.site, place.position, place.end): device for place, device in placed if place.end}
    for place, device in placed:
        old = ends.get((place.site, place.position, place.start))
        if old is not None and old != device:
            yield old, device, place.start
