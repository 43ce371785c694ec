"""Worlds whose truth is known, one or more for each design with an interval: hourly arrays, and what they
were made from.

`insitu bench evaluate` measures on them how often an interval holds the truth; the tests do the same. Nothing
here knows a design but by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, ndtr

from insitu.errors import CorrectInput
from simulators.signals import autoregressive

Floats = NDArray[np.float64]
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


def _lossy(rng: np.random.Generator, values: Floats, cell: Cell, share: float = 0.1) -> Floats:
    return with_gaps(rng, values, share, whole_days=cell.days <= SHORT)


def _trend(cell: Cell, sd: float, n: int | None = None) -> Floats:
    """A straight line with mean 0 over `n` hours (default: a period)."""
    return cell.trend * sd * np.linspace(-0.5, 0.5, cell.hours if n is None else n)


def _wandering(rng: np.random.Generator, level: float, cell: Cell, *, trend: bool = True) -> Floats:
    there = level + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=cell.phi, sd=2.0)
    return _lossy(rng, there + _trend(cell, 2.0) if trend else there, cell)


def _before_after(rng: np.random.Generator, cell: Cell) -> Drawn:
    return Drawn(
        {
            "candidate": {
                BASELINE: [_wandering(rng, 20, cell)],
                REPORTING: [_wandering(rng, 20 + cell.effect, cell)],
            }
        },
    )


def _control_sites(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Weather moves all sites by far more than the effect, and trends with them; the effect itself trends
    too.
    """
    treated: dict[str, list[Floats]] = {}
    controls: dict[str, list[Floats]] = {}
    for name, shift in ((BASELINE, 0.0), (REPORTING, cell.effect)):
        weather = autoregressive(rng, cell.hours, phi=0.98, sd=8.0) + _trend(cell, 8.0)
        treated[name] = [weather + _wandering(rng, 20 + shift, cell, trend=name == REPORTING)]
        controls[name] = [weather + _wandering(rng, 21, cell, trend=False) for _ in range(4)]
    return Drawn({"candidate": treated, "control": controls})


def _limit(rng: np.random.Generator, cell: Cell) -> Drawn:
    return Drawn({"candidate": {REPORTING: [_wandering(rng, 20, cell)]}})


def _collocation(rng: np.random.Generator, cell: Cell) -> Drawn:
    reference = (
        20 + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=cell.phi, sd=4.0) + _trend(cell, 4.0)
    )
    candidate = 1.0 + 0.9 * reference + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0)
    return Drawn(
        {
            "candidate": {REPORTING: [_lossy(rng, candidate, cell)]},
            "reference": {REPORTING: [_lossy(rng, reference, cell)]},
        }
    )


def _collocation_truth(cell: Cell) -> dict[str, float]:
    """Of y = 1 + .9·x + e with Var x = 4² + 3²/2, more with a trend, and Var e = 1; x is 20 on average."""
    variance = 16 + 4.5 + float(np.var(_trend(cell, 4.0)))
    bias = 1 + (0.9 - 1) * 20
    of_y = 0.81 * variance + 1
    orthogonal = (of_y - variance + np.sqrt((of_y - variance) ** 2 + 4 * (0.9 * variance) ** 2)) / (
        2 * 0.9 * variance
    )
    rmse = float(np.sqrt(bias**2 + 0.01 * variance + 1))
    expected, sd = bias - 0.1 * (cycle(cell.hours) + _trend(cell, 4.0)), np.sqrt(0.01 * 16 + 1)
    residual = of_y - 2 * orthogonal * 0.9 * variance + orthogonal**2 * variance
    at_limit = np.sqrt(residual + (19 - 20 * orthogonal + (orthogonal - 1) * LIMIT) ** 2)
    sizes = sd * np.sqrt(2 / np.pi) * np.exp(-(expected**2) / (2 * sd**2)) + expected * erf(
        expected / (sd * np.sqrt(2))
    )
    return {
        "r2": 0.81 * variance / of_y,
        "slope": 0.9,
        "intercept": 1.0,
        "slope_orthogonal": float(orthogonal),
        "intercept_orthogonal": float(19 - 20 * orthogonal),
        "rmse": rmse,
        "nrmse": 100 * rmse / 20,
        "bias": bias,
        "mae": float(np.mean(sizes)),
        "reu": float(200 * at_limit / LIMIT),
    }


