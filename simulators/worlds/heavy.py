"""Worlds with heavy tails, a value a day: AR(1) whose shocks are Student's t with three degrees of freedom.
Single days lie many standard deviations out, and the fourth moment is infinite: sizes of errors (RMSE, the
spread between units, limits of agreement) have no standard error, and docs/validation.md says how often they
are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from scipy.signal import lfilter

from insitu.arrays import Floats
from insitu.spacing import Spacing
from simulators.worlds.cell import BASELINE, DAY, DONORS, FIRST, PAIRS, REPORTING, Cell, Drawn, World

FREEDOM: Final = 3
SETTLED: Final = 200
"""Values that are thrown away, until a series no longer knows how it began."""
PHIS, NUMBERS = (0.0, 0.5, 0.8), (14, 30, 60)
PAIRED: Final = "reference_collocation"
"""The design that needs more than 14 values."""


def heavy(rng: np.random.Generator, n: int, *, phi: float, sd: float) -> Floats:
    """An AR(1) of standard deviation `sd` with shocks of t₃."""
    variance = FREEDOM / (FREEDOM - 2)
    shocks = rng.standard_t(FREEDOM, n + SETTLED) * sd * np.sqrt((1 - phi**2) / variance)
    filtered: Floats = lfilter([1.0], [1.0, -phi], shocks)
    return filtered[SETTLED:]


def _halved(values: Floats, cell: Cell) -> dict[str, Floats]:
    return {BASELINE: values[: cell.days], REPORTING: values[cell.days :]}


def _both(values: Floats, cell: Cell) -> dict[str, list[Floats]]:
    return {name: [half] for name, half in _halved(values, cell).items()}


def _step(cell: Cell) -> Floats:
    return np.repeat([0.0, cell.effect], cell.days)


def draw_period(rng: np.random.Generator, cell: Cell) -> Drawn:
    return Drawn({"candidate": {REPORTING: [20 + heavy(rng, cell.days, phi=cell.phi, sd=2.0)]}})


def draw_periods(rng: np.random.Generator, cell: Cell) -> Drawn:
    errors = heavy(rng, 2 * cell.days, phi=cell.phi, sd=2.0)
    return Drawn({"candidate": _both(20 + _step(cell) + errors, cell)})


def draw_control_sites(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Weather moves all places; each has heavy errors of its own."""
    weather = heavy(rng, 2 * cell.days, phi=0.8, sd=8.0)
    own = [heavy(rng, 2 * cell.days, phi=cell.phi, sd=2.0) for _ in range(5)]
    controls = [_halved(21 + weather + errors, cell) for errors in own[1:]]
    return Drawn(
        {
            "candidate": _both(20 + weather + _step(cell) + own[0], cell),
            "control": {name: [one[name] for one in controls] for name in (BASELINE, REPORTING)},
        }
    )


def draw_beside(rng: np.random.Generator, cell: Cell) -> Drawn:
    """A candidate beside a reference."""
    reference = 20 + heavy(rng, cell.days, phi=cell.phi, sd=4.0)
    candidate = 1.0 + 0.9 * reference + heavy(rng, cell.days, phi=cell.phi, sd=1.0)
    return Drawn({"candidate": {REPORTING: [candidate]}, "reference": {REPORTING: [reference]}})


def draw_equivalence(rng: np.random.Generator, cell: Cell) -> Drawn:
    air = 20 + heavy(rng, cell.days, phi=0.8, sd=8.0)
    candidate, incumbent = (air + heavy(rng, cell.days, phi=cell.phi, sd=1.0) for _ in range(2))
    return Drawn({"candidate": {REPORTING: [candidate + 0.5]}, "control": {REPORTING: [incumbent]}})


