"""Design 12: looks before the end. They never say "met", stop for harm only, and leave future days out of the
plan.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from insitu.model import PeriodName, Verdict
from tests.trials.coverage_worlds import (
    Ask,
    Cell,
    after,
    before_after_question,
    crossover_question,
    limit_question,
)
from tests.trials.test_gate import (
    BASELINE_DESIGNS,
    DAYS,
    DESIGNS,
    DEVICES,
    evaluated,
    more_of,
    streams_of,
    values_of,
)
from tests.trials.world import DAY, HOUR, START, criterion, endpoint, inputs, period, protocol, series
from trials.designs import DESIGNS as REGISTERED
from trials.designs.early_look import METHOD, stop_for_harm, undecided
from trials.evaluation import EndpointResult, Evaluation
from trials.judge.looks import planned_days, so_far
from trials.plan.parts import Target
from trials.plan.protocol import Protocol
from trials.plan.rules import Rules

PLANNED = 30
EARLY = [design for design in DESIGNS if REGISTERED[design].early]
DESCRIPTIVE = [design for design in DESIGNS if not REGISTERED[design].early]


def begin(design: str) -> datetime:
    return START + (DAYS if design in BASELINE_DESIGNS else 0) * DAY


def plan_of(
    design: str, criteria: list[dict[str, Any]] | None = None, *, time_zone: str = "Etc/GMT-1", **more: Any
) -> Protocol:
    """Thirty days of reporting, after twenty days of baseline if the design has one; in a zone without
    changes of the clocks.
    """
    own, _, arms = DESIGNS[design]
    first = DAYS if design in BASELINE_DESIGNS else 0
    periods = [period("baseline", 0, DAYS)] * bool(first) + [period("reporting", first, first + PLANNED)]
    made = endpoint(design, criteria or own, arms=arms, **more_of(design, PLANNED), **more)
    also = ["outdoor"] if design == "adjusted_before_after" else []
    return protocol(made, periods=periods, also=also, devices=DEVICES.get(design, {}), time_zone=time_zone)


def looked(design: str, day: float, shift: float = 0.0, **more: Any) -> Evaluation:
    """The evaluation after `day` days of the reporting period; from its start (in a crossover, whenever it is
    on) the candidate changes by `shift`.
    """
    plan = plan_of(design, **more)
    now = begin(design) + day * DAY
    values = values_of("candidate")[: round((now - START) / HOUR)]
    acts = np.arange(len(values)) >= round((begin(design) - START) / HOUR)
    if design == "crossover":
        hours = np.arange(len(values)) // 24
        acts = (hours % 4 == 0) | (hours % 4 == 3)
    return evaluated(inputs(plan, streams_of(plan, candidate=values + shift * acts), now=now))


def main(evaluation: Evaluation) -> EndpointResult:
    (found,) = evaluation.endpoints
    return found


def codes(evaluation: Evaluation) -> set[str]:
    return {found.code for found in main(evaluation).findings}


# -- what a look may say


@pytest.mark.parametrize("design", EARLY)
@pytest.mark.parametrize("shift", [-20.0, 0.0])
def test_an_early_look_never_says_met(design: str, shift: float) -> None:
    criteria = [criterion("difference", high=5)] if design == "equivalence" else None
    found = looked(design, 17.5, shift, criteria=criteria)
    assert found.interim
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [c.verdict for c in main(found).criteria] == [Verdict.INCONCLUSIVE]
    assert {e.method for e in main(found).estimates} == {METHOD}
    assert "early_look" in codes(found)
    assert "stop_for_harm" not in codes(found)
    assert all(s.verdict in (None, Verdict.INCONCLUSIVE) for s in main(found).sensitivity)


@pytest.mark.parametrize("design", EARLY)
def test_an_early_look_stops_for_harm_and_says_which_interval_shows_it(design: str) -> None:
    found = looked(design, 17.5, 30.0)
    assert (found.interim, found.verdict) == (True, Verdict.NOT_MET)
    (why,) = [f for f in main(found).findings if f.code == "stop_for_harm"]
    estimate = main(found).criteria[0].estimate
    assert estimate is not None
    assert why.evidence == {"statistic": estimate.statistic, "low": estimate.low, "high": estimate.high}


@pytest.mark.parametrize("design", EARLY)
def test_the_interval_of_a_look_is_wider_than_that_of_the_same_days_alone(design: str) -> None:
    """Judges the same days once as a look and once as a period that ends there."""
    days = 18
    plan = plan_of(design)
    ended = [
        p if p.name is PeriodName.BASELINE else p.model_copy(update={"end": begin(design) + days * DAY})
        for p in plan.periods
    ]
    short = plan.model_copy(update={"periods": ended})
    now = begin(design) + days * DAY
    one = main(evaluated(inputs(short, streams_of(short), now=now))).criteria[0].estimate
    early = main(evaluated(inputs(plan, streams_of(plan), now=now))).criteria[0].estimate
    assert one is not None
    assert early is not None
    assert (early.value, early.n) == (one.value, one.n)
    assert early.low <= one.low < one.high <= early.high
    of_days = design not in (
        "adjusted_before_after",
        "synthetic_control",
    )  # their widths come from blocks or ranks
    assert early.high - early.low > one.high - one.low or not of_days


@pytest.mark.parametrize("design", EARLY)
@pytest.mark.parametrize("day", [0.5, 6.0, 13.9])
def test_before_day_14_a_look_says_too_few_days(design: str, day: float) -> None:
    found = looked(design, day, 30.0)
    assert (found.interim, found.verdict) == (True, Verdict.NOT_EVALUABLE)
    assert codes(found) & {"too_few_days", "too_few_pairs"}


@pytest.mark.parametrize("design", DESCRIPTIVE)
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_a_look_at_a_design_that_compares_no_effect_describes_only(design: str, shift: float) -> None:
    found = looked(design, 17.5, shift)
    assert (found.interim, found.verdict) == (True, Verdict.INCONCLUSIVE)
    assert {c.verdict for c in main(found).criteria} == {Verdict.INCONCLUSIVE}
    assert "descriptive_only" in codes(found)
    assert METHOD not in {e.method for e in main(found).estimates}


@pytest.mark.parametrize("design", DESIGNS)
def test_when_the_period_has_ended_the_ordinary_rule_holds(design: str) -> None:
    plan = plan_of(design)
    found = evaluated(
        inputs(plan, streams_of(plan, **{a.name: values_of(a.name, 50 * 24) for a in plan.arms}))
    )
    assert not found.interim
    assert METHOD not in {e.method for e in main(found).estimates}
    assert not codes(found) & {"early_look", "descriptive_only", "stop_for_harm"}


def alike(above: float) -> Evaluation:
    """A look after 18 days at a mean that may be 40 at most: it lies `above` it, and moved once."""
    plan = protocol(
        endpoint(
            "limit_compliance", [criterion("mean", high=40)], arms=["candidate"], parameters={"u_meas": 0}
        ),
        periods=[period("reporting", 0, PLANNED)],
        time_zone="Etc/GMT-1",
    )
    days = above + 40 + np.r_[np.zeros(6), np.ones(6), np.zeros(6)]
    return evaluated(inputs(plan, [series("candidate-1", np.repeat(days, 24))], now=START + 18 * DAY))


def test_harm_is_seen_though_the_values_so_far_are_too_alike() -> None:
    """Their interval is wider than their range, and lies far above the limit all the same."""
    found = alike(above=30)
    (estimate,) = main(found).estimates
    assert estimate.high - estimate.low > 1.0
    assert estimate.low > 40
    assert found.verdict is Verdict.NOT_MET
    assert codes(found) >= {"too_few_effective_days_so_far", "stop_for_harm"}
    assert "too_few_effective_days" not in codes(found)


@pytest.mark.parametrize("above", [-30.0, -0.2, 0.2])
def test_values_that_are_too_alike_decide_nothing_but_harm(above: float) -> None:
    found = alike(above)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "too_few_effective_days_so_far" in codes(found)


# -- what harm is

DOWN, UP, WITHIN = Target(high=-2.0), Target(low=2.0), Target(low=-2.0, high=2.0)


@pytest.mark.parametrize(
    ("statistic", "low", "high", "target", "verdict"),
    [
        ("effect", 0.1, 3, DOWN, Verdict.NOT_MET),
        ("effect", 0, 3, DOWN, Verdict.INCONCLUSIVE),  # no effect is not excluded
        ("effect", -1.9, -0.1, DOWN, Verdict.INCONCLUSIVE),  # too little, but no harm
        ("effect", -9, -3, DOWN, Verdict.INCONCLUSIVE),  # it would be met at the end
        ("effect", -3, -0.1, UP, Verdict.NOT_MET),
        ("effect", 0.1, 1.9, UP, Verdict.INCONCLUSIVE),
        ("effect", -3, 0, UP, Verdict.INCONCLUSIVE),
        ("ratio", 1.01, 1.3, Target(high=0.9), Verdict.NOT_MET),
        ("ratio", 0.91, 0.99, Target(high=0.9), Verdict.INCONCLUSIVE),
        ("rate_ratio", 0.5, 0.99, Target(low=1.1), Verdict.NOT_MET),
        ("difference", 0.1, 1.9, Target(high=2.0), Verdict.INCONCLUSIVE),  # worse, within the margin
        ("difference", 2.1, 3, Target(high=2.0), Verdict.NOT_MET),
        ("difference", 2.1, 3, WITHIN, Verdict.NOT_MET),
        ("difference", -3, -2.1, WITHIN, Verdict.NOT_MET),
        ("difference", -1, 1, WITHIN, Verdict.INCONCLUSIVE),
        ("mean", 25.1, 30, Target(high=25.0), Verdict.NOT_MET),
        ("mean", 24.9, 30, Target(high=25.0), Verdict.INCONCLUSIVE),
        ("loa_low", -5, -2.1, Target(low=-2.0), Verdict.NOT_MET),
    ],
)
def test_harm_lies_outside_the_target_and_beyond_no_effect(
    statistic: str, low: float, high: float, target: Target, verdict: Verdict
) -> None:
    assert stop_for_harm(statistic, low, high, target) is verdict
    assert undecided(statistic, low, high, target) is Verdict.INCONCLUSIVE


def test_every_statistic_that_may_show_harm_is_an_effect_or_stands_by_itself() -> None:
    known = [
        statistic
        for design in REGISTERED.values()
        if design.early
        for statistic in design.statistics.values()
    ]
    assert {one.name for one in known if one.no_effect is None} == {"mean", "loa_low", "loa_high"}
    described = [
        one for design in REGISTERED.values() if not design.early for one in design.statistics.values()
    ]
    assert {one.no_effect for one in described} == {None}


def test_of_several_criteria_one_that_shows_harm_at_the_shared_level_is_enough() -> None:
    two = [criterion("effect", high=-2), criterion("ratio", low=0.1)]
    found = looked("before_after", 17.5, 30.0, criteria=two)
    assert found.verdict is Verdict.NOT_MET
    assert [c.verdict for c in main(found).criteria] == [Verdict.NOT_MET, Verdict.INCONCLUSIVE]


# -- what a look sees


def test_the_day_that_lasts_and_the_days_ahead_are_not_missed() -> None:
    found = looked("before_after", 17.5)
    result = next(g for g in found.gate if g.period is PeriodName.REPORTING)
    assert (result.planned, result.valid, result.days, result.days_valid) == (17 * 24, 17 * 24, 17, 17)
    assert result.passed
    assert sum(d.planned for d in found.datastreams) == (DAYS + 17) * 24
    assert (found.protocol["periods"][1]["end"] > found.evaluated_at.isoformat()) is True


def test_days_are_cut_at_midnight_of_the_trials_zone() -> None:
    plan = plan_of("limit_compliance", time_zone="Europe/Paris")
    seen = so_far(
        inputs(plan, [], now=START + 29 * DAY + timedelta(minutes=30))
    )  # the clocks have changed: 01:30 in Paris
    reporting = seen.protocol.period(PeriodName.REPORTING)
    assert reporting is not None
    assert reporting.end.isoformat() == "2026-03-30T00:00:00+02:00"
    assert seen.whole is plan
    over = inputs(plan, [], now=START + PLANNED * DAY)
    assert so_far(over) is over


def test_planned_days_are_those_of_the_filter() -> None:
    plan = plan_of("limit_compliance", filter={"weekdays": ["sat", "sun"]})
    assert planned_days(plan, plan.endpoints[0], Rules()) == 9
    assert (
        planned_days(plan_of("limit_compliance"), plan_of("limit_compliance").endpoints[0], Rules())
        == PLANNED
    )


def test_a_block_that_lasts_makes_no_pair() -> None:
    """Blocks of two days: after 15 days the eighth block, and so the fourth pair, is half over."""
    blocks = [
        {
            "start": (START + n * 2 * DAY).isoformat(),
            "end": (START + (n + 1) * 2 * DAY).isoformat(),
            "on": n % 2 == 0,
        }
        for n in range(14)
    ]
    plan = protocol(
        endpoint("crossover", [criterion("effect", high=-2)], arms=["candidate"], schedule=blocks),
        periods=[period("reporting", 0, 28)],
    )
    found = evaluated(inputs(plan, streams_of(plan), now=START + 15.5 * DAY))
    (few,) = [f for f in main(found).findings if f.code == "too_few_pairs"]
    assert few.evidence["pairs"] == 3


# -- ten looks


@pytest.mark.long
@pytest.mark.parametrize(
    ("ask", "statistic", "truth", "days"),
    [
        (before_after_question, "effect", -4.0, 30),
        (limit_question, "mean", 20.0, 60),
        (crossover_question, "effect", -4.0, 42),
    ],
)
@pytest.mark.parametrize("phi", [pytest.param(0.0, marks=pytest.mark.nightly), 0.95])
def test_ten_looks_leave_the_truth_outside_seldom(
    ask: Ask, statistic: str, truth: float, days: int, phi: float
) -> None:
    """Of 60 trials with ten looks at most 5 % may miss, plus two standard errors for so few trials."""
    outside = 0
    for seed in range(60):
        asked = ask(np.random.default_rng([12, seed]), Cell(phi, days))
        missed = False
        for day in np.unique(np.linspace(14, days, 10).astype(int)):
            answer = REGISTERED[asked.endpoint.design].answer(after(asked, int(day)))
            known = next((k for k in answer.statistics if k.statistic == statistic), None)
            if known is not None and known.early is not None:
                low, high = known.early(0.95, days)
                missed |= not low <= truth <= high
        outside += missed
    assert outside / 60 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)
