"""Missing values of a series beside another one: the other's value at that time, plus a difference that was
seen. Pure. `Pairing` is made once for a period, and filled many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from trials.series.scale import Scale
from trials.series.slots import Calendar, Unit

UP, DOWN, APART, CLOSE, TILT_UP, TILT_DOWN = "up", "down", "apart", "close", "tilt_up", "tilt_down"


def reach(away: Floats, percentile: float) -> float:
    """Distance from the centre at a percentile; beyond 100, further by a share of the range in per cent."""
    if percentile <= 100:
        return float(np.percentile(away, percentile))
    return float(away.max() + (percentile - 100) / 100 * np.ptp(away))


def with_values(unit: Unit, at: Ints, given: Floats) -> Unit:
    """The unit with values in the slots `at`; they speak for the whole of them."""
    there = np.isfinite(given)
    value, exposure = unit.value.copy(), unit.exposure
    value[at[there]] = given[there]
    if exposure is not None:
        exposure = exposure.copy()
        exposure[at[there]] = 1.0
    return replace(unit, value=value, exposure=exposure)


class Ends(NamedTuple):
    """Differences that are filled in."""

    low: float
    high: float
    usual: float

    @classmethod
    def of(cls, differences: Floats, percentile: float, pattern: str) -> Ends:
        usual = float(np.median(differences)) if pattern == CLOSE else 0.0
        return cls(-reach(-differences, percentile), reach(differences, percentile), usual)

    def at(self, base: Floats, odd: Bools, centre: float, pattern: str) -> Floats:
        """Difference at each slot, by the pattern."""
        if pattern == UP:
            return np.full(len(base), self.high)
        if pattern == DOWN:
            return np.full(len(base), self.low)
        if pattern == CLOSE:
            return np.full(len(base), self.usual)
        if pattern == APART:
            return np.where(odd, self.high, self.low)
        return np.where((base >= centre) == (pattern == TILT_UP), self.high, self.low)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Two arms over one period."""

    scale: Scale
    own: list[Unit]
    beside: list[Unit]
    level_beside: list[Floats]
    """For each of `own` the other arm in its slots, NaN where that is missing."""
    level_own: list[Floats]
    """For each of `beside`."""
    differences: Floats
    """All that were seen."""
    centre: float
    """Mean of the other arm."""
    holes_own: list[Ints]
    holes_beside: list[Ints]

    @classmethod
    def of(cls, scale: Scale, own: list[Unit], beside: list[Unit]) -> Pairing | None:
        """None where the arms were never there together."""
        level_beside, level_own = levels(own, beside), levels(beside, own)
        differences = []
        for unit, level in zip(own, level_beside, strict=True):
            both = unit.valid & np.isfinite(level)
            differences.append(scale.difference(unit.value[both], level[both]))
        seen = np.concatenate(differences) if differences else np.empty(0)
        known = [unit.value[unit.valid] for unit in beside if unit.valid.any()]
        if not len(seen) or not known:
            return None
        centre = scale.mean(np.concatenate(known))
        holes = [[np.flatnonzero(unit.missing) for unit in units] for units in (own, beside)]
        return cls(scale, own, beside, level_beside, level_own, seen, centre, holes[0], holes[1])

    def fill(self, pattern: str, percentile: float) -> tuple[list[Unit], list[Unit], float]:
        """Both arms, filled; and the mean of the differences that were filled in."""
        ends = Ends.of(self.differences, percentile, pattern)
        far = self._far(percentile) if pattern in (TILT_UP, TILT_DOWN) else (self.centre, self.centre)
        given: list[Floats] = []
        own = []
        for unit, level, at in zip(self.own, self.level_beside, self.holes_own, strict=True):
            base = np.where(np.isfinite(level[at]), level[at], np.where(at % 2 == 1, far[1], far[0]))
            away = ends.at(base, at % 2 == 1, self.centre, pattern)
            given.append(away)
            own.append(with_values(unit, at, self.scale.of_one(base + away)))
        beside = []
        for unit, level, at in zip(self.beside, self.level_own, self.holes_beside, strict=True):
            base = means_at(unit, at, own)
            base = np.where(np.isfinite(base), base, self.centre)
            away = ends.at(base, at % 2 == 1, self.centre, pattern)
            # where the candidate was missing too, it was put beside the mean of this arm, or its extremes
            alone = ~np.isfinite(level[at])
            value = np.where(alone, np.where(at % 2 == 1, far[1], far[0]), self.scale.of_one(base - away))
            given.append(away[~alone])
            beside.append(with_values(unit, at, value))
        joined = np.concatenate(given)
        return own, beside, float(joined.mean()) if len(joined) else float("nan")

    def _far(self, percentile: float) -> tuple[float, float]:
        """Low and high extremes of the other arm."""
        seen = np.concatenate([unit.value[unit.valid] for unit in self.beside])
        top = min(percentile, 100.0)
        low, high = (float(end) for end in np.percentile(seen, [100 - top, top]))
        return low, high


