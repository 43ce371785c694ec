"""Design 11: the device is switched on and off on a schedule; on − off, block pair by block pair.

The place is its own control, a few days later: slow changes cancel within a pair. After-effects of the device
beyond a switch (carry-over) do not cancel, and are tested.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from insitu.times import to_whole_second_us
from trials.designs import crossover_doubts as doubts
from trials.designs.design import EFFECT, REPORTING, Design, named
from trials.designs.question import Answer, Known, Question, line
from trials.designs.rehearsal import Rehearsal, Seen, candidate_days, of_days
from trials.evaluation import Line
from trials.plan.parts import Block
from trials.sentences import finding
from trials.series.slots import Calendar
from trials.statement import Kind, Sentence, Statement
from trials.statistics import block_pairs
from trials.statistics.intervals import reach_of_share, t_quantile, varies
from trials.statistics.metrics.permutation import sign_flip_p
from trials.statistics.power import Basis

DAY = timedelta(days=1)
CLOCK_CHANGE = timedelta(hours=1)
Bools = NDArray[np.bool_]

MIN_PAIRS = 6
"""With six pairs the smallest possible p of the permutation is 2/2⁶ = .031; with five it would be .063."""
MIN_PAIRS_SEEN = 3
"""Pairs that must fit into the days so far, without sharing a day, to show how much pairs scatter."""
SCHEDULE_MISSING = Sentence(
    "schedule_missing", "blocking", "The protocol has no schedule of blocks, which a crossover needs."
)
SCHEDULE_MISSING_SO_FAR = replace(SCHEDULE_MISSING, severity="note", kind=Kind.NOTE)
TOO_FEW_PAIRS = Sentence(
    "too_few_pairs",
    "blocking",
    "Only {pairs} block pairs have enough days; at least {needed} are needed.",
)
TOO_FEW_PAIRS_SO_FAR = Sentence(
    "too_few_pairs",
    "note",
    "The days so far hold {pairs} block pairs; at least {needed} are needed to see how much they scatter.",
    Kind.NOTE,
)
PERMUTATION = Sentence(
    "permutation",
    "note",
    "Permutation of {pairs} block pairs: p = {p}; the smallest possible is {smallest}.",
)
CARRY_OVER = Sentence(
    "carry_over",
    "warning",
    "What was before a switch lasts into the block: its first half differs by {difference} [{low}, "
    "{high}] in the direction of the state before.",
)
NO_CARRY_OVER = Sentence(
    "no_carry_over",
    "note",
    "Carry-over: the first halves of blocks differ by {difference} [{low}, {high}] in the direction of "
    "the state before.",
)
CARRY_OVER_UNCHECKED = Sentence(
    "carry_over_unchecked",
    "note",
    "Blocks are too short or too few to see whether the state before a switch lasts into the next block.",
)


def answer(question: Question) -> Answer:
    """Mean of the paired block differences with its t interval, beside a permutation and a test of
    carry-over.
    """
    result = Answer()
    units = question.arm("candidate", PeriodName.REPORTING)
    days, values = question.days_of(units)
    arm = question.endpoint.arms["candidate"]
    schedule = question.endpoint.schedule or []
    if not schedule or not units:
        result.findings.append(SCHEDULE_MISSING.state())
        return result
    blocks = [_whole_days(units[0].calendar, block) for block in schedule]
    states = [block.on for block in schedule]
    result.lines = [
        _switched("on", arm, days, values, blocks, states),
        _switched("off", arm, days, values, blocks, states),
    ]
    found = _pair_differences(question, values, blocks, states)
    differences, pairs = found.differences, len(found.differences)
    if pairs < MIN_PAIRS:
        result.findings.append(TOO_FEW_PAIRS.state(pairs=pairs, needed=MIN_PAIRS))
    elif not varies(values[np.isfinite(values)]):
        result.findings.append(finding("constant_series", arm=arm))
    if result.blocked:
        return result
    wider = found.widening(question)
    effect = _effect(question, differences, wider, planned=len(schedule) // 2)
    result.statistics.append(effect)
    if question.rules.doubt_blocks:
        _add(
            result, doubts.doubt_week(question, days, values, found.weights, effect.interval(question.level))
        )
    p = sign_flip_p(differences=differences, seed=question.seed)
    result.findings.append(PERMUTATION.state(pairs=pairs, p=p, smallest=2.0 / 2**pairs))
    _carry_over(question, result, values, blocks, states)
    return result


def _add(result: Answer, doubt: doubts.Doubt) -> None:
    result.findings += doubt.findings
    result.is_open = result.is_open or doubt.is_open


class PairDifferences(NamedTuple):
    """on − off of each pair of blocks."""

    differences: Floats
    weights: Floats
    """(pairs, days): what each day's value adds to each difference."""

    def widening(self, question: Question) -> float:
        """As `block_pairs.widening`; 1 where days are declared independent, and by rules 1."""
        if not question.rules.true_lags or not question.inference.ordered:
            return 1.0
        counts = self.weights.any(axis=0)
        return block_pairs.widening(np.flatnonzero(counts), self.weights[:, counts])


