"""Gates of the effect seen: each has a world in which it must fire and one in which it must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from insitu.arrays import Floats
from trials.designs import Answer, ask
from trials.plan.parts import Target
from trials.report.sentence import sentences
from trials.statement import Kind
from trials.statistics.criteria import judge

FIRST = datetime(2026, 2, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEFORE, ALL = 59, 89


def wander(rng: np.random.Generator, n: int, phi: float, sd: float) -> Floats:
    steps = rng.normal(size=n + 500)
    made: Floats = sd * np.sqrt(1 - phi**2) * lfilter([1], [1, -phi], steps)[500:]
    return made


def spring(seed: int) -> tuple[Floats, Floats]:
    """(CO2, outdoor temperature): nothing was done; windows open as it gets warmer."""
    rng = np.random.default_rng(seed)
    t = np.arange(ALL * 24)
    outdoor = 4 + 12 * t / 24 / ALL + wander(rng, len(t), 0.99, 4) + 4 * np.sin(2 * np.pi * (t % 24 - 9) / 24)
    return 1200 - 20 * outdoor + wander(rng, len(t), 0.9, 60), outdoor


def split(values: Floats, days: int = BEFORE) -> dict[str, Floats]:
    return {"baseline": values[: days * 24], "reporting": values[days * 24 :]}


def before_after(values: Floats, outdoor: Floats | None = None, days: int = BEFORE) -> Answer:
    more = {}
    if outdoor is not None:
        more = {
            "covariates": {"outdoor": split(outdoor, days)},
            "parameters": {"covariates": ["outdoor"]},
        }
    return ask(
        "before_after",
        arms={"candidate": split(values, days)},
        start={"baseline": FIRST, "reporting": FIRST + days * DAY},
        interval=HOUR,
        targets={"effect": (None, 0.0)},
        bare=True,
        **more,  # type: ignore[arg-type]
    )


def verdict(answer: Answer, target: Target) -> str:
    return "blocked" if answer.blocked else str(judge(*answer.statistic("effect").interval(0.95), target))


@pytest.mark.parametrize("declared", [False, True], ids=["no covariate", "outdoor declared"])
def test_a_spring_in_which_nothing_was_done_is_not_met(declared: bool) -> None:
    worlds = [spring(seed) for seed in range(100)]
    met = [
        verdict(before_after(co2, outdoor if declared else None), Target(high=-50)) for co2, outdoor in worlds
    ].count("met")
    assert met / 100 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 100)


@pytest.mark.parametrize("declared", [False, True], ids=["no covariate", "outdoor declared"])
def test_an_effect_without_a_season_is_still_met(declared: bool) -> None:
    """Nine standard errors: the price of a season that nothing rules out, and of a step that may lie earlier
    (docs/designs/4-before-after.md). With a covariate ten trials are a `season_mismatch`, since it wanders
    far.
    """
    met = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        values = 100 + wander(rng, 60 * 24, 0.7, 4.0)
        values[30 * 24 :] -= 4.5
        outdoor = wander(rng, 60 * 24, 0.99, 4.0)
        met += verdict(before_after(values, outdoor if declared else None, 30), Target(high=0)) == "met"
    assert met >= (30 if declared else 36)


def test_one_odd_day_does_not_make_a_season_alike() -> None:
    """The reporting days are warmer than all days of the baseline but one."""
    rng = np.random.default_rng(2)
    outdoor = np.concatenate([rng.normal(5, 1, 30), rng.normal(11.0, 1.5, 30)])
    outdoor[3] = 20.0  # the range holds all of them, the middle 95 % hardly any
    values = 100 + np.repeat(rng.normal(0, 1, 60), 24) + rng.normal(0, 0.3, 60 * 24)
    assert "season_mismatch" in codes(before_after(values, np.repeat(outdoor, 24), 30))


def control_sites(drift: float, effect: float, high: float, seed: int = 1, **parameters: float) -> Answer:
    rng = np.random.default_rng(seed)
    weather = wander(rng, 60 * 24, 0.9, 3.0)
    control, treated = (50 + weather + wander(rng, 60 * 24, 0.3, 0.5) for _ in range(2))
    treated = treated + drift * np.arange(60 * 24) / (30 * 24)
    treated[30 * 24 :] += effect
    return ask(
        "control_sites",
        arms={"candidate": split(treated, 30), "control": split(control, 30)},
        start={"baseline": FIRST, "reporting": FIRST + 30 * DAY},
        interval=HOUR,
        targets={"effect": (None, high)},
        parameters=parameters,
        bare=True,
    )


def codes(answer: Answer) -> set[str]:
    return {one.code for one in answer.findings}


@pytest.mark.parametrize("high", [0.0, -1.0])
def test_a_drift_twice_the_effect_blocks_whatever_the_target(high: float) -> None:
    assert codes(control_sites(-4.0, 0.0, high)) & {"trend_explains", "baseline_trend", "placebo_as_large"}
    assert control_sites(-4.0, 0.0, high).blocked


def test_a_drift_that_makes_the_whole_effect_explains_it_within_its_interval() -> None:
    """The drift goes on, so that its estimate exceeds the effect in half of the trials only."""
    found = [control_sites(-1.5, 0.0, 0.0, seed) for seed in range(20)]
    assert sum("trend_explains" in codes(one) for one in found) >= 17
    assert [verdict(one, Target(high=0.0)) for one in found].count("met") <= 2


@pytest.mark.parametrize("high", [0.0, -1.0])
def test_parallel_arms_with_an_effect_pass_whatever_the_target(high: float) -> None:
    assert not control_sites(0.0, -4.0, high).blocked


def test_a_tolerance_of_the_protocol_stands_for_the_margin() -> None:
    assert "baseline_trend" in codes(control_sites(-1.0, -4.0, 0.0, trend_tolerance=0.5))
    assert "baseline_trend" not in codes(control_sites(-1.0, -4.0, 0.0, trend_tolerance=2.0))


def interrupted(seed: int, change: float, *, restless: float) -> Answer:
    """A baseline whose days scatter by `restless`, and a long calm reporting period that lends it a small
    standard error.
    """
    rng = np.random.default_rng(seed)
    days = np.concatenate([rng.normal(0, restless, 60), rng.normal(0, 0.2, 240)])
    values = 50 + np.repeat(days, 24) + rng.normal(0, 0.3, 300 * 24)
    values[60 * 24 :] += change
    return ask(
        "interrupted_series",
        arms={"candidate": split(values, 60)},
        start={"baseline": FIRST, "reporting": FIRST + 60 * DAY},
        interval=HOUR,
        targets={"level_change": (None, 0.0)},
    )


def test_a_change_as_large_as_those_at_made_up_dates_blocks() -> None:
    assert "placebo_dates_explain" in codes(interrupted(0, -2.0, restless=4.0))
    assert interrupted(0, -2.0, restless=4.0).blocked


def test_a_change_that_no_made_up_date_shows_is_judged() -> None:
    assert not any(interrupted(seed, -2.0, restless=0.5).blocked for seed in range(5))


def leaning(slope: float, seed: int = 3) -> Answer:
    """Outdoor temperature is a degree higher in the reporting period, and moves the values by `slope` each;
    nothing was done.
    """
    rng = np.random.default_rng(seed)
    outdoor = rng.normal(10, 2, 60)
    outdoor[30:] += 1.0
    days = 100 + slope * outdoor + rng.normal(0, 0.3, 60)
    return before_after(np.repeat(days, 24), np.repeat(outdoor, 24), 30)


def test_a_covariate_that_moves_the_result_by_more_than_its_interval_blocks() -> None:
    """A degree moves it by 1.4; the half-width of the interval is about 1.3 with 2·1.4 from day to day."""
    found = [leaning(-1.4, seed) for seed in range(20)]
    assert sum("covariate_explains" in codes(one) for one in found) >= 5
    assert all(one.blocked for one in found if "covariate_explains" in codes(one))


def test_a_covariate_that_moves_nothing_does_not_block() -> None:
    assert not any("covariate_explains" in codes(leaning(0.0, seed)) for seed in range(20))


@pytest.mark.parametrize(("month", "is_blocked"), [(6, True), (5, False)])
def test_an_availability_of_nothing_that_is_due_is_no_availability(month: int, is_blocked: bool) -> None:
    """Holidays alone count: June has none, and May has four."""
    found = ask(
        "availability",
        arms={"candidate": {"reporting": np.full(20 * 24, 20.0)}},
        start={"reporting": datetime(2026, month, 1, tzinfo=UTC)},
        interval=HOUR,
        kept={"holidays": "only"},
    )
    assert ("nothing_due" in codes(found)) is is_blocked
    assert found.blocked is is_blocked


def test_every_finding_that_blocks_fires_in_a_test() -> None:
    """Its code stands in a test as a text by itself, where a world is asked for it."""
    blocking = {one.code for one in sentences(Kind.FINDING) if one.severity == "blocking"}
    tests = Path(__file__).parent
    texts = "".join(path.read_text("utf-8") for path in sorted(tests.rglob("test_*.py")))
    assert len(blocking) > 30
    assert {code for code in blocking if f'"{code}"' not in texts} == set()
