"""Nothing was done, and a season makes the difference: how often is that `met`? And how often is an effect
still judged where there is no season?

Hourly AR(1) series before and after a date, with a drift over both periods that makes a difference of their
means of several standard errors; or with a step at that date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np

from insitu.arrays import Floats
from insitu.model import PeriodName, Verdict
from proving.coverage.intervals import SEED
from simulators.signals import autoregressive
from simulators.worlds.cell import FIRST
from trials.designs import ask
from trials.judge.answers import judged

HOUR: Final = timedelta(hours=1)
LEVEL, SD, PHI = 100.0, 4.0, 0.7
LINE, APPROACH, EARLIER = "line", "approach", "step earlier"
LAST: Final = "step three days before"
TOP, SLOPE = "year, from its top", "year, on its slope"
CHANGE: Final = "change"
"""No season: what was done moves the level at once."""
SEASONS: Final = (LINE, APPROACH, EARLIER, LAST, TOP, SLOPE)
LENGTHS: Final = ((30, 30), (30, 90), (60, 30), (60, 60), (120, 120))
"""Days before and after the date."""
SIZE: Final = 8.0
SIZES: Final = (3.0, 6.0, 9.0, 12.0)
"""Of a change, in standard errors of the difference of means, of somebody who knows φ and σ."""
IDLE: Final = ("before_after", "adjusted_before_after")
"""Designs that are also asked with a covariate that moves nothing."""


@dataclass(frozen=True, slots=True)
class Season:
    design: str
    shape: str
    before: int
    """Days."""
    after: int
    size: float
    covariate: bool = False
    """Whether one is declared, which has nothing to do with the values."""

    @property
    def name(self) -> str:
        return f"{self.design}, idle covariate" if self.covariate else self.design


@dataclass(frozen=True, slots=True)
class Drifted:
    """Shares of the replications."""

    cell: Season
    replications: int
    met: float
    refused: float
    """Not evaluable."""


def cells() -> list[Season]:
    return [
        *(Season("before_after", shape, *days, SIZE) for shape in SEASONS for days in LENGTHS),
        *(Season(design, LINE, *days, SIZE, True) for design in IDLE for days in LENGTHS),
        *(Season("before_after", CHANGE, *days, size) for days in LENGTHS for size in SIZES),
    ]


def replicate(cell: Season, numbers: Iterable[int]) -> list[Verdict]:
    """The verdict of each replication."""
    return [judged(_answer(cell, number), tell=False).verdict for number in numbers]


def _answer(cell: Season, number: int) -> Any:
    rng = np.random.default_rng([SEED, number, cell.before, cell.after])
    cut, n = 24 * cell.before, 24 * (cell.before + cell.after)
    shape = shape_of(cell.shape, cell.before, cell.after)
    down = float(shape[cut:].mean() - shape[:cut].mean())
    error = np.hypot(standard_error(cell.before), standard_error(cell.after))
    values = LEVEL + autoregressive(rng, n, phi=PHI, sd=SD) - cell.size * error / down * shape
    more: dict[str, Any] = {}
    if cell.covariate:
        idle = autoregressive(rng, n, phi=PHI, sd=SD)
        more = {"covariates": {"idle": _split(idle, cut)}, "parameters": {"covariates": ["idle"]}}
    return ask(
        cell.design,
        arms={"candidate": _split(values, cut)},
        start={PeriodName.BASELINE: FIRST, PeriodName.REPORTING: FIRST + timedelta(days=cell.before)},
        interval=HOUR,
        unit="kW",
        targets={"effect": (None, 0.0)},
        bare=True,
        **more,
    )


def shape_of(name: str, before: int, after: int) -> Floats:
    """The season of each hour, of any size; what it makes of the means is never 0."""
    t = np.arange(24 * (before + after)) / 24
    phase = 2 * np.pi * (t - before / 2) / 365
    return {
        CHANGE: (t >= before).astype(float),
        LINE: t,
        APPROACH: 1 - np.exp(-4 * t / (before + after)),
        EARLIER: (t >= 0.75 * before).astype(float),
        LAST: (t >= before - 3).astype(float),
        TOP: np.cos(phase),
        SLOPE: np.sin(phase),
    }[name]


def standard_error(days: int) -> float:
    """Of the mean of the hours of these days."""
    n = 24 * days
    k = np.arange(1, n)
    return float(np.sqrt(SD**2 / n * (1 + 2 * np.sum((1 - k / n) * PHI**k))))


def _split(values: Floats, cut: int) -> dict[str, Floats]:
    return {PeriodName.BASELINE: values[:cut], PeriodName.REPORTING: values[cut:]}


def shares(cell: Season, found: Sequence[Verdict]) -> Drifted:
    n = len(found)
    return Drifted(cell, n, found.count(Verdict.MET) / n, found.count(Verdict.NOT_EVALUABLE) / n)


def table(found: Sequence[Drifted]) -> str:
    """A row for each design and season; a column for each pair of periods."""
    rows = [one for one in found if one.cell.shape != CHANGE]
    heads = list(dict.fromkeys(_days(one.cell) for one in rows))
    by_row: dict[tuple[str, str], dict[str, str]] = {}
    for one in rows:
        told = f"{one.met:.3f} · {one.refused:.2f}"
        by_row.setdefault((one.cell.name, one.cell.shape), {})[_days(one.cell)] = told
    return "\n".join(
        [
            "| design | season | " + " | ".join(heads) + " |",
            "|---" * (2 + len(heads)) + "|",
            *(
                f"| {name} | {shape} | " + " | ".join(of.get(head, "–") for head in heads) + " |"
                for (name, shape), of in by_row.items()
            ),
        ]
    )


def table_of_changes(found: Sequence[Drifted]) -> str:
    """A row for each pair of periods; a column for each size."""
    rows = [one for one in found if one.cell.shape == CHANGE]
    sizes = sorted({one.cell.size for one in rows})
    by_row: dict[str, dict[float, str]] = {}
    for one in rows:
        by_row.setdefault(_days(one.cell), {})[one.cell.size] = f"{one.met:.2f}"
    return "\n".join(
        [
            "| days | " + " | ".join(f"{size:g}" for size in sizes) + " |",
            "|---" * (1 + len(sizes)) + "|",
            *(
                f"| {days} | " + " | ".join(of.get(size, "–") for size in sizes) + " |"
                for days, of in by_row.items()
            ),
        ]
    )


def _days(cell: Season) -> str:
    return f"{cell.before} + {cell.after}"
