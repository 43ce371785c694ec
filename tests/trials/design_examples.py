"""The worked examples of docs/designs: a seeded world, the design's answer, and the figure.
`test_design_pages` compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from insitu.model import PeriodName
from tests.trials.coverage_worlds import (
    Ask,
    Cell,
    adjusted_question,
    after,
    before_after_question,
    collocation_question,
    control_sites_question,
    crossover_question,
    equivalence_question,
    interrupted_question,
    limit_question,
    replicates_question,
    synthetic_question,
)
from tests.trials.world import (
    START,
    criterion,
    cycle,
    endpoint,
    inputs,
    period,
    protocol,
    question,
    series,
    window,
)
from trials.designs import DESIGNS, Answer, early_look
from trials.designs.question import Question
from trials.designs.registry import unit_of
from trials.judge.compute import compute
from trials.report import charts

SEED = 2026


class Example(NamedTuple):
    page: str
    ask: Callable[[], Question]
    look: tuple[int, int] | None = None
    """(days so far, planned days) of an early look."""


def _of(ask: Ask, cell: Cell) -> Callable[[], Question]:
    return lambda: ask(np.random.default_rng(SEED), cell)


def availability() -> Question:
    """Two devices over 30 days; one misses days 4 and 5, the other 10 single hours."""
    made = endpoint("availability", [criterion("completeness", low=95)], arms=["candidate"])
    values = np.ones((2, 720))
    values[0, 72:120] = np.nan
    values[1, 100:600:50] = np.nan
    return question(made, {("candidate", PeriodName.REPORTING): list(values)}, start=START)


def gate() -> tuple[str, dict[str, Any]]:
    """(table, figure) of two arms over 28 days: the treated one is in a declared window on days 5 and 6, the
    control silent on ten days.
    """
    main = endpoint("equivalence", [criterion("difference", -1, 1)], arms=["candidate", "control"])
    told = [
        endpoint(
            "availability", [criterion("uptime", low=90)], arms=["candidate"], name=arm, rank="exploratory"
        )
        for arm in ("candidate", "control")
    ]
    told[1]["arms"] = {"candidate": "control"}
    values = {
        arm: 20 + cycle(672) + np.random.default_rng(SEED).normal(0, 1, 672)
        for arm in ("candidate", "control")
    }
    values["candidate"][96:144] = np.nan
    values["candidate"][300:320] = np.nan
    values["control"][240:480] = np.nan
    plan = protocol(main, *told, periods=[period("reporting", 0, 28)])
    streams = [series(f"{arm}-1", found, role=arm) for arm, found in values.items()]
    evaluation = compute(inputs(plan, streams, windows=[window("candidate-1", 96, 144)]))
    rows = [
        "| arm | planned | in windows | valid | share | days valid | passes |",
        "|---|---|---|---|---|---|---|",
    ]
    for g in evaluation.gate:
        passes = "yes" if g.passed else "no"
        rows.append(
            f"| {g.arm} | {g.planned} | {g.excused} | {g.valid} | {100 * g.share:.1f} % | {g.days_valid} of "
            f"{g.days} | {passes} |"
        )
    lines = [
        (e.name, [(day.day.isoformat(), day.value) for day in e.lines[0].days])
        for e in evaluation.endpoints[1:]
    ]
    rows += [
        "",
        ", ".join(f"`{f.code}`" for f in evaluation.endpoints[0].findings)
        + f": {evaluation.endpoints[0].verdict}",
    ]
    return "\n".join(rows), charts.daily(lines=lines, title="valid, % of those due")


def _limit() -> Question:
    """The level of `limit_question`, by an instrument with a standard uncertainty of 1."""
    asked = limit_question(np.random.default_rng(SEED), Cell(0.7, 30))
    return replace(asked, endpoint=asked.endpoint.model_copy(update={"parameters": {"u_meas": 1.0}}))


EXAMPLES = [
    Example("1-reference-collocation", _of(collocation_question, Cell(0.7, 30))),
    Example("2-replicates", _of(replicates_question, Cell(0.7, 30))),
    Example("3-availability", availability),
    Example("4-before-after", _of(before_after_question, Cell(0.7, 30))),
    Example("5-adjusted-before-after", _of(adjusted_question, Cell(0.7, 60))),
    Example("6-interrupted-series", _of(interrupted_question, Cell(0.7, 60))),
    Example("7-control-sites", _of(control_sites_question, Cell(0.7, 30))),
    Example("8-synthetic-control", _of(synthetic_question, Cell(0.7, 30))),
    Example("9-equivalence", _of(equivalence_question, Cell(0.7, 30))),
    Example("10-limit-compliance", _limit),
    Example("11-crossover", _of(crossover_question, Cell(0.7, 28))),
    Example(
        "12-early-look",
        lambda: after(control_sites_question(np.random.default_rng(SEED), Cell(0.7, 30)), 18),
        (18, 30),
    ),
]


def table(answer: Answer) -> str:
    """The statistics as rows of the page."""
    rows = ["| statistic | value | 95 % interval | n |", "|---|---|---|---|"]
    for known in answer.statistics:
        low, high = known.interval(0.95)
        rows.append(f"| `{known.statistic}` | {known.value:.2f} | [{low:.2f}, {high:.2f}] | {known.n} |")
    return "\n".join(rows)


def figure(asked: Question, answer: Answer) -> dict[str, Any]:
    """The daily series of the answer, with lines of the same name in both periods joined; for a collocation
    its pairs.
    """
    if answer.pairs:
        line = {known.statistic: known.value for known in answer.statistics}
        return charts.scatter(
            pairs=[(pair.x, pair.y) for pair in answer.pairs],
            slope=line["slope"],
            intercept=line["intercept"],
            x_title="reference (µg/m³)",
            y_title="candidate (µg/m³)",
        )
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


def shown(example: Example) -> tuple[str, dict[str, Any]]:
    """(table, figure) of an example."""
    asked, answer = answered(example)
    return table(answer), figure(asked, answer)


SHOWN: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {
    "0-gate": gate,
    **{one.page: partial(shown, one) for one in EXAMPLES},
}
"""Page → its table and figure."""
