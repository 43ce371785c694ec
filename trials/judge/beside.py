"""Missing values of a series beside another one: the other's value at that time, plus a difference that was
seen. Pure. `Pairing` is made once for a period, and filled many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from trials.series.ordered import Ordered
from trials.series.scale import Scale
from trials.series.slots import Calendar, Unit
from trials.series.sums import Filling

UP, DOWN, APART, CLOSE, TILT_UP, TILT_DOWN = "up", "down", "apart", "close", "tilt_up", "tilt_down"


class Ends(NamedTuple):
    """Differences that are filled in."""

    low: float
    high: float
    usual: float

    @classmethod
    def of(cls, differences: Ordered, percentile: float, pattern: str) -> Ends:
        usual = differences.median if pattern == CLOSE else 0.0
        return cls(-differences.reach(percentile, -1.0), differences.reach(percentile), usual)

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


class Level(NamedTuple):
    """Units in the slots of another one: their sum, and how many have a value there."""

    total: Floats
    number: Floats

    def means(self, at: Ints | slice = slice(None)) -> Floats:
        """NaN where none has a value."""
        total, number = self.total[at], self.number[at]
        return np.where(number > 0, total / np.maximum(number, 1), np.nan)

    def filled(self, fillings: Sequence[Filling]) -> Level:
        """With the fillings of units that have the same slots."""
        total, number = self.total.copy(), self.number.copy()
        for one in fillings:
            total[one.at] += one.given
            number[one.at] += 1
        return Level(total, number)


class Beside(NamedTuple):
    """A unit, its missing slots, and the others there."""

    unit: Unit
    holes: Ints
    level: Floats
    """Mean of the others in each hole, NaN where they are missing too."""
    odd: Bools


@dataclass(frozen=True, eq=False)
class Pairing:
    """Two arms over one period."""

    scale: Scale
    own: list[Beside]
    others: list[Beside]
    level_own: dict[Calendar, Level]
    """The first arm in the slots of the second, by their calendars."""
    differences: Ordered
    """All that were seen."""
    centre: float
    """Mean of the second arm."""

    @classmethod
    def of(cls, scale: Scale, own: Sequence[Unit], others: Sequence[Unit]) -> Pairing | None:
        """None where the arms were never there together."""
        level_others, level_own = levels(own, others), levels(others, own)
        means = {calendar: level.means() for calendar, level in level_others.items()}
        seen = _joined([_apart(scale, unit, means[unit.calendar]) for unit in own])
        values = _joined([unit.value[unit.valid] for unit in others])
        if not len(seen) or not len(values):
            return None
        seen.sort()
        return cls(
            scale,
            [_beside(unit, level_others[unit.calendar]) for unit in own],
            [_beside(unit, level_own[unit.calendar]) for unit in others],
            level_own,
            Ordered(seen),
            scale.mean(values),
        )

    def fill(self, pattern: str, percentile: float) -> tuple[dict[Unit, Filling], float]:
        """The fillings of both arms; and the mean of the differences that were filled in."""
        ends = Ends.of(self.differences, percentile, pattern)
        far = self._far(percentile) if pattern in (TILT_UP, TILT_DOWN) else (self.centre, self.centre)
        given: list[Floats] = []
        filled: dict[Unit, Filling] = {}
        for one in self.own:
            base = np.where(np.isfinite(one.level), one.level, np.where(one.odd, far[1], far[0]))
            away = ends.at(base, one.odd, self.centre, pattern)
            given.append(away)
            filled[one.unit] = Filling.of(one.holes, self.scale.of_one(base + away))
        now = self._levels_filled(filled)
        for one in self.others:
            base = now[one.unit.calendar].means(one.holes)
            base = np.where(np.isfinite(base), base, self.centre)
            away = ends.at(base, one.odd, self.centre, pattern)
            # where the candidate was missing too, it was put beside the mean of this arm, or its extremes
            alone = ~np.isfinite(one.level)
            value = np.where(alone, np.where(one.odd, far[1], far[0]), self.scale.of_one(base - away))
            given.append(away[~alone])
            filled[one.unit] = Filling.of(one.holes, value)
        joined = np.concatenate(given)
        return filled, float(joined.mean()) if len(joined) else float("nan")

    def _levels_filled(self, filled: dict[Unit, Filling]) -> dict[Calendar, Level]:
        """`level_own` with the fillings of the first arm."""
        units = [one.unit for one in self.own]
        found = {}
        for calendar, level in self.level_own.items():
            if all(same_slots(unit.calendar, calendar) for unit in units):
                found[calendar] = level.filled([filled[unit] for unit in units])
            else:
                found[calendar] = level_of(calendar, [filled[unit].in_unit(unit) for unit in units])
        return found

    def _far(self, percentile: float) -> tuple[float, float]:
        """Low and high extremes of the second arm."""
        top = min(percentile, 100.0)
        return self._values_beside.percentile(100 - top), self._values_beside.percentile(top)

    @cached_property
    def _values_beside(self) -> Ordered:
        return Ordered.of(_joined([one.unit.value[one.unit.valid] for one in self.others]))


@dataclass(frozen=True, eq=False)
class Alike:
    """Units of one kind over one period."""

    scale: Scale
    units: list[Beside]
    """Each beside the others."""
    differences: Ordered
    centre: float

    @classmethod
    def of(cls, scale: Scale, units: Sequence[Unit]) -> Alike | None:
        """None where no two were there together."""
        beside, apart = [], []
        for number, unit in enumerate(units):
            level = level_of(unit.calendar, [other for other in units if other is not unit])
            one = _beside(unit, level)
            beside.append(one._replace(odd=(one.holes + number) % 2 == 1))
            apart.append(_apart(scale, unit, level.means()))
        seen, values = _joined(apart), _joined([unit.value[unit.valid] for unit in units])
        if not len(seen) or not len(values):
            return None
        seen.sort()
        return cls(scale, beside, Ordered(seen), scale.mean(values))

    def fill(self, pattern: str, percentile: float) -> tuple[dict[Unit, Filling], float]:
        """The fillings of the units; and the mean size of the differences that were filled in."""
        ends = Ends.of(self.differences, percentile, pattern)
        filled, given = {}, []
        for one in self.units:
            base = np.where(np.isfinite(one.level), one.level, self.centre)
            away = ends.at(base, one.odd, self.centre, pattern)
            given.append(np.abs(away))
            filled[one.unit] = Filling.of(one.holes, self.scale.of_one(base + away))
        sizes = np.concatenate(given)
        return filled, float(sizes.mean()) if len(sizes) else float("nan")


def _beside(unit: Unit, level: Level) -> Beside:
    holes = np.flatnonzero(unit.missing)
    return Beside(unit, holes, level.means(holes), holes % 2 == 1)


def _apart(scale: Scale, unit: Unit, level: Floats) -> Floats:
    """Differences of a unit from the others, where both were there."""
    both = unit.valid & np.isfinite(level)
    return scale.difference(unit.value[both], level[both])


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


# -- the level of other series in the slots of one


def levels(units: Sequence[Unit], others: Sequence[Unit]) -> dict[Calendar, Level]:
    """Calendar of the units → the others in its slots."""
    return {calendar: level_of(calendar, others) for calendar in dict.fromkeys(u.calendar for u in units)}


def same_slots(one: Calendar, other: Calendar) -> bool:
    """Whether slots with the same number are the same time."""
    return one is other or np.array_equal(one.edges_us, other.edges_us)


def level_of(calendar: Calendar, others: Sequence[Unit]) -> Level:
    """The others in each slot of the calendar; of slower series the value in force there."""
    total, count = np.zeros(calendar.n), np.zeros(calendar.n)
    for other in others:
        if same_slots(other.calendar, calendar):
            values = other.value
        elif other.calendar.step_us > calendar.step_us:
            values = _at(other, (calendar.starts_us + calendar.ends_us) // 2)
        else:
            values = _means_in(calendar.edges_us, other)
        there = np.isfinite(values)
        total += np.where(there, values, 0.0)
        count += there
    return Level(total, count)


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