def _replicates(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Three units in one air, each with errors of its own."""
    air = 20 + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=cell.phi, sd=4.0) + _trend(cell, 4.0)
    units = [_lossy(rng, air + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0), cell) for _ in range(3)]
    return Drawn({"candidate": {REPORTING: units}})


def _equivalence(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Both lose the same hours: with different ones the air of those hours would be part of the
    difference.
    """
    air = _lossy(rng, 20 + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=0.98, sd=8.0), cell)
    candidate = air + 0.5 + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0) + _trend(cell, 1.0)
    incumbent = air + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0)
    return Drawn({"candidate": {REPORTING: [candidate]}, "control": {REPORTING: [incumbent]}})


def _equivalence_truth(cell: Cell) -> dict[str, float]:
    """Variance of a mean over a day of 24 hours of which 10 % are lost, of two errors with variance 1; and of
    the trend over the days.
    """
    apart = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    kept = 0.9
    of_days = 2 * (24 * kept + kept**2 * float(np.sum(cell.phi ** apart[apart > 0]))) / (24 * kept) ** 2
    sd = np.sqrt(of_days + np.var(_trend(cell, 1.0).reshape(-1, 24).mean(axis=1), ddof=1))
    return {"difference": 0.5, "loa_low": 0.5 - 1.96 * sd, "loa_high": 0.5 + 1.96 * sd}


