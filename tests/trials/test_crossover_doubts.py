"""The week, which may pass for the effect of a crossover, and a state that lasts, which may hide it.

The oracles follow the state of a device hour by hour, and count weekdays from dates.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.model import Verdict
from trials.designs import DESIGNS, Answer, ask
from trials.designs.crossover_doubts import hidden_by, lasting_state
from trials.judge.answers import judged
from trials.plan.parts import Block
from trials.plan.rules import Rules
from trials.statistics import weekdays

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def schedule_of(states: list[bool], lengths: list[int]) -> list[dict[str, object]]:
    ends = np.cumsum([0, *lengths])
    return [
        {
            "start": (MONDAY + int(start) * DAY).isoformat(),
            "end": (MONDAY + int(end) * DAY).isoformat(),
            "on": state,
        }
        for state, start, end in zip(states, ends[:-1], ends[1:], strict=True)
    ]


def state_by_hour(states: list[bool], lengths: list[int], hours: float) -> np.ndarray:
    """Of a device that takes `hours` to come within 1/e of what it was switched to; 0: at once."""
    wanted = np.repeat(np.repeat(states, lengths), 24).astype(float)
    if hours == 0:
        return wanted
    found, state = np.empty(len(wanted)), wanted[0]
    for at, one in enumerate(wanted):
        found[at] = one + (state - one) * hours * (1 - np.exp(-1 / hours))
        state = one + (state - one) * np.exp(-1 / hours)
    return found


def judged_by(
    rules: int,
    states: list[bool],
    lengths: list[int],
    *,
    effect: float,
    target: tuple[float | None, float | None],
    weekend: float = 0.0,
    hours: float = 0.0,
    noise: float = 0.3,
    seed: int = 1,
) -> tuple[Verdict, Answer]:
    of_days = np.arange(sum(lengths))
    values = 20 + effect * state_by_hour(states, lengths, hours)
    values += np.repeat(
        np.random.default_rng(seed).normal(0, noise, len(of_days)) - weekend * (of_days % 7 >= 5), 24
    )
    asked = ask(
        "crossover",
        arms={"candidate": {"reporting": values}},
        start={"reporting": MONDAY},
        interval=timedelta(hours=1),
        targets={"effect": target},
        schedule=schedule_of(states, lengths),
    )
    assert asked.question is not None
    question = replace(asked.question, rules=Rules(rules))
    answer = replace(DESIGNS["crossover"].answer(question), question=question)
    return judged(answer).verdict, answer


def codes(answer: Answer) -> set[str]:
    return {one.code for one in answer.findings}


WEEKENDS = ([False, True] * 8, [4, 3] * 8)
BY_LOT = ([True, False, False, True, True, False, True, False] * 2, [3] * 16)


def test_a_weekend_that_passes_for_the_effect_leaves_the_verdict_open() -> None:
    before, _ = judged_by(5, *WEEKENDS, effect=0.0, weekend=6.0, target=(None, 0.0))
    after, answer = judged_by(6, *WEEKENDS, effect=0.0, weekend=6.0, target=(None, 0.0))
    assert (before, after) == (Verdict.MET, Verdict.INCONCLUSIVE)
    assert "weekdays_apart" in codes(answer)


def test_with_weekdays_in_common_the_effect_within_them_decides() -> None:
    """Two of 14 pairs have the other order: least squares tells the week from the effect."""
    states = [False, True] * 12 + [True, False] * 2
    lengths = [4, 3] * 14
    verdict, answer = judged_by(6, states, lengths, effect=0.0, weekend=6.0, target=(None, -1.0))
    (found,) = [one for one in answer.findings if one.code == "week_explains"]
    assert float(found.evidence["low"]) <= 0 <= float(found.evidence["high"])  # type: ignore[arg-type]
    assert verdict is Verdict.INCONCLUSIVE
    verdict, answer = judged_by(6, states, lengths, effect=-8.0, target=(None, -1.0))
    assert "weekdays_differ" in codes(answer)
    assert verdict is Verdict.MET


@pytest.mark.parametrize("seed", range(20))
def test_an_order_by_lot_keeps_its_verdict(seed: int) -> None:
    verdict, answer = judged_by(6, *BY_LOT, effect=-4.0, target=(None, -2.0), seed=seed)
    assert verdict is Verdict.MET
    assert not codes(answer) & {"weekdays_apart", "week_explains", "weekdays_differ", "carry_over_hides"}


@given(st.lists(st.booleans(), min_size=6, max_size=8), st.integers(1, 7), st.integers(0, 6))
def test_weekdays_in_common_are_those_of_the_dates(first: list[bool], length: int, later: int) -> None:
    states = [state for one in first for state in (one, not one)]
    begin = date(2026, 3, 2).toordinal() + later
    days = begin + np.arange(len(states) * length)

    def apart(order: tuple[bool, ...]) -> Counter[int]:
        total: Counter[int] = Counter()
        for at in range(len(days)):
            block = at // length
            on = states[block] is order[block // 2]
            total[date.fromordinal(int(days[at])).weekday()] += 1 if on else -1
        return total

    weights = np.zeros((len(first), len(days)))
    for block, state in enumerate(states):
        weights[block // 2, block * length : (block + 1) * length] = (1 if state else -1) / length
    found = weekdays.compare(days, weights)
    ours = apart((True,) * len(first))
    assert found.common == pytest.approx(1 - sum(map(abs, ours.values())) / (2 * length * len(first)))
    sizes = [sum(v * v for v in apart(order).values()) for order in product((True, False), repeat=len(first))]
    assert found.p == pytest.approx(np.mean([one >= sizes[0] for one in sizes]))


@pytest.mark.parametrize("states", [BY_LOT[0], [True, False] * 8])
@pytest.mark.parametrize("length", [2, 3, 7])
def test_a_lasting_state_is_that_of_a_device_followed_by_the_hour(states: list[bool], length: int) -> None:
    lengths = [length] * len(states)
    blocks = [Block.model_validate(one) for one in schedule_of(states, lengths)]
    inside = [np.arange(sum(lengths)) // length == at for at in range(len(states))]
    by_hour = state_by_hour(states, lengths, 12.0 * length)
    assert lasting_state(blocks, inside) == pytest.approx(by_hour.reshape(-1, 24).mean(axis=1))


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 9), st.floats(0, 5))
def test_what_lasts_has_the_sign_of_its_effect(effect: float, low: float, width: float, per: float) -> None:
    found = hidden_by(effect, (low, low + width), per)
    assert found == effect or min(low, low + width) * found >= 0 or (low + width) * found >= 0


def test_carry_over_that_shows_and_reaches_across_the_bound_leaves_it_open() -> None:
    """By the schedule, 36 hours in blocks of three days hide a third of −4."""
    before, _ = judged_by(5, *BY_LOT, effect=-4.0, hours=36, target=(None, -3.8))
    after, answer = judged_by(6, *BY_LOT, effect=-4.0, hours=36, target=(None, -3.8))
    assert (before, after) == (Verdict.NOT_MET, Verdict.INCONCLUSIVE)
    (found,) = [one for one in answer.findings if one.code == "carry_over_hides"]
    assert float(found.evidence["effect"]) < -3.8  # type: ignore[arg-type]


def test_carry_over_that_cannot_be_excluded_is_never_called_none() -> None:
    """Of 40 noisy trials in which a state lasts, none calls it none beside a wrong verdict."""
    seen: Counter[str] = Counter()
    for seed in range(40):
        verdict, answer = judged_by(
            6, *BY_LOT, effect=-4.0, hours=36, target=(None, -4.0), noise=1.5, seed=seed
        )
        seen.update(codes(answer))
        if verdict is Verdict.NOT_MET:
            assert not codes(answer) & {"no_carry_over", "carry_over_hides"}, seed
    assert seen["carry_over_turns"], seen
    assert seen["carry_over_hides"], seen


def test_a_quiet_crossover_says_no_carry_over() -> None:
    _, answer = judged_by(6, *BY_LOT, effect=-4.0, target=(None, -2.0), noise=0.05, seed=3)
    assert codes(answer) & {"no_carry_over", "carry_over_open"}
    verdict, old = judged_by(5, *BY_LOT, effect=-4.0, hours=36, target=(None, -4.0), noise=1.5, seed=3)
    assert not codes(old) & {"carry_over_turns", "carry_over_hides", "carry_over_open"}, verdict
