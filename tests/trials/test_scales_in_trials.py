"""Averaging scales from results to verdict: the number that is judged, and what blocks an
evaluation of a protocol that was locked before.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from insitu.arrays import Floats
from insitu.model import Stamp, Verdict
from insitu.spacing import Spacing
from tests.trials.world import (
    DAY,
    HOUR,
    START,
    criterion,
    cycle,
    endpoint,
    inputs,
    noise,
    period,
    protocol_json,
    series,
)
from trials.designs import ask
from trials.evaluation import EndpointResult
from trials.judge.compute import compute
from trials.plan.protocol import Protocol
from trials.plan.rules import RULES_1, Rules
from trials.series.inputs import StreamInput

DAYS = 28
"""They end before the clocks change."""
N = DAYS * 24


def evaluated(
    design: str,
    criteria: list[dict[str, Any]],
    streams: dict[str, StreamInput],
    *,
    rules: Rules | None = None,
    measured: dict[str, Any] | None = None,
    **more: Any,
) -> EndpointResult:
    """The result of one endpoint over four weeks; a stream for each arm."""
    made = endpoint(design, criteria, arms=list(streams), **more)
    document = protocol_json(made, periods=[period("reporting", 0, DAYS)])
    for one in document["measurements"]:
        one.update(measured or {})
    plan = Protocol.model_validate(document)
    facts = replace(inputs(plan, list(streams.values())), rules=rules or Rules())
    return compute(facts).endpoints[0]


def estimate(result: EndpointResult, statistic: str) -> float:
    return next(one.value for one in result.estimates if one.statistic == statistic)


def blocking(result: EndpointResult) -> list[str]:
    return [one.code for one in result.findings if one.severity == "blocking"]


# -- levels


def loud_one_hour_in_ten() -> Floats:
    """50 dB, and 75 dB in one hour of ten: Leq = 10·log10(.9·10⁵ + .1·10^7.5) = 65.1 dB; the plain mean is
    52.5.
    """
    rng = np.random.default_rng(1)
    return np.where(np.arange(N) % 10 == 3, 75.0, 50.0) + rng.normal(0, 0.3, N)


LIMIT = {"criteria": [criterion("mean", high=60)], "parameters": {"u_meas": 0.7}}


def test_levels_without_a_scale_are_not_judged_although_their_plain_mean_would_be_met() -> None:
    stream = series("candidate-1", loud_one_hour_in_ten(), unit="dB")
    result = evaluated("limit_compliance", streams={"candidate": stream}, unit="dB", **LIMIT)
    assert (result.verdict, blocking(result)) == (Verdict.NOT_EVALUABLE, ["level_not_by_energy"])
    old = evaluated(
        "limit_compliance", streams={"candidate": stream}, unit="dB", rules=Rules(RULES_1), **LIMIT
    )
    assert (old.verdict, estimate(old, "mean")) == (Verdict.MET, pytest.approx(52.5, abs=0.1))
    assert old.findings == []


def test_levels_by_energy_are_not_met() -> None:
    stream = series("candidate-1", loud_one_hour_in_ten(), unit="dB", averaging_scale="energetic")
    result = evaluated("limit_compliance", streams={"candidate": stream}, unit="dB", **LIMIT)
    expected = 10 * math.log10(np.mean(10 ** (loud_one_hour_in_ten() / 10)))
    assert result.verdict is Verdict.NOT_MET
    assert estimate(result, "mean") == pytest.approx(expected, abs=1e-9)


def test_a_difference_of_levels_is_averaged_plainly_if_the_protocol_says_so() -> None:
    stream = series("candidate-1", loud_one_hour_in_ten(), unit="dB")
    result = evaluated(
        "limit_compliance", streams={"candidate": stream}, unit="dB", averaging_scale="arithmetic", **LIMIT
    )
    assert (result.verdict, blocking(result)) == (Verdict.MET, [])


def test_a_scale_other_than_the_planned_one_blocks() -> None:
    stream = series("candidate-1", loud_one_hour_in_ten())
    result = evaluated("limit_compliance", streams={"candidate": stream}, averaging_scale="sum", **LIMIT)
    assert blocking(result) == ["scale_differs"]


# -- directions


def wind(rng: np.random.Generator) -> Floats:
    """A wind that turns slowly about north."""
    return np.mod(20 * np.sin(np.arange(N) / 60) + noise(rng, 0.8, N, 8.0), 360)


def vanes(offset: float, sd: float = 4.0) -> dict[str, StreamInput]:
    rng = np.random.default_rng(4)
    reference = wind(rng)
    candidate = np.mod(reference + offset + rng.normal(0, sd, N), 360)
    more = {"unit": "deg", "averaging_scale": "circular"}
    return {
        "candidate": series("candidate-1", candidate, **more),
        "reference": series("reference-1", reference, role="reference", **more),
    }


def vector_mean(degrees: Floats) -> float:
    turned = np.radians(degrees)
    return math.degrees(math.atan2(float(np.sin(turned).sum()), float(np.cos(turned).sum())))


def errors(streams: dict[str, StreamInput]) -> Floats:
    """Differences of the two vanes in (−180, 180], by the tangent."""
    d = np.radians(streams["candidate"].result - streams["reference"].result)
    return np.degrees(np.arctan2(np.sin(d), np.cos(d)))


@pytest.mark.parametrize(
    ("offset", "verdict"), [(3.0, Verdict.MET), (-40.0, Verdict.NOT_MET), (180.0, Verdict.NOT_MET)]
)
def test_a_vane_about_north_is_judged_by_angles(offset: float, verdict: Verdict) -> None:
    streams = vanes(offset)
    result = evaluated(
        "reference_collocation",
        [criterion("bias", low=-5, high=5), criterion("rmse", high=10)],
        streams,
        unit="deg",
    )
    d = errors(streams)
    assert result.verdict is verdict
    assert math.cos(math.radians(estimate(result, "bias") - vector_mean(d))) == pytest.approx(1, abs=1e-9)
    assert estimate(result, "rmse") == pytest.approx(math.sqrt(np.mean(d**2)), rel=1e-9)
    assert estimate(result, "mae") == pytest.approx(np.mean(np.abs(d)), rel=1e-9)
    assert {one.statistic for one in result.estimates} == {"bias", "rmse", "mae"}


def test_by_rules_1_a_vane_beside_north_keeps_its_old_numbers() -> None:
    streams = vanes(3.0)
    old = evaluated(
        "reference_collocation",
        [criterion("bias", low=-5, high=5)],
        streams,
        unit="deg",
        rules=Rules(RULES_1),
    )
    plain = streams["candidate"].result - streams["reference"].result
    assert estimate(old, "bias") == pytest.approx(np.mean(plain), rel=1e-9)
    assert "r2" in {one.statistic for one in old.estimates}


def test_differences_in_all_directions_have_no_bias() -> None:
    result = evaluated(
        "reference_collocation", [criterion("bias", low=-5, high=5)], vanes(0, sd=1000), unit="deg"
    )
    assert (result.verdict, blocking(result)) == (Verdict.NOT_EVALUABLE, ["no_mean_direction"])


@pytest.mark.parametrize(
    ("statistic", "low", "high", "what"),
    [
        ("slope", 0.9, 1.1, "slope"),
        ("bias", None, 5, "bias: target"),
        ("bias", -5, 95, "bias: target"),
        ("bias", -90, 90, None),
        ("rmse", None, 10, None),
    ],
)
def test_what_a_circle_does_not_have_blocks(
    statistic: str, low: float | None, high: float | None, what: str | None
) -> None:
    result = evaluated("reference_collocation", [criterion(statistic, low, high)], vanes(1.0), unit="deg")
    unfit = [one.evidence["what"] for one in result.findings if one.code == "scale_unfit"]
    assert unfit == ([] if what is None else [what])
    assert (result.verdict is Verdict.NOT_EVALUABLE) == (what is not None)


def test_equivalence_of_two_vanes_is_the_direction_of_their_daily_differences() -> None:
    rng = np.random.default_rng(2)
    first, second = (np.mod(wind(rng) * 0 + 355 + noise(rng, 0.5, N, 20.0), 360) for _ in range(2))
    more = {"unit": "deg", "averaging_scale": "circular"}
    streams = {
        "candidate": series("candidate-1", first, **more),
        "control": series("control-1", second, role="control", **more),
    }
    result = evaluated("equivalence", [criterion("difference", low=-15, high=15)], streams, unit="deg")
    days = [[vector_mean(values[at : at + 24]) for at in range(0, N, 24)] for values in (first, second)]
    expected = vector_mean(np.array(days[0]) - np.array(days[1]))
    assert estimate(result, "difference") == pytest.approx(expected, abs=1e-6)
    assert result.verdict is Verdict.MET


def test_units_of_one_kind_about_north_differ_by_angles() -> None:
    """Two vanes on either side of north, 10° and 8° apart in turn: 5° and 4° from the mean of the two."""
    closer = np.arange(N) % 2
    angle = {"one": 355.0 + closer, "two": 5.0 - closer}
    jitter = np.random.default_rng(3).normal(0, 2.0, N)
    answer = ask(
        "replicates",
        arms={"candidate": {"reporting": {name: np.mod(v + jitter, 360) for name, v in angle.items()}}},
        start={"reporting": START},
        interval=HOUR,
        unit="deg",
        scale="circular",
        bare=True,
    )
    expected = math.sqrt(N * (5.0**2 + 4.0**2) / (2 * N - 1))
    assert answer.statistic("sd").value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("phi", [0.0, 0.7])
def test_the_interval_of_a_mean_direction_covers(phi: float) -> None:
    """200 worlds with a true bias of 2°; four weeks, hourly errors of 25° about north."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        reference = wind(rng)
        candidate = np.mod(reference + 2 + noise(rng, phi, N, 25.0), 360)
        found = ask(
            "reference_collocation",
            arms={"candidate": {"reporting": candidate}, "reference": {"reporting": reference}},
            start={"reporting": START},
            interval=HOUR,
            unit="deg",
            scale="circular",
            bare=True,
        ).statistic("bias")
        low, high = found.interval(0.95)
        held += low <= 2 <= high
    assert held >= 0.88 * 200


