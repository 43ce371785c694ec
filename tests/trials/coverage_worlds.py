"""The worlds of `simulators.worlds` as questions to designs, for tests that look into a question or its
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from insitu.model import PeriodName
from simulators.worlds.cell import FIRST, USUAL, Cell
from simulators.worlds.register import WORLDS
from tests.trials.world import criterion, endpoint, question
from trials.designs.question import Question
from trials.series.slots import Unit

REPORTING = PeriodName.REPORTING
Ask = Callable[[np.random.Generator, Cell], Question]


def _asked(name: str, rng: np.random.Generator, cell: Cell) -> Question:
    world = WORLDS[name]
    drawn = world.draw(rng, cell)
    more: dict[str, Any] = {"parameters": dict(world.parameters)}
    if drawn.schedule is not None:
        more["schedule"] = drawn.schedule
    criteria = [criterion(statistic, low, high) for statistic, (low, high) in world.targets.items()]
    made = endpoint(world.design, criteria, arms=list(drawn.arms), **more) | {"unit": world.unit}
    units = {
        (role, PeriodName(period)): series
        for role, periods in drawn.arms.items()
        for period, series in periods.items()
    }
    asked = question(made, units, start=FIRST)
    for name, periods in drawn.covariates.items():
        beside = {("candidate", PeriodName(period)): [series] for period, series in periods.items()}
        of = question(made, beside, start=FIRST)
        asked.covariates.update({(name, period): found for (_, period), found in of.units.items()})
    return asked


def collocation_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("collocation", rng, cell)


def replicates_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("replicates", rng, cell)


def before_after_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("before_after", rng, cell)


def adjusted_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("adjusted", rng, cell)


def interrupted_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("interrupted", rng, cell)


def counts_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("counts", rng, cell)


def control_sites_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("control_sites", rng, cell)


def synthetic_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("synthetic", rng, cell)


def equivalence_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("equivalence", rng, cell)


def limit_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("limit", rng, cell)


def crossover_question(rng: np.random.Generator, cell: Cell = USUAL) -> Question:
    return _asked("crossover", rng, cell)


def after(asked: Question, days: int) -> Question:
    """The question as it is when `days` of the reporting period are over."""

    def cut(unit: Unit) -> Unit:
        n, whole = days * 24, unit.calendar
        calendar = replace(whole, edges_us=whole.edges_us[: n + 1], day=whole.day[:n], hour=whole.hour[:n])
        return Unit(unit.name, calendar, unit.value[:n], unit.excused[:n])

    def so_far(found: list[Unit], name: PeriodName) -> list[Unit]:
        return [cut(unit) for unit in found] if name is REPORTING else found

    units = {(role, name): so_far(found, name) for (role, name), found in asked.units.items()}
    covariates = {(of, name): so_far(found, name) for (of, name), found in asked.covariates.items()}
    return replace(asked, units=units, covariates=covariates)
