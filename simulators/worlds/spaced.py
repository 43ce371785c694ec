"""Worlds of one value a day, or fewer: every day, some weekdays, every week, every month. Nothing but the
dependence of the values is hard here.

`Cell.days` counts the values of a period. φ is from one value to the next at the median distance, and falls
with the true distance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import numpy as np

from insitu.arrays import Floats, Ints
from insitu.spacing import Spacing
from simulators.worlds.cell import BASELINE, DAY, FIRST, REPORTING, Cell, Drawn, World

LEVEL, SD = 20.0, 2.0
Z: Final = 1.959964
FEW: Final = (14, 20, 29, 45, 60, 90, 120)
ALIKE: Final = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When the values are."""

    name: str
    interval: Spacing
    """The planned one."""
    every: tuple[int, ...] = (1,)
    """Planned intervals from one value to the next, again and again."""
    weekdays: tuple[str, ...] = ()
    """A filter of the protocol; without it the intervals between are missing."""
    begin: datetime = FIRST
    lost: float = 0.0
    """Share of the values that are missing at random."""

    def places(self, n: int) -> Ints:
        """The planned intervals that have a value, from 0."""
        return np.cumsum(np.r_[0, np.resize(np.array(self.every, np.int64), n - 1)])

    def before(self, n: int) -> datetime:
        """Where a period of `n` values begins that ends at `begin`."""
        length = self.slots(n)
        if not self.interval.months:
            return self.begin - length * self.interval.fixed
        months = 12 * self.begin.year + self.begin.month - 1 - length * self.interval.months
        return self.begin.replace(year=months // 12, month=months % 12 + 1)

    def slots(self, n: int) -> int:
        """Planned intervals of a period of `n` values: whole rounds of the rhythm."""
        return int(np.sum(np.resize(self.every, n)))


DAILY = Rhythm("daily", Spacing(DAY))
LOST_DAYS = Rhythm("lost_days", Spacing(DAY), lost=0.2)
EVERY_SECOND = Rhythm("every_second_day", Spacing(DAY), (2,))
TWO_DAYS = Rhythm("two_days", Spacing(2 * DAY))
MON_WED_FRI = Rhythm("mon_wed_fri", Spacing(DAY), (2, 2, 3), ("mon", "wed", "fri"))
WEEKENDS = Rhythm("weekends", Spacing(DAY), (1, 6), ("sat", "sun"), FIRST + timedelta(days=5))
WEEKLY = Rhythm("weekly", Spacing(7 * DAY))
MONTHLY = Rhythm("monthly", Spacing(months=1))


def draw_period(rhythm: Rhythm, rng: np.random.Generator, cell: Cell) -> Drawn:
    values = rng.normal(0, SD, cell.days)
    (series,) = _laid(rhythm, _walk(rhythm, values, cell.phi, 1), rng, cell, 1)
    return Drawn({"candidate": {REPORTING: [LEVEL + series]}})


def draw_two(rhythm: Rhythm, rng: np.random.Generator, cell: Cell) -> Drawn:
    values = rng.normal(0, SD, 2 * cell.days)
    before, after = _laid(rhythm, _walk(rhythm, values, cell.phi, 2), rng, cell, 2)
    return Drawn({"candidate": {BASELINE: [LEVEL + before], REPORTING: [LEVEL + cell.effect + after]}})


def _times(rhythm: Rhythm, n: int, periods: int) -> Ints:
    """Planned intervals with a value in one period, or in two that follow each other."""
    places = rhythm.places(n)
    return np.concatenate([places + at * rhythm.slots(n) for at in range(periods)])


def _walk(rhythm: Rhythm, values: Floats, phi: float, periods: int) -> Floats:
    apart = np.diff(_times(rhythm, len(values) // periods, periods))
    for at, decay in enumerate(phi ** (apart / np.median(apart)), 1):
        values[at] = decay * values[at - 1] + np.sqrt(1 - decay**2) * values[at]
    return values


def _laid(rhythm: Rhythm, values: Floats, rng: np.random.Generator, cell: Cell, periods: int) -> list[Floats]:
    """Each period with its missing intervals."""
    kept = np.where(rng.random(len(values)) < rhythm.lost, np.nan, values) if rhythm.lost else values
    laid = np.full((periods, rhythm.slots(cell.days)), np.nan)
    laid[:, rhythm.places(cell.days)] = kept.reshape(periods, -1)
    return list(laid)


def starts_of(rhythm: Rhythm, cell: Cell) -> dict[str, datetime]:
    return {BASELINE: rhythm.before(cell.days), REPORTING: rhythm.begin}


def ideal_of(rhythm: Rhythm, statistic: str, cell: Cell) -> dict[str, float]:
    """Half-width at level .95 of the interval of somebody who knows φ and σ."""
    periods = 1 if statistic == "mean" else 2
    times = _times(rhythm, cell.days, periods)
    apart = np.abs(np.subtract.outer(times, times)) / np.median(np.diff(times))
    weights = np.repeat([1.0, -1.0][:periods], cell.days) / cell.days
    with np.errstate(divide="ignore"):
        variance = float(weights @ np.where(apart == 0, 1.0, cell.phi**apart) @ weights)
    return {statistic: float(Z * SD * np.sqrt(variance))}


def mean_truth(_: Cell) -> dict[str, float]:
    return {"mean": LEVEL}


def effect_truth(cell: Cell) -> dict[str, float]:
    return {"effect": cell.effect}


def level_truth(cell: Cell) -> dict[str, float]:
    return {"level_change": cell.effect, "slope_change": 0.0}


def _world(name: str, design: str, rhythm: Rhythm, statistic: str, **more: Any) -> World:
    kept: Mapping[str, Any] | None = {"weekdays": list(rhythm.weekdays)} if rhythm.weekdays else None
    return World(
        f"{name}_{rhythm.name}",
        design,
        partial(draw_period if statistic == "mean" else draw_two, rhythm),
        targets={statistic: (None, 25.0 if statistic == "mean" else -2.0)},
        changes=False,
        interval=rhythm.interval,
        kept=kept,
        starts=partial(starts_of, rhythm),
        ideal=None if statistic == "level_change" else partial(ideal_of, rhythm, statistic),
        **more,
    )


def _limit(rhythm: Rhythm) -> World:
    return _world("limit", "limit_compliance", rhythm, "mean", truth=mean_truth, parameters={"u_meas": 0.0})


def _before_after(rhythm: Rhythm) -> World:
    return _world("before_after", "before_after", rhythm, "effect", truth=effect_truth)


def _interrupted(rhythm: Rhythm) -> World:
    return _world(
        "interrupted",
        "interrupted_series",
        rhythm,
        "level_change",
        truth=level_truth,
        parameters={"season": "none"},
    )


def _cells(numbers: Sequence[int], phis: Sequence[float]) -> list[Cell]:
    return [Cell(phi, n) for n in numbers for phi in phis]


def spaced() -> list[tuple[World, list[Cell]]]:
    """Every such world with the cells that are measured."""
    usual, some = (0.0, 0.5, 0.7), (0.5, 0.6, 0.7, 0.8)
    return [
        (_limit(DAILY), _cells((*FEW[:3], 30, *FEW[3:]), (0.0, 0.3, *ALIKE[1:]))),
        (_limit(LOST_DAYS), _cells((120,), (0.0, *some))),
        (_limit(EVERY_SECOND), _cells((29, 60), some)),
        (_limit(TWO_DAYS), _cells((52,), (0.0, *some))),
        (_limit(MON_WED_FRI), _cells((*FEW[:4], 52, *FEW[4:]), ALIKE)),
        (_limit(WEEKENDS), _cells((*FEW[:4], 52, *FEW[4:]), ALIKE)),
        (_limit(WEEKLY), _cells((26, 52), ALIKE)),
        (_limit(MONTHLY), _cells((36,), ALIKE)),
        (_before_after(DAILY), _cells((14, 30, 60), ALIKE)),
        (_before_after(TWO_DAYS), _cells((52,), usual)),
        (_before_after(WEEKLY), _cells((26, 52), usual)),
        (_before_after(MONTHLY), _cells((36,), usual)),
        (_interrupted(TWO_DAYS), _cells((52,), usual)),
        (_interrupted(WEEKLY), _cells((26, 52), usual)),
    ]
