"""What a world is: a design, a cell of its settings, and what is drawn for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from insitu.arrays import Floats
from simulators.signals import autoregressive

BASELINE, REPORTING = "baseline", "reporting"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIRST = datetime(2026, 6, 1, tzinfo=UTC)
"""When the reporting period begins, and the baseline ends: a Monday."""
EFFECT = -4.0
PHIS, DAYS, TRENDS = (0.0, 0.7, 0.95), (14, 30, 90), (3.0,)
"""The cells of docs/validation.md."""
LOOKED = ("limit", "before_after")
"""A mean of one period, and a difference of two, of which one lasts."""
DONORS = 25
PAIRS = 7
MOST_LOST = 6
"""Hours of a day that are lost at most in short cells, so that every day counts."""
SHORT = 14


@dataclass(frozen=True, slots=True)
class Cell:
    """How hard it is."""

    phi: float = 0.95
    """Autocorrelation of the hourly errors."""
    days: int = 30
    """Of each period."""
    trend: float = 0.0
    """From the beginning to the end of a period, in standard deviations of the hourly errors of what
    trends.
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
"""Level at which the relative expanded uncertainty of a collocation is told."""
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


@dataclass(frozen=True, slots=True)
class World:
    """What is drawn, what is asked about it, and what is true."""

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
    """Whether something is done in it, so that it has an A/A twin."""
    aggregation: Mapping[str, Any] = field(default_factory=lambda: {"name": "mean"})
    """How a day becomes one value."""
    aside: bool = False
    """Measured at the usual number of days alone, and without a trend or a twin."""

    def starts(self, cell: Cell) -> dict[str, datetime]:
        """Period → when its first hour begins."""
        return {BASELINE: FIRST - cell.days * DAY, REPORTING: FIRST}


def cycle(n: int, amplitude: float = 3.0) -> Floats:
    """A daily cycle with mean 0 over whole days, hourly."""
    return amplitude * np.sin(2 * np.pi * np.arange(n) / 24)


def with_gaps(
    rng: np.random.Generator, values: Floats, share: float = 0.1, *, whole_days: bool = False
) -> Floats:
    """Some of the hours lost, half of them one by one, half in runs of six; with `whole_days` never more than
    six of a day.
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
