"""Stamps at the edges of intervals: a series of filters beside an hourly one, over both changes of the clock.

The truth is grouped by hand with zoneinfo: the hourly results of a local day, week or month, and their mean.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from insitu.arrays import Floats
from insitu.model import Stamp
from insitu.spacing import Spacing
from tests.trials.world import (
    HOUR,
    criterion,
    endpoint,
    inputs,
    listed,
    noise,
    protocol,
    protocol_text,
    series,
)
from trials.evaluation import EndpointResult, Evaluation, document_of
from trials.judge.compute import compute
from trials.package.reading import read_inputs
from trials.package.verify import verify
from trials.package.writing import seal, write_tables
from trials.plan.reading import canonical
from trials.plan.rules import RULES_1, Rules
from trials.series.inputs import StreamInput, TrialInputs

PARIS = ZoneInfo("Europe/Paris")
DAY = timedelta(days=1)
SPRING, AUTUMN = date(2026, 2, 2), date(2026, 9, 14)
"""Mondays; the clocks change on 29 March and on 25 October."""


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=PARIS).astimezone(UTC)


def dates(first: date, unit: str, number: int) -> list[date]:
    """The local dates on which `number` days, weeks or months begin, and the end of the last."""
    if unit == "P1M":
        months = [first.year * 12 + first.month - 1 + count for count in range(number + 1)]
        return [date(month // 12, month % 12 + 1, first.day) for month in months]
    return [first + (7 if unit == "P1W" else 1) * count * DAY for count in range(number + 1)]


def world(first: date, unit: str, number: int) -> tuple[Floats, list[datetime], Floats]:
    """(hourly results, edges of the intervals, the results of the intervals: means of their hours, with an
    error).
    """
    rng = np.random.default_rng(7)
    edges = [midnight(day) for day in dates(first, unit, number)]
    hours = round((edges[-1] - edges[0]) / HOUR)
    sensor = 20 + noise(rng, 0.98, hours, 6.0)
    bounds = [round((edge - edges[0]) / HOUR) for edge in edges]
    means = [sensor[low:high].mean() for low, high in itertools.pairwise(bounds)]
    return sensor, edges, np.array(means) + rng.normal(0, 0.2, number)


def stamped(times: list[datetime], results: Floats, **more: Any) -> StreamInput:
    """The reference with these stamps."""
    made = series("reference-1", results, role="reference", **more)
    micros = [round(time.timestamp() * 1e6) for time in times]
    return StreamInput(
        **{name: getattr(made, name) for name in made.__slots__} | {"time_us": np.array(micros, np.int64)}
    )


def asked(sensor: Floats, edges: list[datetime], reference: StreamInput, unit: str) -> TrialInputs:
    """Collocation of the hourly sensor with the reference, on the grid of the reference."""
    period = {"name": "reporting", "start": edges[0].isoformat(), "end": edges[-1].isoformat()}
    names = ["candidate", "reference"]
    made = endpoint("reference_collocation", [criterion("slope", 0.65, 1.35)], arms=names, grid=unit)
    plan = protocol(
        made,
        periods=[period],
        measurements=[
            {"property": "no2", "arms": ["candidate"], "interval": "PT1H"},
            {"property": "no2", "arms": ["reference"], "interval": unit},
        ],
    )
    return inputs(plan, [series("candidate-1", sensor, start=edges[0]), reference])


def numbers(evaluation: Evaluation) -> dict[str, float]:
    (result,) = evaluation.endpoints
    return {estimate.statistic: estimate.value for estimate in result.estimates} | {"n": pairs(result)}


def pairs(result: EndpointResult) -> int:
    return result.estimates[0].n if result.estimates else 0


def truth(sensor: Floats, edges: list[datetime], reference: Floats) -> dict[str, float]:
    """By hand, from the same hours."""
    bounds = [round((edge - edges[0]) / HOUR) for edge in edges]
    x = reference
    y = np.array([sensor[low:high].mean() for low, high in itertools.pairwise(bounds)])
    return {
        "slope": float(np.polyfit(x, y, 1)[0]),
        "r2": float(np.corrcoef(x, y)[0, 1] ** 2),
        "rmse": float(np.sqrt(np.mean((y - x) ** 2))),
        "n": len(x),
    }


def jitter(edges: list[datetime], seconds: float) -> list[datetime]:
    """Stamps up to `seconds` early or late."""
    moved = np.random.default_rng(3).uniform(-seconds, seconds, len(edges))
    return [edge + timedelta(seconds=float(shift)) for edge, shift in zip(edges, moved, strict=True)]


STAMPS = {
    "begin": (Stamp.BEGIN, lambda edges: edges[:-1]),
    "end": (Stamp.END, lambda edges: edges[1:]),
    "begin, a clock off by seconds": (Stamp.BEGIN, lambda edges: jitter(edges[:-1], 20)),
    "end, a clock off by seconds": (Stamp.END, lambda edges: jitter(edges[1:], 20)),
    "end, changed by hand in the morning": (
        Stamp.END,
        lambda edges: [at + timedelta(hours=8) + timedelta(minutes=n % 40) for n, at in enumerate(edges[1:])],
    ),
    "instant in the middle": (
        Stamp.INSTANT,
        lambda edges: [low + (high - low) / 2 for low, high in itertools.pairwise(edges)],
    ),
    "instant at the beginning": (Stamp.INSTANT, lambda edges: edges[:-1]),
}


@pytest.mark.parametrize("how", STAMPS)
@pytest.mark.parametrize(
    ("first", "unit", "number"),
    [(SPRING, "P1D", 88), (AUTUMN, "P1D", 88), (AUTUMN, "P1W", 26), (date(2025, 1, 1), "P1M", 24)],
    ids=["spring days", "autumn days", "weeks", "months"],
)
def test_each_result_is_paired_with_the_hours_that_it_stands_for(
    first: date, unit: str, number: int, how: str
) -> None:
    sensor, edges, reference = world(first, unit, number)
    stamp, times = STAMPS[how]
    stream = stamped(times(edges), reference, stamp=stamp, every=Spacing.parse(unit))
    found = numbers(compute(asked(sensor, edges, stream, unit)))
    for name, value in truth(sensor, edges, reference).items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_what_was_wrong_before_is_what_rules_1_still_compute() -> None:
    """Elapsed days drift from the filter's midnight; a filter stamped at its end falls into the day after."""
    sensor, edges, reference = world(SPRING, "P1D", 88)
    stream = stamped(edges[:-1], reference, stamp=Stamp.BEGIN, every=Spacing(DAY))
    given = asked(sensor, edges, stream, "P1D")
    by_first = numbers(compute(replace(given, rules=Rules(RULES_1))))
    assert by_first["r2"] < 0.95 < 0.99 < numbers(compute(given))["r2"]
    ends = stamped(edges[1:], reference, every=Spacing(DAY))
    untold = numbers(compute(asked(sensor, edges, ends, "P1D")))
    assert untold["r2"] < 0.9  # nobody said that the stamps mark the end


