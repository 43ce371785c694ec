"""Fills the planned intervals that are missing with values as bad as may be, so that a verdict can be asked
what they could change. Pure: question in, question out.

A pattern says on which side the missing values lie. In designs with two arms a missing value is the value of
the other arm at that time, plus a difference seen in that period; else it is a value seen in that arm and
period. Windows that were declared before they began are not filled. docs/designs/0-gate.md says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar, cast

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from insitu.model import PeriodName
from insitu.times import to_whole_second_us
from trials.designs import DESIGNS, Question
from trials.designs.question import ArmRole
from trials.judge.beside import (
    APART,
    CENTRE,
    CLOSE,
    DOWN,
    TILT_DOWN,
    TILT_UP,
    UP,
    Alike,
    Pairing,
)
from trials.judge.doubts import Parts, lost_above_doubted
from trials.judge.silence import side_before
from trials.judge.tails import lost_above, lost_above_by_ratio, lost_above_leaning, shift_of, spread
from trials.plan.parts import WORST_PERCENTILE
from trials.series.ordered import Ordered
from trials.series.scale import Scale
from trials.series.slots import Unit
from trials.series.sums import Filling, Fillings

Cell = tuple[ArmRole, PeriodName]
Kind = TypeVar("Kind")
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "reference_collocation": (UP, DOWN, APART, CLOSE, TILT_UP, TILT_DOWN),
    "replicates": (APART, CLOSE),
}
"""Of the designs that compare more than means; the others have `UP` and `DOWN`."""
QUARTILES, LEANING = "quartiles", "leaning"
"""How the shape of a tail follows from the values seen: by rules 3, and by rules 4."""


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
        adjusted = adjusted and question.rules.return_tails
        return _filled_pairs(question, pattern, percentile, adjusted=adjusted)
    fillings: dict[Unit, Filling] = {}
    values: dict[Cell, float] = {}
    for cell, units in question.units.items():
        holes = _once(question, ("holes", *units), partial(_holes, units))
        ends = _ends(question, cell, percentile, adjusted=adjusted) if any(map(len, holes)) else None
        if ends is None:
            continue
        given = [
            np.where(
                _high(question, unit, at, cell, pattern), spread(ends[1], len(at)), spread(ends[0], len(at))
            )
            for unit, at in zip(units, holes, strict=True)
        ]
        fillings |= {unit: Filling.of(*one) for unit, *one in zip(units, holes, given, strict=True)}
        joined = np.concatenate(given)
        level = question.scale.is_level and question.rules.return_tails
        values[cell] = question.scale.mean(joined) if level else float(joined.mean())
    return _filled(question, fillings, values)


def _filled(question: Question, fillings: Mapping[Unit, Filling], values: Mapping[Cell, float]) -> Filled:
    return Filled(replace(question, fillings=Fillings(fillings), bare=True), values)


def apart(question: Question) -> Question:
    """The question with one object for each unit of each arm and period, if arms share a device."""
    seen: set[Unit] = set()
    units: dict[Cell, list[Unit]] = {}
    for cell, found in question.units.items():
        units[cell] = [replace(unit) if unit in seen else unit for unit in found]
        seen.update(found)
    return replace(question, units=units)


def is_paired(question: Question) -> bool:
    """Whether another series at the same time says what a missing value may have been."""
    return question.endpoint.design == "replicates" or len(DESIGNS[question.endpoint.design].arms) > 1


# -- one arm at a time


def _holes(units: Sequence[Unit]) -> list[Ints]:
    return [np.flatnonzero(unit.missing) for unit in units]


def _high(question: Question, unit: Unit, at: Ints, cell: Cell, pattern: str) -> Bools:
    """Which of the slots `at` have their missing values high: those that raise the effect, for `UP`."""
    raises = np.full(len(at), cell[1] is not PeriodName.BASELINE)
    starts = unit.calendar.starts_us[at]
    for block in question.endpoint.schedule or []:
        if not block.on:
            raises &= ~(
                (starts >= to_whole_second_us(block.start)) & (starts < to_whole_second_us(block.end))
            )
    return raises if pattern == UP else ~raises


def _ends(
    question: Question, cell: Cell, percentile: float, *, adjusted: bool
) -> tuple[Floats, Floats] | None:
    """(low, high) values that are filled in: one, or several that are spread over the slots. None where
    nothing was seen. Extremes are those of all devices of the arm.
    """
    key = ("ends", *question.units[cell], percentile, adjusted)
    return _once(question, key, lambda: _found_ends(question, cell, percentile, adjusted=adjusted))


def _found_ends(
    question: Question, cell: Cell, percentile: float, *, adjusted: bool
) -> tuple[Floats, Floats] | None:
    scale = question.scale
    seen = _seen(question, cell)
    if seen is None:
        return None
    found = []
    for sign in (-1.0, 1.0):
        far = np.array([seen.away.reach(percentile, sign)])
        if adjusted:
            tails = _lost_tails(question, cell, seen, sign, percentile)
            far = max([far, *tails], key=lambda one: sign * _level(scale, sign * one))
        value = seen.centre + sign * far
        if scale.is_plain and seen.lowest >= 0:  # what was never negative is taken for an amount
            value = np.maximum(value, 0.0)
        found.append(scale.of_one(value))
    return found[0], found[1]


def _level(scale: Scale, values: Floats) -> float:
    """Their mean; of levels by energy."""
    return scale.mean(values) if scale.is_level else float(values.mean())


class Seen(NamedTuple):
    """The values of an arm and period."""

    away: Ordered
    """Their differences from the centre."""
    centre: float
    """Their mean."""
    lowest: float


def _seen(question: Question, cell: Cell) -> Seen | None:
    """Made once for all fillings of a question. None without values."""
    units, scale = question.units[cell], question.scale

    def make() -> Seen | None:
        values = np.concatenate([unit.value[unit.valid] for unit in units]) if units else np.empty(0)
        if not len(values):
            return None
        centre, lowest = scale.mean(values), float(values.min())
        if scale.is_circular:
            return Seen(Ordered.of(scale.difference(values, centre)), centre, lowest)
        if question.rules.doubt_tails:
            del values
            return Seen(Ordered(_parts(question, cell).values, centre), centre, lowest)
        values.sort()
        return Seen(Ordered(values, centre), centre, lowest)

    return _once(question, ("seen", *units), make)


def _parts(question: Question, cell: Cell) -> Parts:
    """Made once for all fillings of a question."""
    units = question.units[cell]
    return _once(question, ("parts", *units), partial(Parts.of, units))


def _once(question: Question, key: tuple[object, ...], make: Callable[[], Kind]) -> Kind:
    """`make()`, computed once for all fillings of a question."""
    if key not in question.made:
        question.made[key] = make()
    return cast(Kind, question.made[key])


def _lost_tails(question: Question, cell: Cell, seen: Seen, sign: float, percentile: float) -> list[Floats]:
    """Distances from the centre of values that are missing because of their level, as they may be; none
    where nothing speaks for it and the protocol calls a lower percentile the plausible worst.

    They are the opposite tail, mirrored; if values lean to that side, also the one that leans as they do. If
    silence does follow extreme levels: also on the plain logarithm, and the percentile in any period of the
    arm. By rules 3 the quartiles of amounts say whether they lean. By rules 2 a tail is its mean, levels have
    none, and only where silence follows high values logarithms are taken.
    """
    scale, here = question.scale, question.units[cell]
    told = percentile > CENTRE and _once(question, ("side", *here), partial(side_before, here)) == sign
    if not told and percentile < WORST_PERCENTILE:
        return []
    whole = question.rules.return_tails
    tails: list[Floats] = []
    if scale.is_plain or (whole and scale.is_level):
        make = partial(_mirrored, question, cell, seen, sign, told=told)
        tails = [*_once(question, ("mirrored", *here, sign, told), make)]
    if not whole:
        tails = [np.array([max(0.0, *(float(one.mean()) for one in tails))])] if tails else []
    if told:
        elsewhere = [u for other, us in question.units.items() if other[0] == cell[0] for u in us]
        tails += [
            np.array([_about(question, unit, seen.centre).reach(min(100.0, percentile), sign)])
            for unit in elsewhere
            if unit.valid.any()
        ]
    return tails


def _about(question: Question, unit: Unit, centre: float) -> Ordered:
    """The differences of a unit from a centre; made once for all fillings of a question."""

    def make() -> Ordered:
        return Ordered.of(question.scale.difference(unit.value[unit.valid], centre))

    return _once(question, ("about", unit, centre), make)


def _mirrored(question: Question, cell: Cell, seen: Seen, sign: float, *, told: bool) -> list[Floats]:
    """`mirrored` of an arm and period, by the rules of the question."""
    rules = question.rules
    lost = sum(int(unit.missing.sum()) for unit in question.units[cell])
    shape = LEANING if rules.lean_tails else QUARTILES if rules.return_tails else None
    parts = _parts(question, cell).towards(sign) if rules.doubt_tails else None
    return mirrored(seen.away.values, lost, sign, seen.centre, skewed=told, shape=shape, parts=parts)


def mirrored(
    seen: Floats,
    lost: int,
    sign: float,
    centre: float,
    *,
    skewed: bool,
    shape: str | None = None,
    parts: Parts | None = None,
) -> list[Floats]:
    """Distances from `centre` of `lost` values beyond all that were seen (ascending): if the distribution is
    symmetric; if it has the `shape` of those seen; and, `skewed`, of values above 0, if it is symmetric on
    the logarithm. `parts`: of sign·values, by which the shape is doubted.
    """
    ordered = seen if sign > 0 else -seen[::-1]
    if not min(lost, len(ordered)):
        return []
    tails = [lost_above(ordered, lost)]
    if shape == LEANING:
        leaning = (
            lost_above_leaning(ordered, lost, told=skewed)
            if parts is None
            else lost_above_doubted(parts, lost, told=skewed)
        )
        tails += [leaning] if len(leaning) else []
    if sign > 0 and float(ordered[0]) > 0:
        if skewed:
            tails.append(lost_above_by_ratio(ordered, lost))
        shift = shift_of(ordered, lost) if shape == QUARTILES else None
        if shift is not None:
            tails.append(lost_above_by_ratio(ordered, lost, shift))
    return [tail - sign * centre for tail in tails]


# -- beside another series


def _pairs(question: Question, period: PeriodName) -> Pairing | Alike | None:
    """Made once for all fillings of a question."""
    units = [unit for (_, of), found in question.units.items() if of is period for unit in found]
    return _once(question, ("pairs", *units), partial(_paired, question, period))


def _paired(question: Question, period: PeriodName) -> Pairing | Alike | None:
    if question.endpoint.design == "replicates":
        return Alike.of(question.scale, question.units["candidate", period], question.rules)
    other = next((role for role, of in question.units if of is period and role != "candidate"), None)
    if other is None or ("candidate", period) not in question.units:
        return None
    arms = question.units["candidate", period], question.units[other, period]
    return Pairing.of(question.scale, *arms, question.rules)


def _filled_pairs(question: Question, pattern: str, percentile: float, *, adjusted: bool) -> Filled:
    fillings: dict[Unit, Filling] = {}
    values: dict[Cell, float] = {}
    for period in dict.fromkeys(period for _, period in question.units):
        towards = pattern
        if period is PeriodName.BASELINE and pattern in (UP, DOWN):
            towards = DOWN if pattern == UP else UP
        pairs = _pairs(question, period)
        if pairs is None:
            continue
        filled, mean = pairs.fill(towards, percentile, adjusted=adjusted)
        fillings |= filled
        if np.isfinite(mean):
            values["candidate", period] = mean
    return _filled(question, fillings, values)