def test_an_inclination_is_averaged_plainly_and_a_warning_says_so() -> None:
    rng = np.random.default_rng(3)
    stream = series("candidate-1", 12 + noise(rng, 0.5, N, 0.5), unit="deg")
    warned = evaluated(
        "limit_compliance",
        [criterion("mean", high=15)],
        {"candidate": stream},
        unit="deg",
        parameters={"u_meas": 0.1},
    )
    assert (warned.verdict, [one.code for one in warned.findings]) == (Verdict.MET, ["angle_not_circular"])
    stated = evaluated(
        "limit_compliance",
        [criterion("mean", high=15)],
        {"candidate": stream},
        unit="deg",
        parameters={"u_meas": 0.1},
        averaging_scale="arithmetic",
    )
    assert stated.findings == []


# -- amounts


def passages(every_minutes: int, lost: float) -> StreamInput:
    """Twelve passages an hour, more by day, in results of `every_minutes`; a share of them lost at random."""
    rng = np.random.default_rng(7)
    each = 60 // every_minutes
    counts = rng.poisson(np.repeat(12 + cycle(N, 6.0), each) / each).astype(float)
    kept = rng.random(len(counts)) >= lost
    stream = series("candidate-1", np.zeros(1), unit="1", averaging_scale="sum")
    step_us = every_minutes * 60_000_000
    time_us = stream.time_us[0] + step_us * np.arange(len(counts), dtype=np.int64)
    return replace(stream, time_us=time_us[kept], result=counts[kept], flag=np.ones(int(kept.sum()), np.int8))