def _effect(question: Question, differences: Floats, wider: float = 1.0, planned: int | None = None) -> Known:
    """`wider`: factor of the standard error. `planned`: number of pairs when all blocks are over; None: the
    pairs at hand.
    """
    n, mean = len(differences), float(differences.mean())
    error = wider * float(differences.std(ddof=1)) / np.sqrt(n)

    def interval(level: float) -> tuple[float, float]:
        half = t_quantile(level, n - 1) * error
        return mean - half, mean + half

    def early(level: float, _days: int) -> tuple[float, float]:
        """Counts pairs instead of days. A few pairs tell their spread badly, so the reach grows as t does
        beside the normal distribution.
        """
        few = t_quantile(level, n - 1) / t_quantile(level, np.inf)
        half = few * reach_of_share(n / (planned or n), level) * error
        return mean - half, mean + half

    return Known(
        "effect",
        mean,
        interval,
        question.endpoint.unit,
        "block_pairs",
        n,
        float(n),
        early,
        {"block_pairs": n},
    )


def _whole_days(calendar: Calendar, block: Block) -> Bools:
    """Local days of the period wholly in the block; on the others the device was switched. No days for a
    block that has not ended.
    """
    if to_whole_second_us(block.end) > int(calendar.edges_us[-1]):
        return np.zeros(len(np.unique(calendar.day)), bool)
    outside = (calendar.starts_us < to_whole_second_us(block.start)) | (
        calendar.ends_us > to_whole_second_us(block.end)
    )
    _, groups = np.unique(calendar.day, return_inverse=True)
    return np.asarray(np.bincount(groups, weights=outside.astype(float)) == 0)


def _pair_differences(
    question: Question, values: Floats, blocks: list[Bools], states: list[bool], skip: int = 0
) -> PairDifferences:
    """on − off of each pair in which both blocks have enough days. `skip`: days left out at the beginning of
    each block.
    """
    differences, weights = [], []
    for first in range(0, len(blocks) - 1, 2):
        means, of_days = {}, np.zeros(len(values))
        for at in (first, first + 1):
            inside = np.flatnonzero(blocks[at])[skip:]
            known = inside[np.isfinite(values[inside])]
            if len(inside) and len(known) >= max(1, question.capture.days * len(inside)):
                means[states[at]] = float(values[known].mean())
                of_days[known] = (1.0 if states[at] else -1.0) / len(known)
        if len(means) == 2:
            differences.append(means[True] - means[False])
            weights.append(of_days)
    return PairDifferences(np.array(differences), np.array(weights))


