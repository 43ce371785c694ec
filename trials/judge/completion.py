"""Fills the planned intervals that are missing with values as bad as may be, so that a verdict can be asked
what they could change. Pure: question in, question out.

A pattern says on which side the missing values lie. In designs with two arms a missing value is the value of
the other arm at that time, plus a difference seen in that period; else it is a value seen in that arm and
period. Windows that were declared before they began are not filled. docs/designs/0-gate.md says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from insitu.arrays import Bools, Floats
from insitu.model import PeriodName
from insitu.times import to_whole_second_us
from trials.designs import DESIGNS, Question
from trials.designs.question import ArmRole
from trials.judge.beside import (
    APART,
    CLOSE,
    DOWN,
    TILT_DOWN,
    TILT_UP,
    UP,
    Alike,
    Pairing,
    reach,
    with_values,
)
from trials.judge.silence import after_level
from trials.plan.parts import WORST_PERCENTILE
from trials.series.slots import Unit

Cell = tuple[ArmRole, PeriodName]
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "reference_collocation": (UP, DOWN, APART, CLOSE, TILT_UP, TILT_DOWN),
    "replicates": (APART, CLOSE),
}
"""Of the designs that compare more than means; the others have `UP` and `DOWN`."""
CENTRE = 50.0
"""Percentile of values that are missing at random."""
LOWEST = 0.01
"""Values below this quantile count as it where a tail is mirrored by ratios: one value near 0 has no
mirror.
"""


def patterns_of(design: str) -> tuple[str, ...]:
    """The patterns by which the missing intervals of a design are filled; none for a census."""
    return PATTERNS.get(design, (UP, DOWN)) if DESIGNS[design].needs_capture else ()


@dataclass(frozen=True, slots=True)
class Filled:
    """A question whose missing intervals are filled."""

    question: Question
    values: Mapping[Cell, float]
    """Mean of the values that were filled into each arm and period; a paired design: of the differences from
    the other arm.
    """


def fill(question: Question, pattern: str, percentile: float, *, adjusted: bool = True) -> Filled:
    """The question with its missing intervals at `percentile` (50 to 100) of those seen, on the side of
    `pattern`. `adjusted`: where silence follows extreme levels, the values seen lack that tail, and the
    filled ones make up for it.
    """
    if is_paired(question):
        return _filled_pairs(question, pattern, percentile)
    units: dict[Cell, list[Unit]] = {}
    values: dict[Cell, float] = {}
    for cell, found in question.units.items():
        holes = [np.flatnonzero(unit.missing) for unit in found]
        ends = _ends(question, cell, percentile, adjusted=adjusted) if any(map(len, holes)) else None
        if ends is None:
            units[cell] = found
            continue
        given = [
            np.where(_high(question, unit, cell, pattern)[at], ends[1], ends[0])
            for unit, at in zip(found, holes, strict=True)
        ]
        units[cell] = [with_values(*one) for one in zip(found, holes, given, strict=True)]
        values[cell] = float(np.concatenate(given).mean())
    return Filled(replace(question, units=units, bare=True, made=dict(question.made)), values)


def is_paired(question: Question) -> bool:
    """Whether another series at the same time says what a missing value may have been."""
    return question.endpoint.design == "replicates" or len(DESIGNS[question.endpoint.design].arms) > 1


# -- one arm at a time


def _high(question: Question, unit: Unit, cell: Cell, pattern: str) -> Bools:
    """Slots whose missing values lie high: those that raise the effect, for `UP`."""
    raises = np.full(unit.calendar.n, cell[1] is not PeriodName.BASELINE)
    for block in question.endpoint.schedule or []:
        if not block.on:
            starts = unit.calendar.starts_us
            raises &= ~(
                (starts >= to_whole_second_us(block.start)) & (starts < to_whole_second_us(block.end))
            )
    return raises if pattern == UP else ~raises


def _ends(question: Question, cell: Cell, percentile: float, *, adjusted: bool) -> tuple[float, float] | None:
    """(low, high) values that are filled in; None where nothing was seen. Extremes are those of all devices
    of the arm.
    """
    scale = question.scale
    seen, centre = _seen(question, cell)
    if not len(seen):
        return None
    away = scale.difference(seen, centre)
    found = []
    for sign in (-1.0, 1.0):
        far = reach(sign * away, percentile)
        if adjusted:
            far = max(far, _lost_tail(question, cell, sign, percentile))
        value = centre + sign * far
        if scale.is_plain and seen.min() >= 0:  # what was never negative is taken for an amount
            value = max(value, 0.0)
        found.append(float(scale.of_one(np.array([value]))[0]))
    return found[0], found[1]


def _seen(question: Question, cell: Cell) -> tuple[Floats, float]:
    """All values of an arm and period, and their mean. Made once for all fillings of a question."""
    units = question.units[cell]
    key = ("seen", *units)
    if key not in question.made:
        values = [unit.value[unit.valid] for unit in units]
        seen = np.concatenate(values) if values else np.empty(0)
        question.made[key] = seen, question.scale.mean(seen) if len(seen) else float("nan")
    return cast(tuple[Floats, float], question.made[key])


def _lost_tail(question: Question, cell: Cell, sign: float, percentile: float) -> float:
    """Distance from the centre for values that are missing because of their level; 0 where nothing speaks for
    it and the protocol calls a lower percentile the plausible worst.

    It is the mean of the opposite tail, mirrored. If silence does follow extreme levels: also mirrored on the
    logarithm, and the percentile in any period of the arm.
    """
    scale, here = question.scale, question.units[cell]
    told = percentile > CENTRE and after_level(here, sign)
    if not told and percentile < WORST_PERCENTILE:
        return 0.0
    seen, centre = _seen(question, cell)
    lost = sum(int(u.missing.sum()) for u in here)
    ends = [mirrored(seen, lost, sign, centre, skewed=told) if scale.is_plain else 0.0]
    if told:
        elsewhere = [u for other, us in question.units.items() if other[0] == cell[0] for u in us]
        ends += [
            reach(sign * scale.difference(u.value[u.valid], centre), min(100.0, percentile))
            for u in elsewhere
            if u.valid.any()
        ]
    return max(ends)


def mirrored(seen: Floats, lost: int, sign: float, centre: float, *, skewed: bool) -> float:
    """Distance from `centre` of the mean of `lost` values beyond all that were seen, if the distribution is
    symmetric; `skewed`: or, all values above 0, symmetric on the logarithm, whichever is further.
    """
    ordered = np.sort(sign * seen)
    lost = min(lost, len(ordered))
    if not lost:
        return 0.0
    median = float(ordered[min(len(ordered) - 1, (len(ordered) + lost) // 2)])
    tail = ordered[:lost]
    plain = 2 * median - float(tail.mean())
    ends = [plain - sign * centre]
    if skewed and sign > 0 and float(ordered[0]) > 0:
        tail = np.maximum(tail, np.quantile(ordered, LOWEST))
        ends.append(float(np.mean(median**2 / tail)) - centre)
    return max(ends)


# -- beside another series


def _pairs(question: Question, period: PeriodName) -> Pairing | Alike | None:
    """Made once for all fillings of a question."""
    units = [unit for (_, of), found in question.units.items() if of is period for unit in found]
    key = ("pairs", *units)
    if key not in question.made:
        question.made[key] = _paired(question, period)
    return cast(Pairing | Alike | None, question.made[key])


def _paired(question: Question, period: PeriodName) -> Pairing | Alike | None:
    if question.endpoint.design == "replicates":
        return Alike.of(question.scale, question.units["candidate", period])
    other = next((role for role, of in question.units if of is period and role != "candidate"), None)
    if other is None or ("candidate", period) not in question.units:
        return None
    return Pairing.of(question.scale, question.units["candidate", period], question.units[other, period])


def _filled_pairs(question: Question, pattern: str, percentile: float) -> Filled:
    units = dict(question.units)
    values: dict[Cell, float] = {}
    for period in dict.fromkeys(period for _, period in question.units):
        towards = pattern
        if period is PeriodName.BASELINE and pattern in (UP, DOWN):
            towards = DOWN if pattern == UP else UP
        pairs = _pairs(question, period)
        if pairs is None:
            continue
        if isinstance(pairs, Alike):
            units["candidate", period], mean = pairs.fill(towards, percentile)
        else:
            other = next(role for role, of in question.units if of is period and role != "candidate")
            own, beside, mean = pairs.fill(towards, percentile)
            units["candidate", period], units[other, period] = own, beside
        if np.isfinite(mean):
            values["candidate", period] = mean
    return Filled(replace(question, units=units, bare=True, made=dict(question.made)), values)
