"""Results that share a planned interval where most have one of their own: two filters of one day, a tube read
twice. Their mean (or sum) is computed, and a finding names them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np

from insitu.arrays import Ints
from insitu.spacing import Spacing
from trials.judge.experimental_units import Units
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Period
from trials.sentences import finding
from trials.series.inputs import StreamInput
from trials.series.slots import counted
from trials.statement import Statement

DAY: Final = Spacing(timedelta(days=1))


def crowded_findings(units: Units, endpoint: Endpoint) -> Iterator[Statement]:
    """One for each device and period. Shorter intervals are not looked at: a device that sends more often
    than planned is averaged on purpose.
    """
    inputs = units.inputs
    if not inputs.rules.tell_crowded:
        return
    for name in dict.fromkeys(endpoint.arms.values()):
        planned = inputs.protocol.interval_of(endpoint.property, name)
        if planned.about < DAY.about:
            continue
        usable = units.usable(endpoint.property, name)
        for period in inputs.protocol.periods:
            for unit in units.about(endpoint, inputs.protocol.arm(name), period):
                for stream in inputs.series_of(unit.name, endpoint.property):
                    kept = stream.time_us[np.isin(stream.flag, usable)]
                    middles = kept + stream.shift_us(planned, inputs.rules)
                    yield from _crowded(stream, period, counted(unit.calendar, middles))


def _crowded(stream: StreamInput, period: Period, counts: Ints) -> Iterator[Statement]:
    """`counts`: results in each planned interval."""
    occupied = counts[counts > 0]
    several = occupied[occupied > 1]
    if len(several) and np.median(occupied) == 1:
        yield finding(
            "several_in_interval",
            device=stream.device,
            period=str(period.name),
            intervals=len(several),
            results=int(several.sum()),
            occupied=len(occupied),
        )
