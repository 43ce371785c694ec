"""The week may pass for the effect of a crossover, and a state that lasts beyond a switch may hide it.
By rules 6 a verdict stays open that the week can turn, or a lasting state that shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from insitu.model import Verdict
from trials.designs.design import EFFECT
from trials.designs.question import Known, Question
from trials.plan.parts import Block
from trials.statement import Kind, Sentence, Statement
from trials.statistics import criteria, weekdays

WEEKDAYS_DIFFER = Sentence(
    "weekdays_differ",
    "warning",
    "Days on and days off have {share} % of their weekdays in common. With a level for each weekday the "
    "effect is {effect} [{low}, {high}].",
)
WEEK_EXPLAINS = Sentence(
    "week_explains",
    "warning",
    "Days on and days off have {share} % of their weekdays in common. With a level for each weekday the "
    "effect is {effect} [{low}, {high}], which gives another verdict: the verdict stays open.",
)
WEEKDAYS_APART = Sentence(
    "weekdays_apart",
    "warning",
    "Days on and days off have {share} % of their weekdays in common, too few to tell the week from the "
    "effect: the verdict stays open.",
)
WEEKDAYS_PLANNED_APART = Sentence(
    "weekdays_planned_apart",
    "warning",
    "Planned days on and days off have {share} % of their weekdays in common: a rhythm of the week passes"
    " for the effect. Draw the order within each pair by lot, or plan blocks of whole weeks.",
    Kind.NOTE,
)
CARRY_OVER_OPEN = Sentence(
    "carry_over_open",
    "note",
    "Carry-over cannot be excluded: the first halves of blocks differ by {difference} [{low}, {high}] in "
    "the direction of the state before. A state that lasts as long as that leaves possible would make the"
    " effect {effect}.",
)
CARRY_OVER_TURNS = Sentence(
    "carry_over_turns",
    "warning",
    "Carry-over cannot be excluded: the first halves of blocks differ by {difference} [{low}, {high}] in "
    "the direction of the state before. A state that lasts as long as that leaves possible would make the"
    " effect {effect}, on the other side of the bound.",
)
CARRY_OVER_HIDES = Sentence(
    "carry_over_hides",
    "warning",
    "Without what lasts beyond a switch the effect may be {effect}, on the other side of the bound: the "
    "verdict stays open.",
)
SENTENCES = (
    WEEKDAYS_DIFFER,
    WEEK_EXPLAINS,
    WEEKDAYS_APART,
    WEEKDAYS_PLANNED_APART,
    CARRY_OVER_OPEN,
    CARRY_OVER_TURNS,
    CARRY_OVER_HIDES,
)
FADES: Final = 0.5
"""Share of a block in which a state that lasts falls to 1/e."""


@dataclass(frozen=True, slots=True)
class Doubt:
    findings: list[Statement] = field(default_factory=list)
    is_open: bool = False
    """The verdict stays open."""


def doubt_week(
    question: Question, days: Ints, values: Floats, weights: Floats, interval: tuple[float, float]
) -> Doubt:
    """`weights`: (pairs, days) of each pair's difference; `interval`: of the effect."""
    found = weekdays.compare(days, weights, question.seed)
    if not found.differ:
        return Doubt()
    share = round(100 * found.common)
    within = weekdays.within(days, values, weights, question.level)
    if within is None:
        return Doubt([WEEKDAYS_APART.state(share=share)], is_open=True)
    effect, low, high = within
    turned = _turns(question, interval, (low, high))
    sentence = WEEK_EXPLAINS if turned else WEEKDAYS_DIFFER
    return Doubt([sentence.state(share=share, effect=effect, low=low, high=high)], is_open=turned)


def planned_week(days: Ints, weights: Floats) -> list[Statement]:
    """The same of a schedule, before anything is measured."""
    found = weekdays.compare(days, weights)
    return [WEEKDAYS_PLANNED_APART.state(share=round(100 * found.common))] if found.differ else []


def hidden_by(effect: float, lasting: tuple[float, float], per_lasting: float) -> float:
    """The effect furthest from the estimate that a state which lasts leaves possible:
    effect + c·`per_lasting` with c in `lasting`. A state that lasts has the sign of its effect.
    """
    possible = [effect + per_lasting * c for c in lasting if c * (effect + per_lasting * c) > 0]
    return max(possible, key=lambda one: abs(one - effect), default=effect)


def doubt_lasting(question: Question, effect: Known, lasting: Known, per_lasting: float) -> Doubt:
    """`lasting`: first minus second halves of blocks; `per_lasting`: as in `hidden_by`. No findings where a
    state that lasts leaves the effect within its interval. The verdict stays open if that also shows at half
    the α, since a sound trial may show it by chance.
    """
    interval, (low, high) = effect.interval(question.level), lasting.interval(question.level)
    possible = hidden_by(effect.value, (low, high), per_lasting)
    told = {"difference": lasting.value, "low": low, "high": high}
    if possible != effect.value and _turns(question, interval, (possible, possible)):
        if excludes_none(lasting, (1 + question.level) / 2):
            return Doubt([CARRY_OVER_HIDES.state(effect=possible)], is_open=True)
        return Doubt([CARRY_OVER_TURNS.state(**told, effect=possible)])
    if not interval[0] <= possible <= interval[1] and not excludes_none(lasting, question.level):
        return Doubt([CARRY_OVER_OPEN.state(**told, effect=possible)])
    return Doubt()


def excludes_none(known: Known, level: float) -> bool:
    """Whether the interval at this level lies on one side of 0."""
    low, high = known.interval(level)
    return low > 0 or high < 0


def _turns(question: Question, interval: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether a criterion of the effect that the interval decides is not decided so by the other."""
    targets = [one.target for one in question.endpoint.criteria if one.statistic == EFFECT.name]
    decided = [(criteria.judge(*interval, target), criteria.judge(*other, target)) for target in targets]
    return any(one is not Verdict.INCONCLUSIVE and one is not then for one, then in decided)


def lasting_state(schedule: list[Block], inside: list[Bools]) -> Floats:
    """Day values of a device that raises the level by 1 where it is on, and whose state lasts beyond each
    switch: it falls to 1/e in the share `FADES` of a mean block. `inside`: days of each block; 0 elsewhere.
    """
    hours = [(block.end - block.start).total_seconds() / 3600 for block in schedule]
    time = FADES * float(np.mean(hours))
    values = np.zeros(len(inside[0]))
    state, until = float(schedule[0].on), schedule[0].start
    for block, days, length in zip(schedule, inside, hours, strict=True):
        pause = (block.start - until).total_seconds() / 3600
        apart = state * np.exp(-pause / time) - float(block.on)
        at = np.flatnonzero(days)
        begins = _first_hour(length, len(at)) + 24.0 * np.arange(len(at))
        left = (np.exp(-begins / time) - np.exp(-(begins + 24) / time)) * time / 24
        values[at] = float(block.on) + apart * left
        state, until = float(block.on) + apart * np.exp(-length / time), block.end
    return values


def _first_hour(length: float, days: int) -> float:
    """Hours of a block before its first whole day, where what is over lies half before and half after."""
    return max(0.0, (length - 24 * days) / 2)