@pytest.mark.parametrize("every", [60, 15, 5])
@pytest.mark.parametrize("lost", [0.0, 0.1])
def test_a_lost_result_is_not_0_however_often_a_device_sends(every: int, lost: float) -> None:
    """288 passages a day; without the lost tenth it would be 259."""
    result = evaluated(
        "limit_compliance",
        [criterion("mean", high=275)],
        {"candidate": passages(every, lost)},
        unit="1",
        aggregation="sum",
        parameters={"u_meas": 0},
    )
    assert estimate(result, "mean") == pytest.approx(288, abs=4)
    assert result.missing is not None
    assert result.missing.verdict_without is Verdict.NOT_MET
    # A tenth of quiet hours would be enough to stay below the limit.
    assert result.verdict is (Verdict.INCONCLUSIVE if lost else Verdict.NOT_MET)
    assert result.missing.plausible is None or result.missing.plausible >= 0


def test_a_total_must_be_asked_for() -> None:
    more: dict[str, Any] = {"unit": "1", "parameters": {"u_meas": 0}}
    streams = {"candidate": passages(60, 0.0)}
    result = evaluated("limit_compliance", [criterion("mean", high=275)], streams, **more)
    assert [one.evidence["what"] for one in result.findings if one.code == "scale_unfit"] == ["mean"]


def test_daily_amounts_are_compared_with_the_totals_of_the_hours() -> None:
    """A rain gauge by the hour beside one that is read once a day: pairs of daily totals."""
    rng = np.random.default_rng(5)
    days, hours = DAYS, rng.gamma(0.5, 2.0, N)
    totals = hours.reshape(days, 24).sum(axis=1)
    more = {"unit": "mm", "averaging_scale": "sum"}
    reference = series("reference-1", np.zeros(1), role="reference", **more)
    daily = replace(
        reference,
        time_us=reference.time_us[0] + 86_400_000_000 * np.arange(days, dtype=np.int64),
        result=totals,
        flag=np.ones(days, np.int8),
    )
    made = endpoint(
        "reference_collocation",
        [criterion("slope", low=0.95, high=1.05)],
        arms=["candidate", "reference"],
        unit="mm",
        grid="PT24H",
    )
    document = protocol_json(made, periods=[period("reporting", 0, days)], time_zone="UTC")
    start = START - timedelta(hours=START.hour) + DAY
    document["periods"] = [
        {"name": "reporting", "start": start.isoformat(), "end": (start + days * DAY).isoformat()}
    ]
    document["measurements"] = [
        {"property": "no2", "arms": ["candidate"], "interval": "PT1H"},
        {"property": "no2", "arms": ["reference"], "interval": "PT24H"},
    ]
    shift = round((start - START).total_seconds() * 1e6)
    streams = [
        series("candidate-1", hours, start=start, **more),
        replace(daily, time_us=daily.time_us + shift),
    ]
    result = compute(inputs(Protocol.model_validate(document), streams)).endpoints[0]
    assert result.verdict is Verdict.MET
    assert estimate(result, "slope") == pytest.approx(1, abs=1e-9)
    assert estimate(result, "rmse") == pytest.approx(0, abs=1e-9)


