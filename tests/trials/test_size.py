"""A protocol that plans more than a machine can evaluate is neither locked nor computed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from insitu.errors import CorrectInput
from store.database import Connection
from tests.fix_catalogue import SmallTrial
from tests.trials.world import START, criterion, endpoint, inputs, period, protocol
from trials.judge.compute import compute
from trials.plan.protocol import Protocol
from trials.plan.size import MOST, MOST_OF_DEVICE, oversized
from trials.workflow.locking import lock_protocol


def planned(interval: str, days: int, devices: int = 1) -> Protocol:
    about = endpoint("limit_value", [criterion("mean", high=40.0)], arms=["candidate"])
    return protocol(
        about,
        trial="t",
        periods=[period("reporting", 0, days)],
        devices={"candidate": [f"d{number}" for number in range(devices)]},
        measurements=[{"property": "no2", "arms": ["candidate"], "interval": interval}],
    )


@pytest.mark.parametrize(
    ("interval", "days", "devices"),
    [("PT0.001S", 30, 1), ("PT0.000001S", 1, 1), ("PT1S", 500, 1), ("PT1S", 365, 4), ("PT1M", 365, 200)],
)
def test_what_no_machine_could_hold_is_refused_with_the_figures(
    interval: str, days: int, devices: int, conn: Connection, catalogue: SmallTrial
) -> None:
    plan = planned(interval, days, devices)
    (problem, *_) = oversized(plan)
    assert problem.startswith("measurements")
    assert "can be evaluated" in problem
    with pytest.raises(CorrectInput, match="can be evaluated"):
        compute(inputs(plan, []))
    with pytest.raises(CorrectInput, match="can be evaluated"):
        lock_protocol(conn, plan, now=START - timedelta(days=1), login="judge")


@pytest.mark.parametrize(
    ("interval", "days", "devices"), [("PT1S", 365, 3), ("PT1M", 365, 190), ("P1D", 36_000, 9)]
)
def test_a_year_of_seconds_is_not_too_much(interval: str, days: int, devices: int) -> None:
    plan = planned(interval, days, devices)
    assert list(oversized(plan)) == []
    assert MOST_OF_DEVICE < MOST


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59-23:59", "2200-01-01T00:00:00Z", "1850-01-01T00:00:00Z"])
def test_a_period_at_the_end_of_the_calendar_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match="give one from 1900 to 2199"):
        protocol(
            endpoint("limit_value", [criterion("mean", high=40.0)], arms=["candidate"]),
            periods=[{"name": "reporting", "start": "2026-01-01T00:00:00Z", "end": end}],
        )
