"""A world: a design, a cell of its settings, and the arrays drawn for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from insitu.arrays import Floats
from insitu.spacing import Spacing
from simulators.signals import autoregressive

BASELINE, REPORTING = "baseline", "reporting"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = Spacing(HOUR)
FIRST = datetime(2026, 6, 1, tzinfo=UTC)
"""When the baseline ends and the reporting period begins: a Monday."""
EFFECT = -4.0
PHIS, DAYS, TRENDS = (0.0, 0.7, 0.95), (14, 30, 90), (3.0,)
"""The cells of docs/validation.md."""
LOOKED = ("limit", "before_after")
"""A mean of one period, and a difference of two periods that is looked at while the second lasts."""
DONORS = 25
PAIRS = 7
MOST_LOST = 6
"""At most this many hours of a day are lost in short cells, so that every day counts."""
SHORT = 14


@dataclass(frozen=True, slots=True)
class Cell:
    """How hard a world is."""

    phi: float = 0.95
    """Autocorrelation of the hourly errors."""
    days: int = 30
    """Of each period; the number of its values where those are a day apart or more."""
    trend: float = 0.0
    """Change from the beginning to the end of a period, in standard deviations of the hourly errors of the
    series that trends.
    """
    treated: bool = True
    """False: an A/A trial, in which nothing was done."""

    @property
    def hours(self) -> int:
        return self.days * 24

    @property
    def effect(self) -> float:
        return EFFECT if self.treated else 0.0


LIMIT = 40.0
"""Level at which a collocation states its relative expanded uncertainty."""
USUAL = Cell()


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw of a world: hourly values from the beginning of each period, NaN where lost."""

    arms: Mapping[str, Mapping[str, list[Floats]]]
    """Role → period → one array a device."""
    covariates: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)
    """Property → period → values."""
    schedule: list[dict[str, Any]] | None = None
    """Blocks of a crossover: start, end, on."""


def hourly_starts(cell: Cell) -> dict[str, datetime]:
    """Period → when its first hour begins."""
    return {BASELINE: FIRST - cell.days * DAY, REPORTING: FIRST}


@dataclass(frozen=True, slots=True)
class World:
    """How to draw the arrays, the question to ask about them, and the true answers."""

    name: str
    design: str
    draw: Callable[[np.random.Generator, Cell], Drawn]
    truth: Callable[[Cell], dict[str, float]]
    """Statistic → its true value."""
    targets: Mapping[str, tuple[float | None, float | None]]
    """Statistic → (low, high) of a criterion that a trial of this kind may have."""
    unit: str = "ug/m3"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    changes: bool = True
    """Whether it contains an intervention, so that it has an A/A twin."""
    aggregation: Mapping[str, Any] = field(default_factory=lambda: {"name": "mean"})
    """How a day becomes one value."""
    aside: bool = False
    """Measured at the usual number of days only, without a trend or a twin."""
    interval: Spacing = HOURLY
    """Planned between two values."""
    kept: Mapping[str, Any] | None = None
    """The filter of the protocol."""
    starts: Callable[[Cell], dict[str, datetime]] = hourly_starts
    """Period → when its first interval begins."""
    ideal: Callable[[Cell], dict[str, float]] | None = None
    """Statistic → half-width at level .95 of the interval of somebody who knows φ and σ."""

    @property
    def spaced(self) -> bool:
        """Values are a day apart or more."""
        return self.interval != HOURLY


def cycle(n: int, amplitude: float = 3.0) -> Floats:
    """A daily cycle with mean 0 over whole days, hourly."""
    return amplitude * np.sin(2 * np.pi * np.arange(n) / 24)


def with_gaps(
    rng: np.random.Generator, values: Floats, share: float = 0.1, *, whole_days: bool = False
) -> Floats:
    """Loses some of the hours, half of them one by one, half in runs of six; with `whole_days` at most six of
    a day.
    """
    lost = rng.random(len(values)) < share / 2
    for at in np.flatnonzero(rng.random(len(values)) < share / 12):
        lost[at : at + 6] = True
    if whole_days:
        lost &= np.cumsum(lost.reshape(-1, 24), axis=1).ravel() <= MOST_LOST
    return np.where(lost, np.nan, values)


def lossy(rng: np.random.Generator, values: Floats, cell: Cell, share: float = 0.1) -> Floats:
    return with_gaps(rng, values, share, whole_days=cell.days <= SHORT)


def trend_of(cell: Cell, sd: float, n: int | None = None) -> Floats:
    """A straight line with mean 0 over `n` hours (default: a period)."""
    return cell.trend * sd * np.linspace(-0.5, 0.5, cell.hours if n is None else n)


def wandering(rng: np.random.Generator, level: float, cell: Cell, *, trend: bool = True) -> Floats:
    there = level + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=cell.phi, sd=2.0)
    return lossy(rng, there + trend_of(cell, 2.0) if trend else there, cell)


def halves(values: Floats, cell: Cell) -> dict[str, Floats]:
    return {BASELINE: values[: cell.hours], REPORTING: values[cell.hours :]}


def one_device(values: Floats, cell: Cell) -> dict[str, Mapping[str, list[Floats]]]:
    return {"candidate": {name: [half] for name, half in halves(values, cell).items()}}
