"""Summarises each datastream for an evaluation."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from insitu.spacing import Spacing
from insitu.times import to_whole_second_us
from trials.evaluation import (
    FLAG_NAMES,
    DatastreamSummary,
)
from trials.plan.parts import Arm, Period
from trials.series.inputs import StreamInput, TrialInputs
from trials.series.slots import Calendar


def stream_summary(inputs: TrialInputs, stream: StreamInput, sha256: str) -> DatastreamSummary:
    """Counts, flags and checks of a datastream."""
    arm = next((a for a in inputs.protocol.arms if _stands_in(stream, a)), None)
    flags, counts = np.unique(stream.flag, return_counts=True)
    return DatastreamSummary(
        datastream=stream.key(),
        device=stream.device,
        property=stream.property,
        unit=stream.unit,
        role=stream.role,
        site=stream.placements[0].site if stream.placements else "",
        arm=arm.name if arm else None,
        received=len(stream.time_us),
        planned=_planned(inputs, stream, arm),
        by_flag={FLAG_NAMES[int(flag)]: int(count) for flag, count in zip(flags, counts, strict=True)},
        by_check=stream.by_check,
        checks_planned=len(stream.checks),
        checks_run=len(stream.ran),
        late=stream.late,
        sha256=sha256,
        stamp=stream.stamp if inputs.rules.local_grid else None,
        from_file=stream.from_file or None,
    )


def _stands_in(stream: StreamInput, arm: Arm) -> bool:
    return stream.device in arm.devices


def _planned(inputs: TrialInputs, stream: StreamInput, arm: Arm | None) -> int:
    """Planned results while the device was deployed, over all periods."""
    measured = next(
        (
            m
            for m in inputs.protocol.measurements
            if m.property == stream.property and (arm is None or arm.name in m.arms)
        ),
        None,
    )
    if measured is None:
        return 0
    total = 0
    for period in inputs.protocol.periods:
        for place in stream.placements:
            start, end = max(period.start, place.start), min(period.end, place.end or period.end)
            if inputs.rules.local_grid:
                total += _middles_within(inputs, period, measured.interval, start, end)
            else:
                total += max(0, int((end - start) / measured.interval.about))
    return total


def _middles_within(
    inputs: TrialInputs, period: Period, interval: Spacing, start: datetime, end: datetime
) -> int:
    """Planned intervals of the period whose middle lies in `[start, end)`."""
    calendar = Calendar.of(period.start, period.end, interval, inputs.protocol.time_zone, inputs.rules)
    middles = (calendar.starts_us + calendar.ends_us) // 2
    return int(np.sum((middles >= to_whole_second_us(start)) & (middles < to_whole_second_us(end))))