@dataclass(frozen=True, eq=False)
class Alike:
    """Units of one kind over one period."""

    scale: Scale
    units: list[Unit]
    level: list[Floats]
    """For each the mean of the others in its slots."""
    differences: Floats
    centre: float
    holes: list[Ints]

    @classmethod
    def of(cls, scale: Scale, units: list[Unit]) -> Alike | None:
        """None where no two were there together."""
        level = [partner(unit, [other for other in units if other is not unit]) for unit in units]
        differences = []
        for unit, others in zip(units, level, strict=True):
            both = unit.valid & np.isfinite(others)
            differences.append(scale.difference(unit.value[both], others[both]))
        seen = np.concatenate(differences) if differences else np.empty(0)
        known = [unit.value[unit.valid] for unit in units if unit.valid.any()]
        if not len(seen) or not known:
            return None
        holes = [np.flatnonzero(unit.missing) for unit in units]
        return cls(scale, units, level, seen, scale.mean(np.concatenate(known)), holes)

    def fill(self, pattern: str, percentile: float) -> tuple[list[Unit], float]:
        """The units, filled; and the mean size of the differences that were filled in."""
        ends = Ends.of(self.differences, percentile, pattern)
        filled, given = [], []
        for number, (unit, level, at) in enumerate(zip(self.units, self.level, self.holes, strict=True)):
            base = np.where(np.isfinite(level[at]), level[at], self.centre)
            away = ends.at(base, (at + number) % 2 == 1, self.centre, pattern)
            given.append(np.abs(away))
            filled.append(with_values(unit, at, self.scale.of_one(base + away)))
        sizes = np.concatenate(given)
        return filled, float(sizes.mean()) if len(sizes) else float("nan")


# -- the level of other series in the slots of one


def levels(units: Sequence[Unit], others: Sequence[Unit]) -> list[Floats]:
    """`partner` for each unit; units with the same slots share one array."""
    known: dict[int, Floats] = {}
    for unit in units:
        if id(unit.calendar) not in known:
            known[id(unit.calendar)] = partner(unit, others)
    return [known[id(unit.calendar)] for unit in units]


def means_at(unit: Unit, at: Ints, others: Sequence[Unit]) -> Floats:
    """Mean of the others in those slots of the unit."""
    if not all(_same(unit.calendar, other.calendar) for other in others):
        return partner(unit, others)[at]
    total, count = np.zeros(len(at)), np.zeros(len(at))
    for other in others:
        values = other.value[at]
        there = np.isfinite(values)
        total[there] += values[there]
        count[there] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _same(one: Calendar, other: Calendar) -> bool:
    return one is other or np.array_equal(one.edges_us, other.edges_us)


def partner(unit: Unit, others: Sequence[Unit]) -> Floats:
    """Mean of the others in each slot of the unit; of slower series the value in force there."""
    total, count = np.zeros(unit.calendar.n), np.zeros(unit.calendar.n)
    middles = (unit.calendar.starts_us + unit.calendar.ends_us) // 2
    for other in others:
        if _same(other.calendar, unit.calendar):
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
