"""A clock that is off shows where two devices are compared step by step: worlds written with NumPy and SciPy
alone, in five minutes, whose means over an hour a device sends. The oracle is SciPy's rank correlation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import spearmanr

from insitu.arrays import Floats
from insitu.model import AveragingScale, Verdict
from insitu.spacing import Spacing
from trials.designs import DESIGNS, Answer, ask
from trials.designs.rehearsal import of_answer
from trials.judge.answers import judged
from trials.plan.rules import Rules
from trials.statement import Statement

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
FINE = 12
"""Values an hour of what is in the air."""
DAYS = 30
MARGIN = 5
"""Hours before and after the trial."""


def ar(rng: np.random.Generator, number: int, phi: float) -> Floats:
    steps = rng.normal(0, np.sqrt(1 - phi**2), number)
    steps[0] = rng.normal()
    made: Floats = lfilter([1.0], [1.0, -phi], steps)
    return made


def air(rng: np.random.Generator, phi: float, days: int = DAYS, cycle: float = 1.0) -> Floats:
    """Five minutes each; `phi`: from one hour to the next."""
    hours = 24 * days + 2 * MARGIN
    fine = ar(rng, hours * FINE, phi ** (1 / FINE)) if phi else np.repeat(rng.normal(0, 1, hours), FINE)
    return 4 * fine + 3 * cycle * np.sin(2 * np.pi * np.arange(hours * FINE) / FINE / 24) + 20


def hourly(fine: Floats, late_h: Floats | float = 0.0, width: int = FINE) -> Floats:
    """Means of `width` values to the end of each hour as a clock that is `late_h` ahead stamps them."""
    hours = len(fine) // FINE - 2 * MARGIN
    sums = np.concatenate([[0.0], np.cumsum(fine)])
    ends = ((MARGIN + 1 + np.arange(hours) - late_h) * FINE).round().astype(int)
    return np.asarray((sums[ends] - sums[ends - width]) / width)


def noisy(rng: np.random.Generator, values: Floats, size: float = 1.0) -> Floats:
    """With errors of its own, from hour to hour and from day to day; a twentieth is lost."""
    made = values * 0.9 + rng.normal(0, size, len(values)) + size / 3 * ar(rng, len(values), 0.95)
    made[rng.random(len(values)) < 0.05] = np.nan
    return made


def asked(candidate: Any, reference: Any, **more: Any) -> Answer:
    arms = {"candidate": {"reporting": candidate}, "reference": {"reporting": reference}}
    more = {"interval": HOUR, "targets": {"r2": (0.7, None)}, **more}
    return ask("reference_collocation", arms=arms, start={"reporting": FIRST}, bare=True, **more)


def doubts(answer: Answer) -> list[Statement]:
    return [one for one in answer.findings if one.code == "clock_off"]


def told(answer: Answer) -> dict[str, Any]:
    (one,) = doubts(answer)
    assert one.severity == "blocking"
    return one.evidence


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8, 0.98])
@pytest.mark.parametrize("late", [0.0, 1 / 3, -1 / 3])
def test_clocks_that_agree_to_a_third_of_an_hour_are_not_doubted(phi: float, late: float) -> None:
    """Also amounts that lean, and devices without any error."""
    for seed in range(8):
        rng = np.random.default_rng([seed, round(100 * phi), round(3 * late + 1)])
        fine = air(rng, phi)
        for make in (lambda values: values, lambda values: np.exp(values / 6)):
            of_candidate, of_reference = hourly(make(fine), late), hourly(make(fine))
            for candidate in (noisy(rng, of_candidate), of_candidate):
                assert doubts(asked(candidate, of_reference)) == []


@pytest.mark.parametrize("late", [-3, -2, -1, 1, 2, 3])
def test_a_clock_that_is_off_by_hours_is_named(late: int) -> None:
    for seed in range(10):
        rng = np.random.default_rng([seed, late + 3])
        fine = air(rng, 0.8)
        candidate, reference = noisy(rng, hourly(fine, late)), hourly(fine)
        answer = asked({"good": noisy(rng, reference), "wrong": candidate}, reference)
        assert told(answer) == {
            "device": "wrong",
            "beside": "reference",
            "minutes": -60 * late,
            "start": "2026-03-02",
            "end": "2026-03-31",
        }
        assert judged(answer).verdict is Verdict.NOT_EVALUABLE


def test_before_rules_6_a_good_device_was_called_bad() -> None:
    rng = np.random.default_rng(1)
    fine = air(rng, 0.8)
    answer = asked(noisy(rng, hourly(fine, 2)), hourly(fine))
    assert answer.question is not None
    old = replace(answer.question, rules=Rules(5))
    assert doubts(DESIGNS["reference_collocation"].answer(old)) == []
    answer = DESIGNS["reference_collocation"].answer(old)
    answer.question = old
    assert judged(answer).verdict is Verdict.NOT_MET
    assert judged(asked(noisy(rng, hourly(fine)), hourly(fine))).verdict is Verdict.MET


@pytest.mark.parametrize("from_day", [15, 30, 45])
def test_summer_time_is_found_in_the_part_that_has_it(from_day: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng([seed, from_day])
        fine = air(rng, 0.8, 60)
        late = np.where(np.arange(24 * 60) < 24 * from_day, 0.0, 1.0)
        candidate, reference = noisy(rng, hourly(fine, late)), hourly(fine)
        evidence = told(asked(candidate, reference))
        assert evidence["minutes"] == -60
        first, last = (
            datetime.fromisoformat(evidence[name]).replace(tzinfo=UTC) for name in ("start", "end")
        )
        span = slice(24 * (first - FIRST).days, 24 * ((last - FIRST).days + 1))
        assert late[span].mean() > 0.5
        assert agreement(candidate[span], reference[span], -1) > agreement(
            candidate[span], reference[span], 0
        )


def agreement(candidate: Floats, reference: Floats, steps: int) -> float:
    """Rank correlation with the candidate moved by `steps` hours, over hours that both have."""
    moved = np.roll(candidate, steps)
    both = np.isfinite(moved) & np.isfinite(reference)
    return float(spearmanr(moved[both], reference[both]).statistic)


def test_a_clock_that_drifts_by_two_minutes_a_day_is_named() -> None:
    rng = np.random.default_rng(3)
    fine = air(rng, 0.8, 60)
    late = np.arange(24 * 60) / 24 * 2 / 60
    assert told(asked(noisy(rng, hourly(fine, late)), hourly(fine)))["minutes"] in (-60, -120)


def test_a_response_of_four_hours_is_told_too() -> None:
    """The sentence names it as one of three reasons: from the values alone they are the same."""
    rng = np.random.default_rng(4)
    fine = air(rng, 0.8)
    evidence = told(asked(noisy(rng, hourly(fine, width=4 * FINE), 0.5), hourly(fine)))
    assert evidence["minutes"] in (-60, -120)


def test_an_hour_is_found_on_a_finer_grid_and_not_on_one_of_days() -> None:
    rng = np.random.default_rng(5)
    fine = air(rng, 0.8, 40)[: 24 * 40 * FINE]
    tens = fine.reshape(-1, 2).mean(axis=1)
    late = np.roll(tens, 6) + rng.normal(0, 0.3, len(tens))
    grid = timedelta(minutes=10)
    assert told(asked(late, tens, interval=grid, grid=grid))["minutes"] == -60
    assert doubts(asked(late, tens, interval=grid, grid=Spacing.parse("P1D"))) == []


def test_directions_of_a_vane_that_is_mounted_the_wrong_way_round() -> None:
    rng = np.random.default_rng(6)
    wind = np.cumsum(rng.normal(0, 25, 24 * DAYS))
    seen = {"scale": AveragingScale.CIRCULAR, "unit": "deg", "targets": {"bias": (-5, 5)}}
    turned = np.mod(wind + 180 + rng.normal(0, 8, len(wind)), 360)
    assert doubts(asked(turned, np.mod(wind, 360), **seen)) == []
    assert told(asked(np.roll(turned, 1), np.mod(wind, 360), **seen))["minutes"] == -60


@pytest.mark.parametrize("units", [2, 3, 5])
def test_among_units_the_one_that_is_off_is_named(units: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng([seed, units])
        fine = air(rng, 0.8)
        named = {f"u{number}": noisy(rng, hourly(fine)) for number in range(units)}
        more: dict[str, Any] = {"start": {"reporting": FIRST}, "interval": HOUR, "bare": True}
        assert doubts(ask("replicates", arms={"candidate": {"reporting": named}}, **more)) == []
        named["u1"] = noisy(rng, hourly(fine, 1))
        evidence = told(ask("replicates", arms={"candidate": {"reporting": named}}, **more))
        off = (evidence["device"], evidence["minutes"])
        assert off in ([("u1", -60), ("u0", 60)] if units == 2 else [("u1", -60)])
        assert evidence["beside"] == ", ".join(name for name in named if name != evidence["device"])


def test_what_is_filled_in_for_missing_hours_tells_no_time() -> None:
    """A device that loses a tenth of its hours keeps its verdict."""
    rng = np.random.default_rng(7)
    fine = air(rng, 0.8)
    candidate = noisy(rng, hourly(fine))
    candidate[rng.random(len(candidate)) < 0.1] = np.nan
    answer = asked(candidate, hourly(fine), targets={"bias": (-6, 6)})
    assert judged(answer).verdict is Verdict.MET


def test_a_forecast_says_that_clocks_are_to_be_checked() -> None:
    rng = np.random.default_rng(8)
    fine = air(rng, 0.8)
    seen = of_answer(asked(noisy(rng, hourly(fine, 1)), hourly(fine)))
    assert [one.code for one in seen.notes] == ["clock_off"]
