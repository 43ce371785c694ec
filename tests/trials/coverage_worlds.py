"""Worlds whose truth is known, one or more a design: what the coverage of intervals is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from insitu.model import PeriodName
from tests.trials.world import DAY, Floats, criterion, cycle, endpoint, noise, question, with_gaps
from trials.designs.question import Question
from trials.slots import Calendar, Unit

PHI = 0.95
BASELINE, REPORTING = PeriodName.BASELINE, PeriodName.REPORTING
FIRST = datetime(2026, 6, 1, tzinfo=UTC)
EFFECT = -4.0


@dataclass(frozen=True)
class Cell:
    """How hard it is: autocorrelation of the hourly errors, and days a period."""

    phi: float = PHI
    days: int = 30

    @property
    def hours(self) -> int:
        return self.days * 24


USUAL = Cell()
Ask = Callable[[np.random.Generator, Cell], Question]
Truth = Callable[[Cell], dict[str, float]]


def wandering(rng: np.random.Generator, level: float, sd: float = 2.0, cell: Cell = USUAL) -> Floats:
    return with_gaps(rng, level + cycle(cell.hours) + noise(rng, cell.phi, cell.hours, sd))


def before_after_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    made = endpoint("before_after", [criterion("effect", high=-2)], arms=["candidate"])
    units = {
        ("candidate", BASELINE): [wandering(rng, 20, cell=cell)],
        ("candidate", REPORTING): [wandering(rng, 20 + EFFECT, cell=cell)],
    }
    return question(made, units, start=FIRST)


def control_sites_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    """Weather moves all sites by far more than the effect."""
    made = endpoint("control_sites", [criterion("effect", high=-2)], arms=["candidate", "control"])
    units = {}
    for name, shift in ((BASELINE, 0.0), (REPORTING, EFFECT)):
        weather = noise(rng, 0.98, cell.hours, 8.0)
        units["candidate", name] = [weather + wandering(rng, 20 + shift, cell=cell)]
        units["control", name] = [weather + wandering(rng, 21, cell=cell) for _ in range(4)]
    return question(made, units, start=FIRST)


def limit_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    made = endpoint("limit_compliance", [criterion("mean", high=25)], arms=["candidate"], parameters={"u_meas": 0.0})
    return question(made, {("candidate", REPORTING): [wandering(rng, 20, cell=cell)]}, start=FIRST)


def collocation_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    reference = 20 + cycle(cell.hours) + noise(rng, cell.phi, cell.hours, 4.0)
    candidate = 1.0 + 0.9 * reference + noise(rng, cell.phi, cell.hours, 1.0)
    made = endpoint("reference_collocation", [criterion("slope", 0.65, 1.35)], arms=["candidate", "reference"])
    units = {("candidate", REPORTING): [with_gaps(rng, candidate)], ("reference", REPORTING): [with_gaps(rng, reference)]}
    return question(made, units, start=FIRST)


def collocation_truth() -> dict[str, float]:
    """Of y = 1 + .9·x + e with Var x = 4² + 3²/2 and Var e = 1."""
    variance = 16 + 4.5
    bias = 1 + (0.9 - 1) * 20
    return {
        "r2": 0.81 * variance / (0.81 * variance + 1),
        "slope": 0.9,
        "intercept": 1.0,
        "bias": bias,
        "rmse": float(np.sqrt(bias**2 + 0.01 * variance + 1)),
    }


def replicates_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    """Three units in one air, each with errors of its own."""
    air = 20 + cycle(cell.hours) + noise(rng, cell.phi, cell.hours, 4.0)
    made = endpoint("replicates", [criterion("cv", high=30)], arms=["candidate"])
    units = [with_gaps(rng, air + noise(rng, cell.phi, cell.hours, 1.0)) for _ in range(3)]
    return question(made, {("candidate", REPORTING): units}, start=FIRST)


def equivalence_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    """Both lose the same hours: with different ones the air of those hours would be part of the difference."""
    air = with_gaps(rng, 20 + cycle(cell.hours) + noise(rng, 0.98, cell.hours, 8.0))
    made = endpoint("equivalence", [criterion("difference", -1, 1)], arms=["candidate", "control"])
    units = {}
    for role, shift in (("candidate", 0.5), ("control", 0.0)):
        units[role, REPORTING] = [air + shift + noise(rng, cell.phi, cell.hours, 1.0)]
    return question(made, units, start=FIRST)


def equivalence_truth(cell: Cell) -> dict[str, float]:
    """Variance of a mean over a day of 24 hours of which 10 % are lost, of two errors with variance 1."""
    apart = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    kept = 0.9
    sd = np.sqrt(2 * (24 * kept + kept**2 * float(np.sum(cell.phi ** apart[apart > 0]))) / (24 * kept) ** 2)
    return {"difference": 0.5, "loa_low": 0.5 - 1.96 * sd, "loa_high": 0.5 + 1.96 * sd}


def crossover_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    """Seven pairs in an order drawn by lot, on a level that drifts; 2 % of the hours lost, since blocks are short."""
    length = cell.days // 14
    states = [bool(on) for first in rng.random(7) < 0.5 for on in (first, not first)]
    starts = [FIRST + number * length * DAY for number in range(14)]
    schedule: list[dict[str, Any]] = [
        {"start": at.isoformat(), "end": (at + length * DAY).isoformat(), "on": on} for at, on in zip(starts, states, strict=True)
    ]
    made = endpoint("crossover", [criterion("effect", high=-2)], arms=["candidate"], schedule=schedule)
    on = np.repeat(states, length * 24)
    on = np.r_[on, np.zeros(cell.hours - len(on), bool)]
    drift = np.linspace(0, 3, cell.hours)
    values = 20 + cycle(cell.hours) + noise(rng, cell.phi, cell.hours, 2.0) + drift + np.where(on, EFFECT, 0.0)
    values = with_gaps(rng, values, 0.02)
    return question(made, {("candidate", REPORTING): [values]}, start=FIRST)


def interrupted_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    made = endpoint("interrupted_series", [criterion("level_change", high=-2)], arms=["candidate"])
    t = np.arange(-cell.hours, cell.hours) / 24
    weekend = np.where(np.floor(t + 0) % 7 >= 5, 1.5, 0.0)
    values = 20 + 0.05 * t + weekend + np.where(t >= 0, EFFECT - 0.03 * t, 0.0)
    values = values + cycle(2 * cell.hours) + noise(rng, cell.phi, 2 * cell.hours, 2.0)
    return _halves(made, with_gaps(rng, values), cell)


def counts_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    """Counts an hour whose rate wanders: far more variable than Poisson."""
    made = endpoint(
        "interrupted_series", [criterion("rate_ratio", high=0.9)], arms=["candidate"], parameters={"family": "poisson"}
    )
    t = np.arange(-cell.hours, cell.hours) / 24
    rate = 12 * np.where(t >= 0, 0.7, 1.0) * np.exp(0.002 * t + noise(rng, cell.phi, 2 * cell.hours, 0.25))
    return _halves(made, with_gaps(rng, rng.poisson(rate).astype(float)), cell)


def _halves(made: dict[str, Any], values: Floats, cell: Cell) -> Question:
    units = {("candidate", BASELINE): [values[: cell.hours]], ("candidate", REPORTING): [values[cell.hours :]]}
    return question(made, units, start=FIRST)


def adjusted_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    """Heat that falls by 1.5 a degree and at weekends; the reporting period is 2 degrees colder, which hides half of the savings."""
    made = endpoint(
        "adjusted_before_after",
        [criterion("effect", high=-2)],
        arms=["candidate"],
        unit="kW",
        parameters={"covariates": ["outdoor"]},
    )
    outdoor = (
        6 + cycle(2 * cell.hours, 4.0) + noise(rng, 0.98, 2 * cell.hours, 4.0) - 2 * (np.arange(2 * cell.hours) >= cell.hours)
    )
    number = np.arange(2 * cell.hours) // 24 - cell.days + FIRST.toordinal()
    weekend = (number - 1) % 7 >= 5
    heat = 60 - 1.5 * outdoor - 6.0 * weekend + noise(rng, cell.phi, 2 * cell.hours, 3.0)
    heat[cell.hours :] += EFFECT
    asked = _halves(made, with_gaps(rng, heat), cell)
    weather = _halves(made, outdoor, cell)
    return replace(asked, covariates={("outdoor", name): weather.arm("candidate", name) for name in (BASELINE, REPORTING)})


def synthetic_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    """Two things move all places, each place in its own measure; 25 donors."""
    made = endpoint("synthetic_control", [criterion("effect", high=-2)], arms=["candidate", "control"])
    common = np.stack([noise(rng, 0.98, 2 * cell.hours, 6.0), noise(rng, 0.99, 2 * cell.hours, 4.0)])
    loads = rng.uniform(0.5, 1.5, (26, 2))
    units: dict[Any, list[Floats]] = {}
    for place in range(26):
        values = (
            40 + 10 * rng.random() + loads[place] @ common + cycle(2 * cell.hours) + noise(rng, cell.phi, 2 * cell.hours, 2.0)
        )
        values[cell.hours :] += EFFECT if place == 0 else 0.0
        kept = with_gaps(rng, values, 0.02)
        role = "candidate" if place == 0 else "control"
        units.setdefault((role, BASELINE), []).append(kept[: cell.hours])
        units.setdefault((role, REPORTING), []).append(kept[cell.hours :])
    return question(made, units, start=FIRST)


def after(asked: Question, days: int) -> Question:
    """What the question is when so many days of the reporting period are over."""

    def cut(unit: Unit) -> Unit:
        n, whole = days * 24, unit.calendar
        calendar = Calendar(whole.start_us, whole.step_us, whole.day[:n], whole.hour[:n])
        return Unit(unit.name, calendar, unit.value[:n], unit.excused[:n])

    def so_far(found: list[Unit], name: PeriodName) -> list[Unit]:
        return [cut(unit) for unit in found] if name is REPORTING else found

    units = {(role, name): so_far(found, name) for (role, name), found in asked.units.items()}
    covariates = {(of, name): so_far(found, name) for (of, name), found in asked.covariates.items()}
    return replace(asked, units=units, covariates=covariates)


def always(**truth: float) -> Truth:
    return lambda _: truth


CELLS: list[tuple[str, Ask, Truth]] = [
    ("reference_collocation", collocation_question, always(**collocation_truth())),
    ("replicates", replicates_question, always(sd=np.sqrt(2 / 3), cv=100 * np.sqrt(2 / 3) / 20, u_between=1.0)),
    ("before_after", before_after_question, always(effect=EFFECT, ratio=16 / 20)),
    ("adjusted_before_after", adjusted_question, always(effect=EFFECT)),
    ("interrupted_series", interrupted_question, always(level_change=EFFECT, slope_change=-0.03)),
    ("interrupted_series", counts_question, always(rate_ratio=0.7)),
    ("control_sites", control_sites_question, always(effect=EFFECT)),
    ("synthetic_control", synthetic_question, always(effect=EFFECT)),
    ("equivalence", equivalence_question, equivalence_truth),
    ("limit_compliance", limit_question, always(mean=20.0)),
    ("crossover", crossover_question, always(effect=EFFECT)),
]
IDS = [f"{design} {ask.__name__.removesuffix('_question')}" for design, ask, _ in CELLS]
