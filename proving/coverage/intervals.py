"""Do the intervals hold the truth as often as they say, and how often do they decide against it?

Designs are asked on arrays whose truth is known. The caller passes the worlds: this room draws nothing and
knows no simulator. Bounds: docs/validation.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from insitu.arrays import Floats
from insitu.model import PeriodName, Verdict
from proving.coverage.asked import AnyCell, Cell, Drawn, World
from trials.designs import Answer, ask
from trials.plan.parts import Target
from trials.statistics.criteria import judge

LEVEL = 0.95
POWER = 0.8
SEED = 20261128
CHUNK = 50
"""Replications that a process takes at a time."""


class Ends(NamedTuple):
    """One statistic in one replication."""

    value: float
    low: float
    high: float
    up: float
    """t(.975)·se + t(.8)·se above the value: half-widths of the design's own interval at levels .95 and
    .6.
    """
    down: float
    """The same below the value; differs where the two sides of the scale are not alike."""


class Counts(NamedTuple):
    """Shares of the replications that were answered."""

    coverage: float
    above: float
    """Interval wholly at or above the truth: `met` for [truth, ∞), which is false on the margin; `not_met`
    for (−∞, truth].
    """
    below: float
    planned: float
    """Designed effect on the side with less power, unit of the statistic: t(.975)·se + t(.8)·se, its 80 %
    quantile over the replications.
    """
    power: float
    """Share of `met` when the margin lies that far from the truth, on the worse of the two sides."""
    width: float
    """How many times wider the intervals are than those that would hold the truth in 95 %."""
    half: float | None = None
    """Median half-width over all replications, those without an answer as the widest; None if most have
    none.
    """

    @property
    def false(self) -> float:
        return max(self.above, self.below)


@dataclass(frozen=True, slots=True)
class Measured:
    """One cell of one world."""

    world: str
    design: str
    cell: Cell
    asked: int
    answered: int
    counts: Mapping[str, Counts]
    targets: tuple[str, ...]
    """Statistics in the world's own criterion."""
    met: float
    """Share of `met` by that criterion; must stay low in an A/A trial."""
    spaced: bool = False
    """Values are a day apart or more; then an interval that is refused counts as one that holds the truth."""
    ideal: Mapping[str, float] = field(default_factory=dict)
    """Statistic → half-width of somebody who knows φ and σ, where the world says it."""

    def holding(self, statistic: str) -> float:
        """Share of the replications whose interval holds the truth, by the convention of the world."""
        counts = self.counts[statistic]
        if not self.spaced:
            return counts.coverage
        return 1 - (1 - counts.coverage) * self.answered / self.asked

    def wrong(self, statistic: str) -> float:
        """Share of false verdicts on the worse side, of the same replications."""
        return self.counts[statistic].false * (self.answered / self.asked if self.spaced else 1)

    def width(self, statistic: str) -> float | None:
        """Median half-width ÷ ideal; None if it is not known."""
        half = self.counts[statistic].half
        return half / self.ideal[statistic] if half is not None and statistic in self.ideal else None


def replicate(world: World[AnyCell], cell: AnyCell, numbers: Iterable[int]) -> list[dict[str, Ends]]:
    """Statistic → its ends in each replication; empty where the design reports that it cannot judge."""
    wanted = world.truth(cell)
    found = []
    for number in numbers:
        answer = answered(world, cell, drawn_of(world, cell, number))
        ends = {}
        for known in (one for one in answer.statistics if one.statistic in wanted and not answer.blocked):
            low, high = known.interval(LEVEL)
            near_low, near_high = known.interval(2 * POWER - 1)
            up, down = high + near_high - 2 * known.value, 2 * known.value - low - near_low
            ends[known.statistic] = Ends(known.value, low, high, up, down)
        found.append(ends)
    return found


def drawn_of(world: World[AnyCell], cell: AnyCell, number: int) -> Drawn:
    """Replication `number` of a cell, from a random stream of its own."""
    seed = [
        SEED,
        *world.name.encode(),
        round(100 * cell.phi),
        cell.days,
        round(10 * cell.trend),
        int(cell.treated),
        number,
    ]
    return world.draw(np.random.default_rng(seed), cell)