# -- results that hold


def occupancy(holds: str | None = None) -> EndpointResult:
    """In a ward 9, 10 or 11 people come at 8 and leave at 20, on some days up to 24 minutes later; the device
    says so when it changes, and once in between.
    """
    stream = series("candidate-1", np.zeros(1), unit="{person}", averaging_scale="time_weighted")
    hours = [(0, 0), (8, 1), (13, 1), (20, 0)]
    times = [day * 24 + hour + (day % 5) / 10 for day in range(DAYS) for hour, _ in hours]
    values = [there * (9.0 + day % 3) for day in range(DAYS) for _, there in hours]
    stream = replace(
        stream,
        time_us=stream.time_us[0] + np.array([round(h * 3.6e9) for h in times], np.int64),
        result=np.array(values),
        flag=np.ones(len(values), np.int8),
    )
    return evaluated(
        "limit_compliance",
        [criterion("mean", high=6)],
        {"candidate": stream},
        unit="{person}",
        parameters={"u_meas": 0},
        measured={} if holds is None else {"holds": holds},
    )


def test_irregular_results_count_for_the_time_they_hold() -> None:
    """Twelve hours of twenty-four: half of 9 on 10 days, of 10 and of 11 on 9 each. Only four hours of a day
    have a message.
    """
    result = occupancy("PT9H")
    assert result.verdict is Verdict.MET
    assert estimate(result, "mean") == pytest.approx((10 * 9 + 9 * 10 + 9 * 11) / 28 / 2, abs=1e-9)


def test_a_result_that_may_not_hold_that_long_leaves_a_gap() -> None:
    assert "below_capture" in blocking(occupancy())


def test_a_result_holds_for_its_interval_at_least() -> None:
    with pytest.raises(ValueError, match="make `holds` no shorter"):
        occupancy("PT10M")


@pytest.mark.parametrize("stamp", list(Stamp))
def test_amounts_belong_to_the_interval_that_their_stamp_means(stamp: Stamp) -> None:
    """Hourly amounts over the change of the clocks: 23 of them on 29 March. A stamp at the end of the hour is
    one hour later, and means the same.
    """
    hours = 10.0 + np.arange(40 * 24) % 7
    late = HOUR if stamp is Stamp.END else timedelta(0)
    stream = series("candidate-1", hours, start=START + late, unit="1", averaging_scale="sum", stamp=stamp)
    made = endpoint(
        "limit_compliance",
        [criterion("mean", high=1000)],
        arms=["candidate"],
        unit="1",
        aggregation="sum",
        parameters={"u_meas": 0},
    )
    document = protocol_json(made, periods=[period("reporting", 0, 40)])
    document["periods"][0]["end"] = (START + 40 * DAY - HOUR).isoformat()  # midnight, in summer time
    result = compute(inputs(Protocol.model_validate(document), [stream])).endpoints[0]
    lengths = [23 if number == 28 else 24 for number in range(40)]
    ends = np.cumsum(lengths)
    expected = [float(hours[end - length : end].sum()) for end, length in zip(ends, lengths, strict=True)]
    (line,) = result.lines
    assert [one.value for one in line.days] == pytest.approx(expected)


def test_a_result_that_stands_for_the_time_before_its_stamp_holds_from_its_beginning() -> None:
    """Quarter-hourly shares, stamped at the end: the whole day is covered from its first minute."""
    rng = np.random.default_rng(8)
    quarters = rng.normal(10, 1, N * 4)
    one = series("candidate-1", np.zeros(1), unit="1", averaging_scale="time_weighted", stamp=Stamp.END)
    quarter_us = 900_000_000
    stream = replace(
        one,
        time_us=one.time_us[0] + quarter_us * np.arange(1, len(quarters) + 1, dtype=np.int64),
        result=quarters,
        flag=np.ones(len(quarters), np.int8),
        every=Spacing(timedelta(minutes=15)),
    )
    result = evaluated(
        "limit_compliance",
        [criterion("mean", high=12)],
        {"candidate": stream},
        unit="1",
        parameters={"u_meas": 0},
    )
    (line,) = result.lines
    assert [day.value for day in line.days] == pytest.approx(quarters.reshape(-1, 96).mean(axis=1))