def _carry_over(
    question: Question, result: Answer, values: Floats, blocks: list[Bools], states: list[bool]
) -> None:
    """Does the state before a switch last into the block? First half minus second half, with the sign turned
    so that + means yes.

    The sign is that of the effect: a device that lowers the level leaves the first half of the next off block
    lower.
    """
    lasting = _lasting(values, blocks, states)
    shorter = _pair_differences(question, values, blocks, states, skip=1)
    if len(lasting) < MIN_PAIRS or len(shorter.differences) < MIN_PAIRS:
        result.findings.append(CARRY_OVER_UNCHECKED.state())
        return
    halves = _effect(question, lasting)
    low, high = halves.interval(question.level)
    told = {"difference": halves.value, "low": low, "high": high}
    is_seen = doubts.excludes_none(halves, question.level)
    if is_seen:
        result.findings.append(CARRY_OVER.state(**told))
    doubt = doubts.Doubt()
    if question.rules.doubt_blocks:
        per_lasting = _per_lasting(question, values, blocks, states)
        doubt = doubts.doubt_lasting(question, result.statistics[0], halves, per_lasting)
    _add(result, doubt)
    if not is_seen and not doubt.findings:
        result.findings.append(NO_CARRY_OVER.state(**told))
    known = _effect(question, shorter.differences, shorter.widening(question))
    result.sensitivity.append(("first_days_out", known.estimate(question.level)))


def _lasting(values: Floats, blocks: list[Bools], states: list[bool]) -> Floats:
    """First half minus second half of each block that follows the other state, + in the direction of the
    state before.
    """
    found = []
    for at in range(1, len(blocks)):
        inside = values[blocks[at]]
        half = len(inside) // 2
        early, late = inside[:half], inside[len(inside) - half :]
        if states[at] != states[at - 1] and np.isfinite(early).any() and np.isfinite(late).any():
            found.append((np.nanmean(early) - np.nanmean(late)) * (-1.0 if states[at] else 1.0))
    return np.array(found)


def _per_lasting(question: Question, values: Floats, blocks: list[Bools], states: list[bool]) -> float:
    """How much of the effect the estimate lacks, for each unit by which the first halves differ, if a state
    lasts (`lasting_state`).
    """
    made = np.where(
        np.isfinite(values), doubts.lasting_state(question.endpoint.schedule or [], blocks), np.nan
    )
    lacks = 1.0 - float(_pair_differences(question, made, blocks, states).differences.mean())
    seen = float(_lasting(made, blocks, states).mean())
    return lacks / seen if seen > 0 else 0.0


def _switched(
    name: str, arm: str, days: NDArray[np.int64], values: Floats, blocks: list[Bools], states: list[bool]
) -> Line:
    inside = np.zeros(len(days), bool)
    for block, on in zip(blocks, states, strict=True):
        if on == (name == "on"):
            inside |= block
    return line(name, arm, days, np.where(inside, values, np.nan))


def foretell(rehearsal: Rehearsal) -> Seen:
    """Lays the block pairs of the schedule over the days so far, at every possible day. Nothing was switched
    then, so their differences show how much pairs scatter.
    """
    question = rehearsal.question
    days, values = candidate_days(question)

    def use(counted: Bools, share: float) -> Seen:
        count, schedule = int(counted.sum()), question.endpoint.schedule or []
        if len(schedule) < 2:
            return Seen(days=count, share=share, notes=[SCHEDULE_MISSING_SO_FAR.state()])
        differences, apart = _pairs_so_far(values, schedule, question.capture.days)
        if apart < MIN_PAIRS_SEEN:
            few = TOO_FEW_PAIRS_SO_FAR.state(pairs=apart, needed=MIN_PAIRS_SEEN)
            return Seen(days=count, share=share, notes=[few])
        sd = float(np.sqrt(np.mean(np.square(differences))))  # about 0: nothing was switched
        sd *= _planned(schedule).widening(question)
        every = (schedule[-1].end - schedule[0].start) / DAY / (len(schedule) / 2)
        return Seen({"effect": Basis(sd, pair_days=every, freedom=float(apart))}, count)

    seen = of_days(days, values, use)
    return replace(seen, notes=[*seen.notes, *_planned_week(question)])


