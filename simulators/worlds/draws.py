"""Draws of every world, seeded."""

from __future__ import annotations

import numpy as np

from insitu.arrays import Floats
from simulators.signals import autoregressive
from simulators.worlds.cell import (
    BASELINE,
    DAY,
    DONORS,
    FIRST,
    PAIRS,
    REPORTING,
    Cell,
    Drawn,
    cycle,
    halves,
    lossy,
    one_device,
    trend_of,
    wandering,
)


def draw_before_after(rng: np.random.Generator, cell: Cell) -> Drawn:
    return Drawn(
        {
            "candidate": {
                BASELINE: [wandering(rng, 20, cell)],
                REPORTING: [wandering(rng, 20 + cell.effect, cell)],
            }
        },
    )


def draw_control_sites(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Weather moves all sites by far more than the effect, and they trend together; the effect itself trends
    too.
    """
    treated: dict[str, list[Floats]] = {}
    controls: dict[str, list[Floats]] = {}
    for name, shift in ((BASELINE, 0.0), (REPORTING, cell.effect)):
        weather = autoregressive(rng, cell.hours, phi=0.98, sd=8.0) + trend_of(cell, 8.0)
        treated[name] = [weather + wandering(rng, 20 + shift, cell, trend=name == REPORTING)]
        controls[name] = [weather + wandering(rng, 21, cell, trend=False) for _ in range(4)]
    return Drawn({"candidate": treated, "control": controls})


def draw_limit(rng: np.random.Generator, cell: Cell) -> Drawn:
    return Drawn({"candidate": {REPORTING: [wandering(rng, 20, cell)]}})


def draw_collocation(rng: np.random.Generator, cell: Cell) -> Drawn:
    reference = (
        20 + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=cell.phi, sd=4.0) + trend_of(cell, 4.0)
    )
    candidate = 1.0 + 0.9 * reference + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0)
    return Drawn(
        {
            "candidate": {REPORTING: [lossy(rng, candidate, cell)]},
            "reference": {REPORTING: [lossy(rng, reference, cell)]},
        }
    )


def draw_replicates(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Three units in one air, each with errors of its own."""
    air = 20 + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=cell.phi, sd=4.0) + trend_of(cell, 4.0)
    units = [lossy(rng, air + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0), cell) for _ in range(3)]
    return Drawn({"candidate": {REPORTING: units}})


def draw_equivalence(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Both devices lose the same hours: with different ones the air of those hours would be part of the
    difference.
    """
    air = lossy(rng, 20 + cycle(cell.hours) + autoregressive(rng, cell.hours, phi=0.98, sd=8.0), cell)
    candidate = air + 0.5 + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0) + trend_of(cell, 1.0)
    incumbent = air + autoregressive(rng, cell.hours, phi=cell.phi, sd=1.0)
    return Drawn({"candidate": {REPORTING: [candidate]}, "control": {REPORTING: [incumbent]}})


def draw_crossover(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Seven pairs in an order drawn by lot, on a level that drifts. Loses 2 % of the hours, since blocks are
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
    drift = np.linspace(0, 3, cell.hours) + trend_of(cell, 2.0)
    wanders = autoregressive(rng, cell.hours, phi=cell.phi, sd=2.0)
    values = 20 + cycle(cell.hours) + wanders + drift + np.where(on, cell.effect, 0.0)
    return Drawn({"candidate": {REPORTING: [lossy(rng, values, cell, 0.02)]}}, schedule=schedule)


def draw_interrupted(rng: np.random.Generator, cell: Cell) -> Drawn:
    t = np.arange(-cell.hours, cell.hours) / 24
    weekend = np.where(np.floor(t) % 7 >= 5, 1.5, 0.0)
    after = np.where(t >= 0, cell.effect - 0.03 * t * cell.treated, 0.0)
    values = 20 + 0.05 * t + weekend + after + trend_of(cell, 2.0, 2 * cell.hours)
    values = values + cycle(2 * cell.hours) + autoregressive(rng, 2 * cell.hours, phi=cell.phi, sd=2.0)
    return Drawn(one_device(lossy(rng, values, cell), cell))


def draw_counts(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Counts an hour whose rate wanders: far more variable than Poisson."""
    t = np.arange(-cell.hours, cell.hours) / 24
    wanders = autoregressive(rng, 2 * cell.hours, phi=cell.phi, sd=0.25) + trend_of(
        cell, 0.25, 2 * cell.hours
    )
    rate = 12 * np.where(t >= 0, 0.7 if cell.treated else 1.0, 1.0) * np.exp(0.002 * t + wanders)
    return Drawn(one_device(lossy(rng, rng.poisson(rate).astype(float), cell), cell))


def draw_adjusted(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Heat that falls by 1.5 a degree and at weekends. The reporting period is 2 degrees colder, which hides
    half of the savings.

    A trend is a trend of the temperature, the same in both periods.
    """
    both = 2 * cell.hours
    later = np.arange(both) >= cell.hours
    outdoor = (
        6
        + cycle(both, 4.0)
        + autoregressive(rng, both, phi=0.98, sd=4.0)
        - 2 * later
        + np.tile(trend_of(cell, 4.0), 2)
    )
    number = np.arange(both) // 24 - cell.days + FIRST.toordinal()
    weekend = (number - 1) % 7 >= 5
    heat = 60 - 1.5 * outdoor - 6.0 * weekend + autoregressive(rng, both, phi=cell.phi, sd=3.0)
    heat[cell.hours :] += cell.effect
    return Drawn(one_device(lossy(rng, heat, cell), cell), covariates={"outdoor": halves(outdoor, cell)})


def draw_synthetic(rng: np.random.Generator, cell: Cell) -> Drawn:
    """Two factors move all places, each place by its own amounts."""
    both = 2 * cell.hours
    common = np.stack(
        [autoregressive(rng, both, phi=0.98, sd=6.0), autoregressive(rng, both, phi=0.99, sd=4.0)]
    )
    common[0] += trend_of(cell, 6.0, both)
    loads = rng.uniform(0.5, 1.5, (DONORS + 1, 2))
    daily = cycle(both)
    arms: dict[str, dict[str, list[Floats]]] = {}
    for place in range(DONORS + 1):
        own = 40 + 10 * rng.random() + loads[place] @ common
        values = own + daily + autoregressive(rng, both, phi=cell.phi, sd=2.0)
        values[cell.hours :] += cell.effect if place == 0 else 0.0
        role = arms.setdefault("candidate" if place == 0 else "control", {BASELINE: [], REPORTING: []})
        for name, half in halves(lossy(rng, values, cell, 0.02), cell).items():
            role[name].append(half)
    return Drawn(arms)
