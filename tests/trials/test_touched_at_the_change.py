"""Deviations: devices, sensors and calibrations that changed when the trial did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.trials.test_deviations import found, plan
from tests.trials.test_gate import streams_of, values_of
from tests.trials.world import DAY, START, inputs, series
from trials.evaluation import SensorSummary
from trials.plan.rules import Rules
from trials.series.inputs import Placement


@pytest.mark.parametrize("days", [-3.0, -2.0, -0.5, 0.0, 2.0, 2.5])
def test_an_instrument_touched_at_the_change_is_named(days: float) -> None:
    """The change is on day 20."""
    made, when = plan(), START + (20 + days) * DAY
    sensor = SensorSummary(
        device=made.arms[0].devices[0],
        make="",
        model="",
        serial="1",
        calibrated_at=when,
        calibration="",
        start=when,
        end=None,
    )
    given = replace(inputs(made, streams_of(made)), sensors=[sensor])
    codes = {one.code for one in found(given)} - {one.code for one in found(replace(given, sensors=[]))}
    near = {"sensor_at_the_change", "calibrated_at_the_change"}
    assert codes == (near if abs(days) <= 2 else set())
    assert not near & {one.code for one in found(replace(given, rules=Rules(5)))}


@pytest.mark.parametrize(("day", "is_near"), [(19, True), (22, True), (25, False)])
def test_a_device_replaced_at_the_change_is_named(day: int, is_near: bool) -> None:
    made = plan()
    at, values = START + day * DAY, values_of("candidate")
    old, new = Placement("station", "north", START - DAY, at), Placement("station", "north", at, None)
    streams = [
        replace(series("candidate-1", values[: day * 24]), placements=[old]),
        replace(series("spare", values[day * 24 :], start=at), placements=[new]),
    ]
    assert ("replaced_at_the_change" in {one.code for one in found(inputs(made, streams))}) is is_near
