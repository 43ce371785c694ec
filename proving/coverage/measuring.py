"""Measures every world and prints the tables of docs/validation.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from proving.coverage import looks, missing, tables
from proving.coverage.entries import list_entries
from proving.coverage.intervals import AnyCell, Measured, World, measure, pool_of
from proving.coverage.results import CELLS, Row, load_rows, measure_rows, save_rows
from proving.machine import machine, say

Worlds = Sequence[tuple[World[AnyCell], Sequence[AnyCell]]]


def run(
    worlds: Worlds[AnyCell],
    looked: Worlds[AnyCell],
    *,
    replications: int,
    processes: int,
    with_silent: bool = False,
) -> None:
    """Prints the tables of docs/validation.md, each world when it is done; then the ten looks, silence
    because of the value (`with_silent`), and the numbers beyond the bounds.
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
        silent = missing.measure(missing.cells(), replications=replications, pool=pool) if with_silent else []
        random = (
            missing.measure(missing.powers(), replications=replications, pool=pool) if with_silent else []
        )
    say("\n## Nothing done\n" + tables.nothing_done(everything))
    if early:
        say("\n## Design 12: ten looks\n" + looks.table(early))
    if with_silent:
        say("\n## Missing because of their value\n" + missing.table(silent))
        say("\n## Missing at random: power\n" + missing.table_of_power(random))
    beyond = tables.shortfalls(everything) + looks.shortfalls(early, replications)
    beyond += missing.shortfalls(silent)
    say("\n## Beyond the bounds\n" + ("\n".join(f"- {told}." for told in beyond) or "Nothing."))


def write_validation(*, replications: int, processes: int, cells: Path = CELLS) -> None:
    """Measures the cells that are missing, or stale, or have fewer replications, and stores each when it is
    done.
    """
    entries = list_entries()
    rows = load_rows(cells)
    done: dict[str, Row] = {}
    with pool_of(processes) as pool:
        for number, row in enumerate(
            measure_rows(entries, rows, replications=replications, pool=pool), start=1
        ):
            done[row.key] = row
            if rows.get(row.key) != row:
                known = {**rows, **done}
                save_rows([known[one.key] for one in entries if one.key in known], cells)
                say(f"{number} of {len(entries)}: {row.key}")
    save_rows(done.values(), cells)
