"""Do the intervals hold the truth as often as they say? Seeded replications, one cell a design; the nightly proof has more.

Hourly AR(1) errors with φ .95, a daily cycle, 10 % of the hours lost, 30 days: where naive intervals cover .25.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from insitu.model import Verdict
from tests.trials.coverage_worlds import (
    BASELINE,
    CELLS,
    FIRST,
    IDS,
    PHI,
    REPORTING,
    USUAL,
    Ask,
    Cell,
    Truth,
    wandering,
)
from tests.trials.world import criterion, cycle, endpoint, noise, question
from trials.criteria import judge
from trials.designs import DESIGNS, Known
from trials.intervals import TwoPeriods, spread
from trials.protocol import Target

REPLICATIONS = 200
HOURS = 30 * 24
BOUND = 0.88
FALSE_A_SIDE = 0.025 + 3 * np.sqrt(0.025 * 0.975 / REPLICATIONS)
MEAN_LIKE = ("effect", "mean", "bias", "difference", "level_change", "slope_change")
"""Statistics whose two sides are alike."""


def replications(design: str, ask: Ask, cell: Cell = USUAL, count: int = REPLICATIONS) -> Iterator[dict[str, Known]]:
    """Those that are answered: a design may find that it cannot judge."""
    for seed in range(count):
        answer = DESIGNS[design].answer(ask(np.random.default_rng([20260301, seed]), cell))
        yield {known.statistic: known for known in answer.statistics}


@pytest.mark.parametrize(("design", "ask", "truth"), CELLS, ids=IDS)
def test_the_interval_of_a_design_holds_the_truth_and_seldom_decides_against_it(design: str, ask: Ask, truth: Truth) -> None:
    """Coverage, and false verdicts a side with the truth exactly on the margin."""
    true = truth(USUAL)
    held, above, below = dict.fromkeys(true, 0), dict.fromkeys(true, 0), dict.fromkeys(true, 0)
    answered = 0
    for known in replications(design, ask):
        answered += bool(known)
        for statistic, value in true.items() if known else ():
            low, high = known[statistic].interval(0.95)
            held[statistic] += low <= value <= high
            above[statistic] += judge(low, high, Target(low=value)) is Verdict.MET
            below[statistic] += judge(low, high, Target(high=value)) is Verdict.MET
    assert answered >= 0.8 * REPLICATIONS  # the rest are worlds in which the design rightly says that it cannot judge
    assert {s: n / answered for s, n in held.items() if n < BOUND * answered} == {}
    mean_like = [s for s in true if s in MEAN_LIKE]  # the jackknife's others are checked for coverage only
    assert [s for s in mean_like if max(above[s], below[s]) > FALSE_A_SIDE * answered] == []


@pytest.mark.parametrize("trend", [0.0, 3.0], ids=["level", "trend of 3 SD"])
@pytest.mark.parametrize("days", [14, 30, 90])
@pytest.mark.parametrize("phi", [0.0, 0.7, 0.95])
def test_the_interval_of_a_mean_of_days_and_of_a_difference_cover(phi: float, days: int, trend: float) -> None:
    rng = np.random.default_rng([7, int(100 * phi), days, int(trend)])
    numbers = np.arange(days, dtype=np.int64)
    drift = np.linspace(-trend / 2, trend / 2, days)
    mean_held = difference_held = 0
    for _ in range(REPLICATIONS):
        hours = noise(rng, phi, 2 * days * 24).reshape(2, days, 24)
        hours[rng.random(hours.shape) < 0.1] = np.nan
        before, after = (spread(numbers, values) for values in np.nanmean(hours, axis=2) + drift)
        low, high = before.interval(0.95)
        mean_held += low <= 0 <= high
        low, high = TwoPeriods(before, after).interval(0.95)
        difference_held += low <= 0 <= high
    assert mean_held >= BOUND * REPLICATIONS
    assert difference_held >= BOUND * REPLICATIONS


def test_a_naive_interval_would_fail_this_very_test() -> None:
    """The cell is hard enough to tell: s/√n over hours covers less than half."""
    held = 0
    for seed in range(REPLICATIONS):
        values = 20 + cycle(HOURS) + noise(np.random.default_rng([1, seed]), PHI, HOURS, 2.0)
        half = 1.96 * values.std(ddof=1) / np.sqrt(HOURS)
        held += abs(values.mean() - 20) <= half
    assert held < 0.5 * REPLICATIONS


def test_an_a_a_trial_is_never_met_more_often_than_promised() -> None:
    """Nothing changed between the periods: a wanted reduction of 1 must not be found."""
    verdicts = []
    for seed in range(REPLICATIONS):
        rng = np.random.default_rng([99, seed])
        made = endpoint("before_after", [criterion("effect", high=-1)], arms=["candidate"])
        units = {("candidate", BASELINE): [wandering(rng, 20)], ("candidate", REPORTING): [wandering(rng, 20)]}
        known = {k.statistic: k for k in DESIGNS["before_after"].answer(question(made, units, start=FIRST)).statistics}
        verdicts.append(judge(*known["effect"].interval(0.95), Target(high=-1)))
    assert verdicts.count(Verdict.MET) <= FALSE_A_SIDE * REPLICATIONS
    assert verdicts.count(Verdict.INCONCLUSIVE) > 0
