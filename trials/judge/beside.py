"""Missing values of a series beside another one: the other's value at that time, plus a difference that was
seen. Pure. `Pairing` is made once for a period, and filled many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from trials.judge.doubts import Parts, lost_above_doubted, sizes_doubted
from trials.judge.silence import side_before
from trials.judge.tails import (
    lost_above,
    lost_above_leaning,
    lost_on_both_sides,
    lost_on_both_sides_heavy,
    spread,
)
from trials.plan.parts import WORST_PERCENTILE
from trials.plan.rules import Rules
from trials.series.ordered import Ordered
from trials.series.scale import Scale
from trials.series.slots import Calendar, Unit
from trials.series.sums import Filling

UP, DOWN, APART, CLOSE, TILT_UP, TILT_DOWN = "up", "down", "apart", "close", "tilt_up", "tilt_down"
CENTRE = 50.0
"""Percentile of values that are missing at random."""


class Ends(NamedTuple):
    """Differences that are filled in."""

    low: Floats
    """One value for all slots, or several that are spread over them."""
    high: Floats
    usual: float

    @classmethod
    def of(cls, seen: Differences, percentile: float, pattern: str, *, adjusted: bool) -> Ends:
        usual = seen.ordered.median if pattern == CLOSE else 0.0
        far = [np.array([seen.ordered.reach(percentile, sign)]) for sign in (-1.0, 1.0)]
        if adjusted and pattern in (UP, DOWN):
            far = [_further(one, seen.tail(sign, percentile)) for one, sign in zip(far, (-1, 1), strict=True)]
        elif adjusted and pattern != CLOSE:
            far = [
                _further(one, seen.sizes(sign, percentile)) for one, sign in zip(far, (-1, 1), strict=True)
            ]
        return cls(-far[0], far[1], usual)

    def at(self, base: Floats, odd: Bools, centre: float, pattern: str) -> Floats:
        """Difference at each slot, by the pattern."""
        number = len(base)
        if pattern == CLOSE:
            return np.full(number, self.usual)
        high, low = spread(self.high, number), spread(self.low, number)
        if pattern in (UP, DOWN):
            return high if pattern == UP else low
        if pattern == APART:
            return np.where(odd, high, low)
        return np.where((base >= centre) == (pattern == TILT_UP), high, low)


def _further(one: Floats, other: Floats) -> Floats:
    """The one that lies further on average."""
    return other if len(other) and other.mean() > one.mean() else one


@dataclass(frozen=True, eq=False)
class Differences:
    """All differences that were seen."""

    ordered: Ordered
    lost: int
    """Number that were not seen, since a value is missing."""
    told: float
    """Whether silence follows extreme differences on one side: +1, −1, or 0."""
    rules: Rules
    parts: Parts | None = None
    """By which the shape of a tail is doubted; None before rules 5."""
    tails: dict[float, Floats] = field(default_factory=dict)
    """Sign → `_tail`: all percentiles ask for the same."""

    @classmethod
    def of(
        cls, scale: Scale, units: Sequence[Unit], beside: Sequence[Floats], holes: int, rules: Rules
    ) -> Differences | None:
        """`beside`: level beside each unit, in its slots. `holes`: missing slots of all units. None
        where nothing was seen together.
        """
        apart = [
            replace(unit, value=scale.difference(unit.value, level))
            for unit, level in zip(units, beside, strict=True)
        ]
        if not any(one.valid.any() for one in apart):
            return None
        lost = min(holes, sum(int(one.missing.sum()) for one in apart))
        with ThreadPoolExecutor(1) as thread:  # both sort, which leaves the interpreter to others
            told = thread.submit(side_before, apart)
            parts = Parts.of(apart, lost) if rules.doubt_tails else None
            seen = (
                np.sort(_joined([one.value[one.valid] for one in apart])) if parts is None else parts.values
            )
            return cls(Ordered(seen), lost, told.result(), rules, parts)

    def tail(self, sign: float, percentile: float) -> Floats:
        """sign·differences if just the most extreme on that side were lost. None where a protocol calls a
        lower percentile the plausible worst, and nothing speaks against it.
        """
        if percentile < WORST_PERCENTILE and (self.told != sign or percentile <= CENTRE):
            return np.empty(0)
        if sign not in self.tails:
            self.tails[sign] = self._tail(sign)
        return self.tails[sign]

    def _tail(self, sign: float) -> Floats:
        told = self.told == sign
        if self.parts is not None:
            parts = self.parts.towards(sign)
            tail = lost_above(parts.values, self.lost)
            return _further(tail, lost_above_doubted(parts, self.lost, told=told))
        seen = self.ordered.values if sign > 0 else -self.ordered.values[::-1]
        tail = lost_above(seen, self.lost)
        if not self.rules.lean_tails:
            return tail
        return _further(tail, lost_above_leaning(seen, self.lost, told=told))

    def sizes(self, sign: float, percentile: float) -> Floats:
        """sign·differences if just the largest on both sides were lost; none as in `tail`."""
        if percentile < WORST_PERCENTILE:
            return np.empty(0)
        return sign * self.ordered.median + self._sizes

    @cached_property
    def _sizes(self) -> Floats:
        sizes = lost_on_both_sides(self.ordered.values, self.lost)
        return _further(sizes, self._heavy()) if self.rules.lean_tails else sizes

    def _heavy(self) -> Floats:
        if self.parts is None:
            return lost_on_both_sides_heavy(self.ordered.values, self.lost)
        return sizes_doubted(self.parts, self.lost)


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
    differences: Differences
    centre: float
    """Mean of the second arm."""

    @classmethod
    def of(cls, scale: Scale, own: Sequence[Unit], others: Sequence[Unit], rules: Rules) -> Pairing | None:
        """None where the arms were never there together."""
        level_others, level_own = levels(own, others), levels(others, own)
        means = {calendar: level.means() for calendar, level in level_others.items()}
        holes = sum(int(unit.missing.sum()) for unit in (*own, *others))
        seen = Differences.of(scale, own, [means[unit.calendar] for unit in own], holes, rules)
        values = _joined([unit.value[unit.valid] for unit in others])
        if seen is None or not len(values):
            return None
        return cls(
            scale,
            [_beside(unit, level_others[unit.calendar]) for unit in own],
            [_beside(unit, level_own[unit.calendar]) for unit in others],
            level_own,
            seen,
            scale.mean(values),
        )

    def fill(
        self, pattern: str, percentile: float, *, adjusted: bool = False
    ) -> tuple[dict[Unit, Filling], float]:
        """The fillings of both arms; and the mean of the differences that were filled in. `adjusted`: at
        least as far as a lost tail.
        """
        ends = Ends.of(self.differences, percentile, pattern, adjusted=adjusted)
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
    differences: Differences
    centre: float

    @classmethod
    def of(cls, scale: Scale, units: Sequence[Unit], rules: Rules) -> Alike | None:
        """None where no two were there together."""
        beside, means = [], []
        for number, unit in enumerate(units):
            level = level_of(unit.calendar, [other for other in units if other is not unit])
            one = _beside(unit, level)
            beside.append(one._replace(odd=(one.holes + number) % 2 == 1))
            means.append(level.means())
        holes = len(units) * sum(int(unit.missing.sum()) for unit in units)
        seen = Differences.of(scale, units, means, holes, rules)
        values = _joined([unit.value[unit.valid] for unit in units])
        if seen is None or not len(values):
            return None
        return cls(scale, beside, seen, scale.mean(values))

    def fill(
        self, pattern: str, percentile: float, *, adjusted: bool = False
    ) -> tuple[dict[Unit, Filling], float]:
        """The fillings of the units; and the mean size of the differences that were filled in. `adjusted` as
        in `Pairing.fill`.
        """
        ends = Ends.of(self.differences, percentile, pattern, adjusted=adjusted)
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
