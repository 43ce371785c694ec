"""Measures every world and prints the tables of docs/validation.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from proving.coverage import looks, tables
from proving.coverage.intervals import AnyCell, Measured, World, measure, pool_of
from proving.machine import machine, say

Worlds = Sequence[tuple[World[AnyCell], Sequence[AnyCell]]]


def run(worlds: Worlds[AnyCell], looked: Worlds[AnyCell], *, replications: int, processes: int) -> None:
    """Prints the tables of docs/validation.md, each world when it is done; then the ten looks, and the
    numbers beyond the bounds.
    """
    say(
        f"{datetime.now().astimezone():%-d %B %Y}; {machine()}, numpy {np.__version__}; {replications:,} "
        "replications a cell."
    )
    everything: list[Measured] = []
    early: list[looks.Looked] = []
    with pool_of(processes) as pool:
        for world, cells in worlds:
            found = measure(world, cells, replications=replications, pool=pool)
            everything += found
            say("\n" + tables.section(found))
        for world, cells in looked:
            early += looks.measure(world, cells, replications=replications, pool=pool)
    say("\n## Nothing done\n" + tables.nothing_done(everything))
    if early:
        say("\n## Design 12: ten looks\n" + looks.table(early))
    beyond = tables.shortfalls(everything) + looks.shortfalls(early, replications)
    say("\n## Beyond the bounds\n" + ("\n".join(f"- {told}." for told in beyond) or "Nothing."))
