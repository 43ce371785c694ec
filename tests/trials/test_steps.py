"""Without a control an effect must be a step at the change: seasons in which nothing was done, written from
the words of the rule with NumPy and SciPy alone, and changes without a season.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from insitu.arrays import Floats
from tests.examples import some_of
from trials.designs import DESIGNS, Answer, ask
from trials.judge.answers import judged
from trials.plan.rules import Rules

pytestmark = pytest.mark.long

FIRST = datetime(2026, 2, 1, tzinfo=UTC)
LENGTHS = [(30, 30), (30, 90), (60, 30), (60, 60)]


def weather(rng: np.random.Generator, days: int, phi: float = 0.7) -> Floats:
    """Hours with standard deviation 4."""
    steps = rng.normal(0, 4 * np.sqrt(1 - phi**2), 24 * days + 300)
    made: Floats = lfilter([1.0], [1.0, -phi], steps)[300:]
    return made


def line(t: Floats, _before: int, all_days: int) -> Floats:
    return t / all_days


def approach(t: Floats, _before: int, all_days: int) -> Floats:
    """Exponential, as of a building that dries."""
    return 1 - np.exp(-4 * t / all_days)


def earlier_step(t: Floats, before: int, _all_days: int) -> Floats:
    """The heating is switched off in the baseline."""
    return np.where(t < 0.75 * before, 0.0, 1.0)


def year(phase: float) -> Any:
    """A sinusoid of a year that begins to fall in the middle of the baseline, or `phase` degrees later."""
    return lambda t, before, _: np.sin(2 * np.pi * ((t - before / 2) / 365 + phase / 360))


def change(t: Floats, before: int, _all_days: int) -> Floats:
    return np.where(t < before, 0.0, 1.0)


def trial(shape: Any, days: tuple[int, int], seed: int, errors: float, **more: Any) -> Answer:
    """A fall of the mean by `errors` times the scatter of the difference of means, which the shape makes."""
    before, after = days
    rng = np.random.default_rng([seed, before, after])
    made = weather(rng, before + after)
    season = shape(np.arange(24 * (before + after)) / 24, before, before + after)
    at = 24 * before
    of_means = 4 * np.sqrt((1 + 0.7) / (1 - 0.7) * (1 / at + 1 / (24 * after)))
    season = season / (season[at:].mean() - season[:at].mean())
    values = 100 + made - errors * of_means * season
    if more.pop("idle", False):
        idle = weather(rng, before + after)
        more = {**more, "parameters": {"covariates": ["idle"]}}
        more["covariates"] = {"idle": {"baseline": idle[:at], "reporting": idle[at:]}}
    return ask(
        more.pop("design", "before_after"),
        arms={"candidate": {"baseline": values[:at], "reporting": values[at:]}},
        start={"baseline": FIRST, "reporting": FIRST + timedelta(days=before)},
        interval=timedelta(hours=1),
        unit="kW",
        targets={"effect": (None, 0.0)},
        bare=True,
        **more,
    )


def verdicts(shape: Any, days: tuple[int, int], errors: float, number: int, **more: Any) -> list[str]:
    return [
        str(judged(trial(shape, days, seed, errors, **more), tell=False).verdict) for seed in range(number)
    ]


TRIALS = 50
MOST = 0.025 + 3 * np.sqrt(0.025 * 0.975 / TRIALS)
SEASONS: dict[str, Any] = {
    "line": line,
    "approach": approach,
    "earlier step": earlier_step,
    **{f"year {day}": year(day) for day in (0, 45, 90, 180)},
}


@pytest.mark.parametrize(
    ("name", "days"), some_of([(name, days) for name in SEASONS for days in LENGTHS], every=3), ids=str
)
def test_a_season_in_which_nothing_was_done_is_not_met(name: str, days: tuple[int, int]) -> None:
    assert verdicts(SEASONS[name], days, 8.0, TRIALS).count("met") / TRIALS <= MOST


@pytest.mark.parametrize("design", ["before_after", "adjusted_before_after"])
@pytest.mark.parametrize("days", some_of(LENGTHS, every=2), ids=str)
def test_a_covariate_that_moves_nothing_does_not_rule_a_season_out(
    design: str, days: tuple[int, int]
) -> None:
    """By rules 3 it loosened the check of made-up dates, and design 5 asked no other."""
    assert verdicts(line, days, 8.0, TRIALS, idle=True, design=design).count("met") / TRIALS <= MOST


@pytest.mark.parametrize("idle", [False, True], ids=["no covariate", "idle covariate"])
@pytest.mark.parametrize("days", some_of(LENGTHS, every=2), ids=str)
def test_a_change_without_a_season_is_met(days: tuple[int, int], idle: bool) -> None:
    """Eighteen standard errors; some trials with a covariate end as a mismatch of seasons. By rules 4 twelve
    were enough: a step is placed by the scatter of a day, however long the periods are.
    """
    found = verdicts(change, days, 18.0, 20, idle=idle)
    assert found.count("met") >= 16


def test_rules_3_were_blind_to_a_line_before_a_long_reporting_period() -> None:
    """A third of the fall shows in the baseline, at its best cut."""
    met = 0
    for seed in range(20):
        answer = trial(line, (30, 90), seed, 16.0)
        assert answer.question is not None
        old = replace(answer.question, rules=Rules(3))
        met += not DESIGNS["before_after"].answer(old).blocked
    assert met >= 8
    assert verdicts(line, (30, 90), 16.0, 20).count("met") <= 1


def codes(answer: Answer) -> set[str]:
    return {one.code for one in answer.findings}


def test_a_step_that_a_drift_hides_blocks_a_verdict_of_no_effect() -> None:
    """The values rise by a step that a steady fall makes up for: the means are the same."""
    found = []
    for seed in range(10):
        rng = np.random.default_rng([seed, 5])
        t = np.arange(24 * 60) / 24
        values = 100 + weather(rng, 60) + 12 * (t >= 30) - 0.4 * t
        found.append(
            ask(
                "before_after",
                arms={"candidate": {"baseline": values[:720], "reporting": values[720:]}},
                start={"baseline": FIRST, "reporting": FIRST + timedelta(days=30)},
                interval=timedelta(hours=1),
                targets={"effect": (None, 3.0)},
                bare=True,
            )
        )
    assert sum("step_disagrees" in codes(one) for one in found) >= 9


def last_days(number: int) -> Any:
    """Something else happens this many days before the change."""
    return lambda t, before, _: np.where(t < before - number, 0.0, 1.0)


@pytest.mark.parametrize(
    ("days", "size"),
    some_of(list(product([(30, 30), (30, 90), (60, 60)], [5.0, 8.0, 12.0])), every=4),
    ids=str,
)
def test_a_step_three_days_before_the_change_is_not_taken_for_it(days: tuple[int, int], size: float) -> None:
    """By rules 4 it is `met` in .14 to .6 of trials."""
    assert verdicts(last_days(3), days, size, TRIALS).count("met") / TRIALS <= MOST


def test_a_step_three_days_before_the_change_is_placed_there() -> None:
    """Ten standard errors of a day; the lines are fitted again at every place."""
    seen = []
    for seed in range(20):
        answer = trial(last_days(3), (30, 30), seed, 24.0)
        assert answer.question is not None
        told = [one for one in answer.findings if one.code == "step_earlier"]
        seen += [one.evidence["days"] for one in told]
        if told:
            values = np.concatenate(
                [np.nanmean(us[0].value.reshape(-1, 24), axis=1) for us in answer.question.units.values()]
            )
            assert told[0].evidence["days"] == 30 - best_break(values, range(23, 31))
        old = replace(answer.question, rules=Rules(4))
        assert "step_earlier" not in codes(DESIGNS["before_after"].answer(old))
    assert len(seen) >= 5, "the others are no step at the change at all"
    assert set(seen) == {3}


def best_break(values: Floats, places: range) -> int:
    """Where two lines, each fitted by itself, leave the least."""

    def left(at: int) -> float:
        parts = [(np.arange(at), values[:at]), (np.arange(at, len(values)), values[at:])]
        return sum(float(np.sum((y - np.polyval(np.polyfit(x, y, 1), x)) ** 2)) for x, y in parts)

    return min(places, key=left)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8, 0.99])
def test_where_nothing_happened_no_earlier_step_is_told(phi: float) -> None:
    """It is asked only where the interval of the effect excludes 0. φ .99 of hours is .8 of days."""
    told = 0
    for seed in range(60):
        values = 100 + weather(np.random.default_rng([seed, 7]), 60, phi)
        answer = ask(
            "before_after",
            arms={"candidate": {"baseline": values[:720], "reporting": values[720:]}},
            start={"baseline": FIRST, "reporting": FIRST + timedelta(days=30)},
            interval=timedelta(hours=1),
            targets={"effect": (None, 0.0)},
            bare=True,
        )
        told += "step_earlier" in codes(answer)
    assert told / 60 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 60)


def test_the_step_is_that_of_two_lines_by_least_squares() -> None:
    """The numbers of the finding, by NumPy: as many days on both sides, and 60 at most."""
    answer = trial(line, (30, 90), 3, 16.0)
    (told,) = (one for one in answer.findings if one.code == "step_disagrees")
    assert answer.question is not None
    of = {
        name: np.nanmean(units[0].value.reshape(-1, 24), axis=1)
        for (_, name), units in answer.question.units.items()
    }
    ends = []
    for values, at in ((of["baseline"][-30:], 29.5), (of["reporting"][:30], -0.5)):
        slope, level = np.polyfit(np.arange(30), values, 1)
        ends.append(level + slope * at)
    assert told.evidence["step"] == pytest.approx(ends[1] - ends[0], abs=1e-9)
    assert told.evidence["effect"] == pytest.approx(of["reporting"].mean() - of["baseline"].mean(), abs=1e-9)
