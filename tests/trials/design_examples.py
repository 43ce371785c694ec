"""The worked examples of docs/designs: a seeded world, what the design answers, and the figure. `test_design_pages` compares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from insitu.model import PeriodName
from tests.trials.coverage_worlds import (
    Ask,
    Cell,
    adjusted_question,
    after,
    control_sites_question,
    crossover_question,
    equivalence_question,
    interrupted_question,
    replicates_question,
    synthetic_question,
)
from tests.trials.world import START, criterion, endpoint, question
from trials.designs import DESIGNS, Answer, early_look
from trials.designs.question import Question, unit_of
from trials.report import charts

SEED = 2026


class Example(NamedTuple):
    page: str
    ask: Callable[[], Question]
    look: tuple[int, int] | None = None
    """Days so far and planned, of an early look."""


def _of(ask: Ask, cell: Cell) -> Callable[[], Question]:
    return lambda: ask(np.random.default_rng(SEED), cell)


def availability() -> Question:
    """Two devices over 30 days; one misses days 4 and 5, the other 10 single hours."""
    made = endpoint("availability", [criterion("completeness", low=95)], arms=["candidate"])
    values = np.ones((2, 720))
    values[0, 72:120] = np.nan
    values[1, 100:600:50] = np.nan
    return question(made, {("candidate", PeriodName.REPORTING): list(values)}, start=START)


EXAMPLES = [
    Example("2-replicates", _of(replicates_question, Cell(0.7, 30))),
    Example("3-availability", availability),
    Example("5-adjusted-before-after", _of(adjusted_question, Cell(0.7, 60))),
    Example("6-interrupted-series", _of(interrupted_question, Cell(0.7, 60))),
    Example("8-synthetic-control", _of(synthetic_question, Cell(0.7, 30))),
    Example("9-equivalence", _of(equivalence_question, Cell(0.7, 30))),
    Example("11-crossover", _of(crossover_question, Cell(0.7, 28))),
    Example("12-early-look", lambda: after(control_sites_question(np.random.default_rng(SEED), Cell(0.7, 30)), 18), (18, 30)),
]


def table(answer: Answer) -> str:
    """The statistics as rows of the page."""
    rows = ["| statistic | value | 95 % interval | n |", "|---|---|---|---|"]
    for known in answer.statistics:
        low, high = known.interval(0.95)
        rows.append(f"| `{known.statistic}` | {known.value:.2f} | [{low:.2f}, {high:.2f}] | {known.n} |")
    return "\n".join(rows)


def figure(asked: Question, answer: Answer) -> dict[str, Any]:
    """The daily series of the answer; lines of one name in both periods are one line."""
    merged: dict[str, list[tuple[str, float | None]]] = {}
    for found in answer.lines:
        name = found.name.removesuffix("_baseline").removesuffix("_reporting")
        merged.setdefault(name, []).extend((day.day.isoformat(), day.value) for day in found.days)
    unit = unit_of(answer.lines[0].name, asked.endpoint.unit).replace("ug/m3", "µg/m³")
    return charts.daily(lines=list(merged.items()), title=unit)


def answered(example: Example) -> tuple[Question, Answer]:
    asked = example.ask()
    answer = DESIGNS[asked.endpoint.design].answer(asked)
    if example.look is not None:
        answer = early_look.look(answer, days=example.look[0], planned=example.look[1])
    return asked, answer
