"""An evaluation of many results is bounded in bytes a result, and asks again without another copy of them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
import pytest

from insitu.model import Verdict
from tests.trials.world import DAY, START, criterion, endpoint, inputs, period, protocol
from trials.designs.question import Question
from trials.evaluation import Evaluation
from trials.judge.completion import DOWN, UP, fill
from trials.judge.compute import compute
from trials.judge.experimental_units import Units
from trials.series.inputs import Placement, StreamInput, TrialInputs

DEVICES, DAYS, MINUTES = 10, 40, 3
A_DAY: Final = 1440 // MINUTES
ROWS: Final = DEVICES * DAYS * A_DAY
MOST: Final = {"control_sites": 40.0, "before_after": 36.0}
"""Bytes for each of the protocol's results that an evaluation takes at most, besides its inputs."""
AGAIN: Final = 4.0
"""The same for one more percentile of what is missing."""
Made = TypeVar("Made")


def minutes(device: str, seed: int, step: float) -> StreamInput:
    """Results with a tail to the high side; an hour of each day is missing, after the highest results."""
    rng = np.random.default_rng(seed)
    time_us = round(START.timestamp() * 1e6) + 60_000_000 * MINUTES * np.arange(DAYS * A_DAY)
    result = 30 + rng.gamma(2.0, 2.0, len(time_us)) + step * (np.arange(len(time_us)) >= len(time_us) // 2)
    there = np.arange(len(time_us)) % A_DAY >= 60 // MINUTES
    return StreamInput(
        device=device,
        name="no2",
        property="no2",
        unit="ug/m3",
        role="candidate" if device.startswith("candidate") else "control",
        averaging_scale="arithmetic",
        sensor="",
        placements=[Placement("station", device, START - 30 * DAY, None)],
        time_us=time_us[there],
        result=result[there],
        flag=np.ones(int(there.sum()), np.int8),
        checks=["gross_range"],
        ran=["gross_range"],
    )


def many(design: str) -> TrialInputs:
    arms = ["candidate", "control"] if design == "control_sites" else ["candidate"]
    devices = {
        arm: [f"{arm}-{number}" for number in range(DEVICES) if arms[number % len(arms)] == arm]
        for arm in arms
    }
    more: dict[str, Any] = {
        "measurements": [{"property": "no2", "arms": arms, "interval": f"PT{MINUTES}M"}],
        "devices": devices,
    }
    asked = endpoint(design, [criterion("effect", high=-1.0)], arms=arms)
    half = DAYS // 2
    plan = protocol(asked, periods=[period("baseline", 0, half), period("reporting", half, DAYS)], **more)
    streams = [
        minutes(device, seed, -4.0 if device.startswith("candidate") else 0.0)
        for seed, device in enumerate(sorted({device for some in devices.values() for device in some}))
    ]
    return inputs(plan, streams)


def peak_of(make: Callable[[], Made]) -> tuple[float, Made]:
    """(largest memory while it is made, in bytes a result; what was made)."""
    tracemalloc.start()
    try:
        made = make()
        return tracemalloc.get_traced_memory()[1] / ROWS, made
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("design", MOST)
def test_an_evaluation_takes_few_bytes_for_each_result(design: str) -> None:
    given = many(design)
    evaluation: Evaluation
    peak, evaluation = peak_of(lambda: compute(given))
    (found,) = evaluation.endpoints
    assert found.verdict is Verdict.MET
    assert found.missing is not None
    assert found.missing.missing > 0, "they were filled"
    assert peak < MOST[design]


@pytest.mark.parametrize("design", MOST)
def test_one_more_percentile_of_what_is_missing_copies_no_results(design: str) -> None:
    given = many(design)
    units = Units(given)
    question: Question = units.question(given.protocol.endpoints[0], 0.95)
    for pattern in (UP, DOWN):
        fill(question, pattern, 95.0)
    peak, _ = peak_of(lambda: fill(question, UP, 96.0))
    assert peak < AGAIN