def test_a_stamp_at_the_end_of_the_period_belongs_to_its_last_day() -> None:
    sensor, edges, reference = world(SPRING, "P1D", 30)
    stream = stamped(edges[1:], reference, stamp=Stamp.END, every=Spacing(DAY))
    evaluation = compute(asked(sensor, edges, stream, "P1D"))
    gate = next(one for one in evaluation.gate if one.arm == "reference")
    assert (gate.planned, gate.valid, gate.days) == (30, 30, 30)
    untold = compute(asked(sensor, edges, stamped(edges[1:], reference), "P1D"))
    assert next(one for one in untold.gate if one.arm == "reference").valid == 29


def test_a_filter_of_a_day_taken_every_sixth_day_stands_for_its_day() -> None:
    sensor, edges, reference = world(SPRING, "P1D", 88)
    often = stamped(edges[1:], reference, stamp=Stamp.END, every=Spacing(DAY))
    rarely = stamped(edges[1:][::6], reference[::6], stamp=Stamp.END, every=Spacing(6 * DAY))
    one, other = (asked(sensor, edges, stream, "P1D").streams[1] for stream in (often, rarely))
    assert one.shift_us(Spacing(DAY), Rules()) == other.shift_us(Spacing(DAY), Rules())


def test_a_package_names_the_stamp_of_each_datastream_and_verifies(tmp_path: Path) -> None:
    sensor, edges, reference = world(SPRING, "P1D", 30)
    stream = stamped(edges[1:], reference, stamp=Stamp.END, every=Spacing(DAY))
    given, folder = listed(asked(sensor, edges, stream, "P1D")), tmp_path
    evaluation = compute(given)
    text = canonical(document_of(evaluation)).decode()
    write_tables(folder, given, protocol=protocol_text(given.protocol), evaluation=text, flags=[])
    seal(folder, evaluation, None)
    assert all(check.ok for check in verify(folder))
    assert {s.device: (s.stamp, s.every) for s in read_inputs(folder).streams} == {
        "candidate-1": (Stamp.INSTANT, None),
        "reference-1": (Stamp.END, Spacing(DAY)),
    }
    descriptor = json.loads((folder / "datapackage.json").read_text("utf-8"))
    assert descriptor["stamps"] == {"candidate-1/no2": "instant", "reference-1/no2": "end"}
    facts = (folder / "catalogue.json").read_text("utf-8")
    (folder / "catalogue.json").write_text(facts.replace('"stamp": "end"', '"stamp": "instant"'), "utf-8")
    assert any("stated" in line for check in verify(folder) for line in check.lines if not check.ok)
