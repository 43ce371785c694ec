"""Fills the planned intervals that are missing with values as bad as may be, so that a verdict can be asked
what they could change. Pure: question in, question out.

A pattern says on which side the missing values lie. In designs with two arms a missing value is the value of
the other arm at that time, plus a difference seen in that period; else it is a value seen in that arm and
period. Windows that were declared before they began are not filled. docs/designs/0-gate.md says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from insitu.model import PeriodName
from insitu.times import to_whole_second_us
from trials.designs import DESIGNS, Question
from trials.designs.question import ArmRole
from trials.judge.silence import after_level
from trials.plan.parts import WORST_PERCENTILE
from trials.series.slots import Unit

Cell = tuple[ArmRole, PeriodName]
UP, DOWN, APART, CLOSE, TILT_UP, TILT_DOWN = "up", "down", "apart", "close", "tilt_up", "tilt_down"
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


def missing_of(unit: Unit) -> Bools:
    """Planned slots without a value that no window excuses which was declared before it began."""
    excused = unit.excused if unit.afterwards is None else unit.excused & ~unit.afterwards
    return unit.inside & ~unit.valid & ~excused


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
        parts = [(unit, _high(question, unit, cell, pattern)) for unit in found]
        filled = [_single(question, unit, cell, high, percentile, adjusted=adjusted) for unit, high in parts]
        units[cell] = [unit for unit, _ in filled]
        fresh = [given[missing_of(unit)] for (unit, _), (_, given) in zip(parts, filled, strict=True)]
        joined = np.concatenate(fresh) if fresh else np.empty(0)
        if len(joined):
            values[cell] = float(joined.mean())
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


def _single(
    question: Question, unit: Unit, cell: Cell, high: Bools, percentile: float, *, adjusted: bool
) -> tuple[Unit, Floats]:
    """The unit, filled; and the filled values of all its slots. Extremes are those of all devices of the
    arm.
    """
    here = question.units[cell]
    scale = question.scale
    seen = [u.value[u.valid] for u in here if u.valid.any()]
    missing = missing_of(unit)
    given = np.full(unit.calendar.n, np.nan)
    if not seen or not missing.any():
        return unit, given
    all_seen = np.concatenate(seen)
    centre = scale.mean(all_seen)
    away = scale.difference(all_seen, centre)
    for sign in (1.0, -1.0):
        slots = missing & (high if sign > 0 else ~high)
        if slots.any():
            reach = _reach(sign * away, percentile)
            if adjusted:
                reach = max(reach, _lost_tail(question, cell, sign, centre, percentile))
            far = centre + sign * reach
            if scale.is_plain and all_seen.min() >= 0:  # what was never negative is taken for an amount
                far = max(far, 0.0)
            given[slots] = scale.of_one(np.array([far]))[0]
    return _with(unit, missing, given), given


def _reach(away: Floats, percentile: float) -> float:
    """Distance from the centre at a percentile; beyond 100, further by a share of the range in per cent."""
    if percentile <= 100:
        return float(np.percentile(away, percentile))
    return float(away.max() + (percentile - 100) / 100 * np.ptp(away))


def _lost_tail(question: Question, cell: Cell, sign: float, centre: float, percentile: float) -> float:
    """Distance from the centre for values that are missing because of their level; 0 where nothing speaks for
    it and the protocol calls a lower percentile the plausible worst.

    It is the mean of the opposite tail, mirrored. If silence does follow extreme levels: also mirrored on the
    logarithm, and the percentile in any period of the arm.
    """
    scale, here = question.scale, question.units[cell]
    told = percentile > CENTRE and after_level(here, sign)
    if not told and percentile < WORST_PERCENTILE:
        return 0.0
    seen = np.concatenate([u.value[u.valid] for u in here])
    lost = sum(int(missing_of(u).sum()) for u in here)
    ends = [mirrored(seen, lost, sign, centre, skewed=told) if scale.is_plain else 0.0]
    if told:
        elsewhere = [u for other, us in question.units.items() if other[0] == cell[0] for u in us]
        ends += [
            _reach(sign * scale.difference(u.value[u.valid], centre), min(100.0, percentile))
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


def _with(unit: Unit, missing: Bools, given: Floats) -> Unit:
    exposure = unit.exposure
    if exposure is not None:
        exposure = np.where(missing & np.isfinite(given), 1.0, exposure)
    return replace(unit, value=np.where(missing & np.isfinite(given), given, unit.value), exposure=exposure)


# -- differences from another series at the same time


def _filled_pairs(question: Question, pattern: str, percentile: float) -> Filled:
    units = dict(question.units)
    values: dict[Cell, float] = {}
    for period in dict.fromkeys(period for _, period in question.units):
        towards = pattern
        if period is PeriodName.BASELINE and pattern in (UP, DOWN):
            towards = DOWN if pattern == UP else UP
        roles = [role for role, of in question.units if of is period]
        if question.endpoint.design == "replicates":
            units["candidate", period], mean = _among(
                question, units["candidate", period], pattern, percentile
            )
        else:
            other = next((role for role in roles if role != "candidate"), None)
            if other is None or "candidate" not in roles:
                continue
            own, beside, mean = _between(
                question, units["candidate", period], units[other, period], towards, percentile
            )
            units["candidate", period], units[other, period] = own, beside
        if np.isfinite(mean):
            values["candidate", period] = mean
    return Filled(replace(question, units=units, bare=True, made=dict(question.made)), values)


def _between(
    question: Question, own: list[Unit], beside: list[Unit], pattern: str, percentile: float
) -> tuple[list[Unit], list[Unit], float]:
    """Both arms, filled; and the mean of the differences that were filled in."""
    scale = question.scale
    levels_beside = {unit: partner(unit, beside) for unit in own}
    both = {unit: np.isfinite(levels_beside[unit]) & unit.valid for unit in own}
    differences = [scale.difference(u.value[both[u]], levels_beside[u][both[u]]) for u in own]
    all_differences = np.concatenate(differences) if differences else np.empty(0)
    levels = [u.value[u.valid] for u in beside if u.valid.any()]
    if not len(all_differences) or not levels:
        return own, beside, float("nan")
    seen = np.concatenate(levels)
    filled, given = [], []
    for unit in own:
        missing = missing_of(unit)
        base = _base(levels_beside[unit], seen, scale.mean(seen), pattern, percentile)
        away = _offsets(all_differences, base, scale.mean(seen), pattern, percentile)
        given.append(away[missing])
        filled.append(_with(unit, missing, scale.of_one(base + away)))
    others = []
    for unit in beside:
        missing = missing_of(unit)
        base = partner(unit, filled)
        base = np.where(np.isfinite(base), base, scale.mean(seen))
        away = _offsets(all_differences, base, scale.mean(seen), pattern, percentile)
        value = scale.of_one(base - away)
        # where the candidate was missing too, it was put beside the mean of this arm, or its extremes
        lost_both = missing & ~np.isfinite(partner(unit, own))
        value = np.where(
            lost_both, _base(np.full(len(base), np.nan), seen, scale.mean(seen), pattern, percentile), value
        )
        given.append(away[missing & ~lost_both])
        others.append(_with(unit, missing, value))
    joined = np.concatenate(given)
    return filled, others, float(joined.mean()) if len(joined) else float("nan")


def _base(beside: Floats, seen: Floats, centre: float, pattern: str, percentile: float) -> Floats:
    """The other arm at that time; where it is missing too its mean, or for a tilt its extremes in turn."""
    unknown = np.full(len(beside), centre)
    if pattern in (TILT_UP, TILT_DOWN):
        top = min(percentile, 100.0)
        high, low = (float(end) for end in np.percentile(seen, [top, 100 - top]))
        unknown = np.where(_odd(len(beside)), high, low)
    return np.where(np.isfinite(beside), beside, unknown)


def _among(
    question: Question, units: list[Unit], pattern: str, percentile: float
) -> tuple[list[Unit], float]:
    """Units of one kind: a missing value beside the mean of the others at that time."""
    scale = question.scale
    others_of = {u: partner(u, [other for other in units if other is not u]) for u in units}
    both = {u: np.isfinite(others_of[u]) & u.valid for u in units}
    differences = [scale.difference(u.value[both[u]], others_of[u][both[u]]) for u in units]
    levels = [u.value[u.valid] for u in units if u.valid.any()]
    joined = np.concatenate(differences) if differences else np.empty(0)
    if not len(joined) or not levels:
        return units, float("nan")
    centre = scale.mean(np.concatenate(levels))
    filled, given = [], []
    for number, unit in enumerate(units):
        missing = missing_of(unit)
        base = np.where(np.isfinite(others_of[unit]), others_of[unit], centre)
        away = _offsets(joined, base, centre, pattern, percentile, number)
        given.append(np.abs(away[missing]))
        filled.append(_with(unit, missing, scale.of_one(base + away)))
    sizes = np.concatenate(given)
    return filled, float(sizes.mean()) if len(sizes) else float("nan")


def _offsets(
    differences: Floats, base: Floats, centre: float, pattern: str, percentile: float, turn: int = 0
) -> Floats:
    """Difference at each slot, by the pattern."""
    high = _reach(differences, percentile)
    low = -_reach(-differences, percentile)
    if pattern == UP:
        return np.full(len(base), high)
    if pattern == DOWN:
        return np.full(len(base), low)
    if pattern == CLOSE:
        return np.full(len(base), float(np.median(differences)))
    if pattern == APART:
        return np.where(_odd(len(base)) ^ bool(turn % 2), high, low)
    return np.where((base >= centre) == (pattern == TILT_UP), high, low)


def _odd(n: int) -> Bools:
    return np.asarray(np.arange(n) % 2 == 1)


def partner(unit: Unit, others: Sequence[Unit]) -> Floats:
    """Mean of the others in each slot of the unit; of slower series the value in force there."""
    total, count = np.zeros(unit.calendar.n), np.zeros(unit.calendar.n)
    middles = (unit.calendar.starts_us + unit.calendar.ends_us) // 2
    for other in others:
        if other.calendar is unit.calendar or np.array_equal(other.calendar.edges_us, unit.calendar.edges_us):
            values = other.value
        elif other.calendar.step_us > unit.calendar.step_us:
            values = _at(other, middles)
        else:
            values = _means_in(unit.calendar.edges_us, other)
        there = np.isfinite(values)
        total[there] += values[there]
        count[there] += 1
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _at(other: Unit, times_us: Ints) -> Floats:
    at = np.searchsorted(other.calendar.edges_us, times_us, "right") - 1
    inside = (at >= 0) & (at < other.calendar.n)
    return np.where(inside, other.value[np.clip(at, 0, other.calendar.n - 1)], np.nan)


def _means_in(edges_us: Ints, other: Unit) -> Floats:
    """Means of a finer series in `[edges_us[k], edges_us[k + 1])`."""
    number = len(edges_us) - 1
    at = np.searchsorted(edges_us, other.calendar.starts_us, "right") - 1
    kept = other.valid & (at >= 0) & (at < number)
    count = np.bincount(at[kept], minlength=number)
    total = np.bincount(at[kept], weights=other.value[kept], minlength=number)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