def _planned_week(question: Question) -> list[Statement]:
    """Whether on and off are planned for the same weekdays, by the local days wholly in each block."""
    schedule, units = question.endpoint.schedule or [], question.arm("candidate", PeriodName.REPORTING)
    zone = next((unit.calendar.time_zone for unit in units), None)
    if len(schedule) < 2 * MIN_PAIRS or zone is None:
        return []
    spans = [_whole_dates(block, ZoneInfo(zone)) for block in schedule]
    first = min(start for start, _ in spans)
    weights = np.zeros((len(schedule) // 2, max(end for _, end in spans) - first))
    for at, (start, end) in enumerate(spans[: 2 * len(weights)]):
        weights[at // 2, start - first : end - first] = (1.0 if schedule[at].on else -1.0) / max(
            1, end - start
        )
    return doubts.planned_week(first + np.arange(weights.shape[1]), weights)


def _whole_dates(block: Block, zone: ZoneInfo) -> tuple[int, int]:
    """Ordinals of the first local day wholly in the block, and of the one after the last."""
    start, end = block.start.astimezone(zone), block.end.astimezone(zone)
    first = start.toordinal() + (start.time() > time.min)
    return first, max(first, end.toordinal())


def _planned(schedule: list[Block]) -> PairDifferences:
    """The weights of the days of a schedule that loses none."""
    edges = [[_days(end - schedule[0].start) for end in (block.start, block.end)] for block in schedule]
    weights = np.zeros((len(schedule) // 2, edges[-1][1]))
    for at in range(2 * len(weights)):
        first, last = edges[at][0], max(edges[at][1], edges[at][0] + 1)
        weights[at // 2, first:last] = (1.0 if schedule[at].on else -1.0) / (last - first)
    return PairDifferences(np.zeros(len(weights)), weights)


def _pairs_so_far(values: Floats, schedule: list[Block], capture: float) -> tuple[list[float], int]:
    """(difference of each pair of blocks that fits into the days, number of those pairs that share no
    day).
    """
    first, second = (max(1, _days(block.end - block.start)) for block in schedule[:2])
    gap = max(first, _days(schedule[1].start - schedule[0].start))
    length = gap + second
    differences, apart, free_from = [], 0, 0
    for at in range(len(values) - length + 1):
        blocks = values[at : at + first], values[at + gap : at + length]
        if all(np.isfinite(block).sum() >= max(1, capture * len(block)) for block in blocks):
            differences.append(float(np.nanmean(blocks[0]) - np.nanmean(blocks[1])))
            if at >= free_from:  # shares no day with the pair before it
                apart, free_from = apart + 1, at + length
    return differences, apart


def _days(span: timedelta) -> int:
    """Whole local days: one of 23 hours is a day, too."""
    return int((span + CLOCK_CHANGE) / DAY)


DESIGN = Design(
    "crossover",
    title="Crossover: switched on and off on a schedule",
    method="Crossover: mean of on − off over pairs of blocks, with t(n − 1)·s/√n over the pairs; by rules 2 "
    "times the most that days which resemble each other make of it in this schedule (1 where on always comes "
    "first). Days on which the device was switched count nowhere. Permutation of the signs and the test for "
    "carry-over stand beside it.",
    arms=("candidate",),
    periods=REPORTING,
    statistics=named(EFFECT),
    function=answer,
    sentences=(
        SCHEDULE_MISSING,
        SCHEDULE_MISSING_SO_FAR,
        TOO_FEW_PAIRS,
        TOO_FEW_PAIRS_SO_FAR,
        PERMUTATION,
        CARRY_OVER,
        NO_CARRY_OVER,
        CARRY_OVER_UNCHECKED,
        *doubts.SENTENCES,
    ),
    other_choices={"first_days_out": "first day of each block left out"},
    lines={"on": "on", "off": "off"},
    foretell=foretell,
    schedule=True,
    selects_by_capture=True,
    infers_by="block_pair",
)