def _crossover(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Seven pairs in an order drawn by lot, on a level that drifts; 2 % of the hours lost, since blocks are
    short.
    """
    blocks = 2 * PAIRS
    length = cell.days // blocks
    states = [bool(on) for first in rng.random(PAIRS) < 0.5 for on in (first, not first)]
    begins = [FIRST + number * length * DAY for number in range(blocks)]
    schedule = [
        {"start": at.isoformat(), "end": (at + length * DAY).isoformat(), "on": on}
        for at, on in zip(begins, states, strict=True)
    ]
    on = np.repeat(states, length * 24)
    on = np.r_[on, np.zeros(cell.hours - len(on), bool)]
    drift = np.linspace(0, 3, cell.hours) + _trend(cell, 2.0)
    wanders = autoregressive(rng, cell.hours, phi=cell.phi, sd=2.0)
    values = 20 + cycle(cell.hours) + wanders + drift + np.where(on, cell.effect, 0.0)
    return Drawn({"candidate": {REPORTING: [_lossy(rng, values, cell, 0.02)]}}, schedule=schedule)


def _halves(values: Floats, cell: Cell) -> dict[str, Floats]:
    return {BASELINE: values[: cell.hours], REPORTING: values[cell.hours :]}


def _one_device(values: Floats, cell: Cell) -> dict[str, Mapping[str, list[Floats]]]:
    return {"candidate": {name: [half] for name, half in _halves(values, cell).items()}}


def _interrupted(rng: np.random.Generator, cell: Cell) -> Drawn:
    t = np.arange(-cell.hours, cell.hours) / 24
    weekend = np.where(np.floor(t) % 7 >= 5, 1.5, 0.0)
    after = np.where(t >= 0, cell.effect - 0.03 * t * cell.treated, 0.0)
    values = 20 + 0.05 * t + weekend + after + _trend(cell, 2.0, 2 * cell.hours)
    values = values + cycle(2 * cell.hours) + autoregressive(rng, 2 * cell.hours, phi=cell.phi, sd=2.0)
    return Drawn(_one_device(_lossy(rng, values, cell), cell))


def _counts(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Counts an hour whose rate wanders: far more variable than Poisson."""
    t = np.arange(-cell.hours, cell.hours) / 24
    wanders = autoregressive(rng, 2 * cell.hours, phi=cell.phi, sd=0.25) + _trend(cell, 0.25, 2 * cell.hours)
    rate = 12 * np.where(t >= 0, 0.7 if cell.treated else 1.0, 1.0) * np.exp(0.002 * t + wanders)
    return Drawn(_one_device(_lossy(rng, rng.poisson(rate).astype(float), cell), cell))


def _adjusted(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Heat that falls by 1.5 a degree and at weekends; the reporting period is 2 degrees colder, which hides
    half of the savings.

    A trend is the season's: of the temperature, the same in both periods.
    """
    both = 2 * cell.hours
    later = np.arange(both) >= cell.hours
    outdoor = (
        6
        + cycle(both, 4.0)
        + autoregressive(rng, both, phi=0.98, sd=4.0)
        - 2 * later
        + np.tile(_trend(cell, 4.0), 2)
    )
    number = np.arange(both) // 24 - cell.days + FIRST.toordinal()
    weekend = (number - 1) % 7 >= 5
    heat = 60 - 1.5 * outdoor - 6.0 * weekend + autoregressive(rng, both, phi=cell.phi, sd=3.0)
    heat[cell.hours :] += cell.effect
    return Drawn(_one_device(_lossy(rng, heat, cell), cell), covariates={"outdoor": _halves(outdoor, cell)})


def _synthetic(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Two things move all places, each place in its own measure."""
    both = 2 * cell.hours
    common = np.stack(
        [autoregressive(rng, both, phi=0.98, sd=6.0), autoregressive(rng, both, phi=0.99, sd=4.0)]
    )
    common[0] += _trend(cell, 6.0, both)
    loads = rng.uniform(0.5, 1.5, (DONORS + 1, 2))
    daily = cycle(both)
    arms: dict[str, dict[str, list[Floats]]] = {}
    for place in range(DONORS + 1):
        own = 40 + 10 * rng.random() + loads[place] @ common
        values = own + daily + autoregressive(rng, both, phi=cell.phi, sd=2.0)
        values[cell.hours :] += cell.effect if place == 0 else 0.0
        role = arms.setdefault("candidate" if place == 0 else "control", {BASELINE: [], REPORTING: []})
        for name, half in _halves(_lossy(rng, values, cell, 0.02), cell).items():
            role[name].append(half)
    return Drawn(arms)


def _replicates_truth(_: Cell) -> dict[str, float]:
    """Three units with errors of variance 1 about a level of 20: √(Σ(x − x̄)²/(3N)) = √(2/3)."""
    sd = float(np.sqrt(2 / 3))
    return {"sd": sd, "cv": 100 * sd / 20, "u_between": 1.0}


def _effect_truth(cell: Cell) -> dict[str, float]:
    return {"effect": cell.effect}


def _before_after_truth(cell: Cell) -> dict[str, float]:
    return {"effect": cell.effect, "ratio": (20 + cell.effect) / 20}


def _interrupted_truth(cell: Cell) -> dict[str, float]:
    return {"level_change": cell.effect, "slope_change": -0.03 * cell.treated}


def _counts_truth(cell: Cell) -> dict[str, float]:
    return {"rate_ratio": 0.7 if cell.treated else 1.0}


def _limit_truth(_: Cell) -> dict[str, float]:
    return {"mean": 20.0}


def _share_truth(cell: Cell) -> dict[str, float]:
    """Change of the share of hours above 20, of errors with standard deviation 2 about a daily cycle."""
    above = [np.mean(ndtr((level - 20 + cycle(24)) / 2)) for level in (20 + cell.effect, 20)]
    return {"effect": float(above[0] - above[1])}


def _sum_truth(cell: Cell) -> dict[str, float]:
    return {"effect": 24 * cell.effect}


LOWER: Mapping[str, tuple[float | None, float | None]] = {"effect": (None, -2.0)}
WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World(
            "collocation",
            "reference_collocation",
            _collocation,
            _collocation_truth,
            {"slope": (0.65, 1.35)},
            parameters={"limit_value": LIMIT},
            changes=False,
        ),
        World(
            "replicates", "replicates", _replicates, _replicates_truth, {"cv": (None, 30.0)}, changes=False
        ),
        World("before_after", "before_after", _before_after, _before_after_truth, LOWER),
        World(
            "adjusted",
            "adjusted_before_after",
            _adjusted,
            _effect_truth,
            LOWER,
            "kW",
            {"covariates": ["outdoor"]},
        ),
        World(
            "interrupted",
            "interrupted_series",
            _interrupted,
            _interrupted_truth,
            {"level_change": (None, -2.0)},
        ),
        World(
            "counts",
            "interrupted_series",
            _counts,
            _counts_truth,
            {"rate_ratio": (None, 0.9)},
            parameters={"family": "poisson"},
        ),
        World("control_sites", "control_sites", _control_sites, _effect_truth, LOWER),
        World("synthetic", "synthetic_control", _synthetic, _effect_truth, LOWER),
        World(
            "equivalence",
            "equivalence",
            _equivalence,
            _equivalence_truth,
            {"difference": (-1.0, 1.0)},
            changes=False,
        ),
        World(
            "limit",
            "limit_compliance",
            _limit,
            _limit_truth,
            {"mean": (None, 25.0)},
            parameters={"u_meas": 0.0},
            changes=False,
        ),
        World("crossover", "crossover", _crossover, _effect_truth, LOWER),
        *(
            World(
                f"before_after_{name}",
                "before_after",
                _before_after,
                truth,
                LOWER,
                changes=False,
                aggregation={"name": name, **more},
                aside=True,
            )
            for name, more, truth in (
                ("exceedance_share", {"threshold": 20}, _share_truth),
                ("percentile", {"q": 95}, _effect_truth),
                ("max", {}, _effect_truth),
                ("sum", {}, _sum_truth),
            )
        ),
    )
}


