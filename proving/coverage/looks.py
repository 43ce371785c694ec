"""Design 12: how often do ten looks at a trial that lasts exclude the truth at least once?

A false exclusion is a look whose interval does not hold the truth. With intervals for one look their chance
grows with every look; the always-valid ones must keep it under 5 % for all together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from proving.coverage.asked import AnyCell, World
from proving.coverage.intervals import CHUNK, LEVEL, answered, drawn_of
from trials.designs.early_look import look
from trials.statistics.intervals import MIN_DAYS

LOOKS = 10
MOST = 0.05
"""False exclusions with all looks together."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One cell of one world; shares of the replications."""

    world: str
    design: str
    statistic: str
    phi: float
    days: int
    replications: int
    looks: float
    """Looks that were answered, of ten: with fewer than 14 days that count there is no interval."""
    always_valid: float
    single: float
    """The share for intervals made for one look."""


def days_of_looks(days: int) -> list[int]:
    """Ten days from the 14th to the last, evenly."""
    return [round(day) for day in np.linspace(MIN_DAYS, days, LOOKS)]


def replicate(world: World[AnyCell], cell: AnyCell, numbers: Iterable[int]) -> list[tuple[int, bool, bool]]:
    """For each replication (looks answered, whether any look excluded the truth, the same for single-look
    intervals).
    """
    statistic, true = next(iter(world.truth(cell).items()))
    found = []
    for number in numbers:
        drawn = drawn_of(world, cell, number)
        looks, ever, once = 0, False, False
        for days in days_of_looks(cell.days):
            plain = answered(world, cell, drawn, days)
            early = look(plain, days=days, planned=cell.days)
            if early.blocked or not early.statistics:
                continue
            looks += 1
            low, high = early.statistic(statistic).interval(LEVEL)
            ever |= not low <= true <= high
            if not plain.blocked:
                low, high = plain.statistic(statistic).interval(LEVEL)
                once |= not low <= true <= high
        found.append((looks, ever, once))
    return found


def measure(
    world: World[AnyCell],
    cells: Sequence[AnyCell],
    *,
    replications: int,
    pool: ProcessPoolExecutor | None = None,
) -> list[Looked]:
    """Measures every cell of a world; the processes of `pool` share the replications."""
    spans = [range(first, min(first + CHUNK, replications)) for first in range(0, replications, CHUNK)]
    if pool is None:
        return [
            shares(world, cell, [one for span in spans for one in replicate(world, cell, span)])
            for cell in cells
        ]
    running = [(cell, [pool.submit(replicate, world, cell, span) for span in spans]) for cell in cells]
    return [shares(world, cell, [one for part in parts for one in part.result()]) for cell, parts in running]


def shares(world: World[AnyCell], cell: AnyCell, found: Sequence[tuple[int, bool, bool]]) -> Looked:
    """Counts the trials that a look excluded."""
    looks, ever, once = (float(share) for share in np.mean(np.array(found, float), axis=0))
    statistic = next(iter(world.truth(cell)))
    return Looked(world.name, world.design, statistic, cell.phi, cell.days, len(found), looks, ever, once)


def table(found: Sequence[Looked]) -> str:
    """A row for each cell."""
    rows = [
        "| design | statistic | φ | days | looks answered | always valid | intervals of one look |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        cell = f"{one.design} | `{one.statistic}` | {one.phi:g} | {one.days} | {one.looks:.1f}"
        rows.append(f"| {cell} | {one.always_valid:.3f} | {one.single:.3f} |")
    return "\n".join(rows)