def answered(world: World[AnyCell], cell: AnyCell, drawn: Drawn, days: int | None = None) -> Answer:
    """The design's answer to one draw. `days`: cut the reporting period after this number of days, as for an
    early look.
    """
    seen = None if days is None else 24 * days

    def named(role: str, period: str, units: list[Floats]) -> dict[str, Floats]:
        stop = seen if period == PeriodName.REPORTING else None
        return {f"{role}-{number}": values[:stop] for number, values in enumerate(units)}

    return ask(
        world.design,
        start=world.starts(cell),
        interval=world.interval,
        grid=world.interval,
        kept=world.kept,
        unit=world.unit,
        targets=world.targets,
        arms={
            role: {name: named(role, name, units) for name, units in periods.items()}
            for role, periods in drawn.arms.items()
        },
        parameters=world.parameters,
        aggregation=world.aggregation,
        schedule=drawn.schedule,
        covariates=drawn.covariates,
        bare=True,
    )


def measure(
    world: World[AnyCell],
    cells: Sequence[AnyCell],
    *,
    replications: int,
    pool: ProcessPoolExecutor | None = None,
) -> list[Measured]:
    """Measures every cell of a world; the processes of `pool` share the replications."""
    spans = [range(first, min(first + CHUNK, replications)) for first in range(0, replications, CHUNK)]
    if pool is None:
        return [
            summed(world, cell, [one for span in spans for one in replicate(world, cell, span)])
            for cell in cells
        ]
    running = [(cell, [pool.submit(replicate, world, cell, span) for span in spans]) for cell in cells]
    return [summed(world, cell, [one for part in parts for one in part.result()]) for cell, parts in running]


def summed(world: World[AnyCell], cell: AnyCell, found: Sequence[Mapping[str, Ends]]) -> Measured:
    """Counts the statistics whose truth the world knows."""
    answers = [one for one in found if one]
    counts = {}
    for statistic, true in world.truth(cell).items():
        rows = np.array([one[statistic] for one in answers if statistic in one])
        if len(rows):
            counts[statistic] = counted(rows, true, len(found))
    met = 0
    for statistic, (low, high) in world.targets.items():
        judged = [
            judge(*one[statistic][1:3], Target(low=low, high=high)) for one in answers if statistic in one
        ]
        met = judged.count(Verdict.MET)
    return Measured(
        world.name,
        world.design,
        cell,
        len(found),
        len(answers),
        counts,
        tuple(world.targets),
        met / max(1, len(answers)),
        world.spaced,
        world.ideal(cell) if world.ideal else {},
    )


def counted(rows: Floats, true: float, asked: int | None = None) -> Counts:
    """Judges the replications of one statistic by the rule that every verdict uses.

    `rows`: (answers, 5), the columns of `Ends`. `asked`: replications, if some have no answer.
    """
    value, lows, highs = rows.T[:3]

    def met(target: Target) -> float:
        return sum(
            judge(low, high, target) is Verdict.MET for low, high in zip(lows, highs, strict=True)
        ) / len(rows)

    up, down = (float(effect) for effect in np.quantile(rows[:, 3:], POWER, axis=0))
    upwards, downwards = met(Target(high=true + up)), met(Target(low=true - down))
    sides = np.where(value > true, value - lows, highs - value)
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = np.nan_to_num(np.abs(value - true) / sides, nan=0.0)
    return Counts(
        coverage=float(np.mean((lows <= true) & (true <= highs))),
        above=met(Target(low=true)),
        below=met(Target(high=true)),
        planned=up if upwards <= downwards else down,
        power=min(upwards, downwards),
        width=1 / max(1e-9, float(np.quantile(missed, LEVEL))),
        half=_middle((highs - lows) / 2, asked or len(rows)),
    )


def _middle(halves: Floats, asked: int) -> float | None:
    """The median of `asked` half-widths; those that are not there are the widest."""
    ordered = np.r_[np.sort(halves), np.full(asked - len(halves), np.inf)]
    middle = float(np.mean(ordered[[(asked - 1) // 2, asked // 2]]))
    return middle if np.isfinite(middle) else None


@contextmanager
def pool_of(number: int) -> Iterator[ProcessPoolExecutor | None]:
    """A pool of `number` processes, each with one thread for linear algebra; None for fewer than two."""
    if number < 2:
        yield None
        return
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        with ProcessPoolExecutor(number, get_context("spawn")) as pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        if before is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = before