def draw_adjusted(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Heat that falls by 1.5 a degree and at weekends."""
    outdoor = 6 + heavy(rng, 2 * cell.days, phi=0.8, sd=4.0)
    number = np.arange(2 * cell.days) - cell.days + FIRST.toordinal()
    weekend = (number - 1) % 7 >= 5
    errors = heavy(rng, 2 * cell.days, phi=cell.phi, sd=1.0)
    heat = 60 - 1.5 * outdoor - 6.0 * weekend + _step(cell) + errors
    return Drawn({"candidate": _both(heat, cell)}, covariates={"outdoor": _halved(outdoor, cell)})


def draw_synthetic(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Two factors move all places, each place by its own amounts."""
    common = np.stack([heavy(rng, 2 * cell.days, phi=0.8, sd=sd) for sd in (6.0, 4.0)])
    loads = rng.uniform(0.5, 1.5, (DONORS + 1, 2))
    places = [
        40 + 10 * rng.random() + loads[at] @ common + heavy(rng, 2 * cell.days, phi=cell.phi, sd=1.0)
        for at in range(DONORS + 1)
    ]
    donors = [_halved(values, cell) for values in places[1:]]
    return Drawn(
        {
            "candidate": _both(places[0] + _step(cell), cell),
            "control": {name: [one[name] for one in donors] for name in (BASELINE, REPORTING)},
        }
    )


def draw_crossover(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Seven pairs in an order drawn by lot."""
    length = cell.days // (2 * PAIRS)
    states = [bool(on) for first in rng.random(PAIRS) < 0.5 for on in (first, not first)]
    begins = [FIRST + number * length * DAY for number in range(2 * PAIRS)]
    schedule = [
        {"start": at.isoformat(), "end": (at + length * DAY).isoformat(), "on": on}
        for at, on in zip(begins, states, strict=True)
    ]
    on = np.repeat(states, length)
    on = np.r_[on, np.zeros(cell.days - len(on), bool)]
    values = 20 + heavy(rng, cell.days, phi=cell.phi, sd=2.0) + np.where(on, cell.effect, 0.0)
    return Drawn({"candidate": {REPORTING: [values]}}, schedule=schedule)


def effect_truth(cell: Cell) -> dict[str, float]:
    return {"effect": cell.effect}


def mean_truth(_: Cell) -> dict[str, float]:
    return {"mean": 20.0}


def level_truth(cell: Cell) -> dict[str, float]:
    return {"level_change": cell.effect, "slope_change": 0.0}


def beside_truth(_: Cell) -> dict[str, float]:
    """For y = 1 + .9·x + e with Var x = 16, Var e = 1; x is 20 on average."""
    return {"r2": 0.81 * 16 / (0.81 * 16 + 1), "slope": 0.9, "intercept": 1.0, "bias": -1.0}


def difference_truth(_: Cell) -> dict[str, float]:
    return {"difference": 0.5}


def _world(
    name: str,
    design: str,
    draw: Callable[[np.random.Generator, Cell], Drawn],
    truth: Callable[[Cell], dict[str, float]],
    targets: Mapping[str, tuple[float | None, float | None]],
    **more: Any,
) -> World:
    return World(f"{name}_t3", design, draw, truth, targets, changes=False, interval=Spacing(DAY), **more)


LOWER: Final = {"effect": (None, -2.0)}
HEAVY: Final = (
    _world("collocation", PAIRED, draw_beside, beside_truth, {"slope": (0.65, 1.35)}),
    _world("before_after", "before_after", draw_periods, effect_truth, LOWER),
    _world(
        "adjusted",
        "adjusted_before_after",
        draw_adjusted,
        effect_truth,
        LOWER,
        unit="kW",
        parameters={"covariates": ["outdoor"]},
    ),
    _world(
        "interrupted",
        "interrupted_series",
        draw_periods,
        level_truth,
        {"level_change": (None, -2.0)},
        parameters={"season": "none"},
    ),
    _world("control_sites", "control_sites", draw_control_sites, effect_truth, LOWER),
    _world("synthetic", "synthetic_control", draw_synthetic, effect_truth, LOWER),
    _world("equivalence", "equivalence", draw_equivalence, difference_truth, {"difference": (-1.0, 1.0)}),
    _world(
        "limit",
        "limit_compliance",
        draw_period,
        mean_truth,
        {"mean": (None, 25.0)},
        parameters={"u_meas": 0.0},
    ),
    _world("crossover", "crossover", draw_crossover, effect_truth, LOWER),
)


def heavy_tailed() -> list[tuple[World, list[Cell]]]:
    """Every such world with the cells that are measured."""
    return [
        (world, [Cell(phi, n) for n in NUMBERS[world.design == PAIRED :] for phi in PHIS]) for world in HEAVY
    ]