def cells(
    world: World, *, phi: Sequence[float] = PHIS, days: Sequence[int] = DAYS, trend: Sequence[float] = TRENDS
) -> list[Cell]:
    """Every φ and number of days; then, at 30 days (or the first of `days`), with each trend; and as A/A
    trials, where something is done.
    """
    usual = USUAL.days if USUAL.days in days else days[0]
    if world.aside:
        return [Cell(one, usual) for one in phi]
    level = [Cell(one, number) for one in phi for number in days]
    trending = [Cell(one, usual, drift) for drift in trend for one in phi]
    return level + trending + [Cell(one, usual, treated=False) for one in phi if world.changes]


def looked(
    worlds: Sequence[World], *, phi: Sequence[float] = PHIS, days: Sequence[int] = DAYS
) -> list[tuple[World, list[Cell]]]:
    """Those on which early looks are measured, with cells that last longer than the 14 days before which
    nobody looks.
    """
    lasting = [Cell(one, number) for number in days if number > SHORT for one in phi]
    return [(world, lasting) for world in worlds if world.name in LOOKED and lasting]


def chosen(
    designs: Sequence[str] | None = None,
    *,
    phi: Sequence[float] = PHIS,
    days: Sequence[int] = DAYS,
    trend: Sequence[float] = TRENDS,
) -> list[tuple[World, list[Cell]]]:
    """The worlds of some designs (default: of all) with their cells. CorrectInput names what is not there or
    not possible.
    """
    known = {world.design for world in WORLDS.values()}
    for design in designs or ():
        if design not in known:
            raise CorrectInput(
                f"There is no world for the design {design!r}; there is one for {', '.join(sorted(known))}."
            )
    if not all(0 <= one < 1 for one in phi):
        raise CorrectInput("φ must be at least 0 and less than 1.")
    if any(number < SHORT for number in days):
        raise CorrectInput(f"A period needs at least {SHORT} days.")
    return [
        (world, cells(world, phi=phi, days=days, trend=trend))
        for world in WORLDS.values()
        if not designs or world.design in designs
    ]
