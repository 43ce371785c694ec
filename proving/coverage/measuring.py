"""Measures every world and prints the tables of docs/validation.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from insitu.errors import CorrectInput
from proving.coverage import bounds, looks, missing, tables
from proving.coverage.asked import AnyCell, World
from proving.coverage.bounds import Result
from proving.coverage.entries import Entry
from proving.coverage.intervals import Measured, measure, pool_of
from proving.coverage.page import PAGE, write_page
from proving.coverage.results import CELLS, Row, digest_code, load_rows, measure_rows, save_rows
from proving.machine import machine, say
from simulators.worlds.spaced import spaced

AGAIN: Final = 2000
"""Replications of a cell beyond a bound: what chance makes of 200 is no finding."""
Worlds = Sequence[tuple[World[AnyCell], Sequence[AnyCell]]]


def run(
    worlds: Worlds[AnyCell],
    looked: Worlds[AnyCell],
    *,
    replications: int,
    processes: int,
    whole: bool = False,
) -> None:
    """Prints the tables of docs/validation.md, each world when it is done; then the ten looks and the numbers
    beyond the bounds. `whole`: also values a day apart, and data that are missing.
    """
    say(
        f"{datetime.now().astimezone():%-d %B %Y}; {machine()}, numpy {np.__version__}; {replications:,} "
        "replications a cell."
    )
    results: list[Result] = []
    with pool_of(processes) as pool:
        for world, cells in worlds:
            found = measure(world, cells, replications=replications, pool=pool)
            results += found
            say("\n" + tables.section(found))
        say("\n## Nothing done\n" + tables.nothing_done([r for r in results if isinstance(r, Measured)]))
        early = [
            one
            for world, cells in looked
            for one in looks.measure(world, cells, replications=replications, pool=pool)
        ]
        if early:
            say("\n## Design 12: ten looks\n" + looks.table(early))
        results += early
        if whole:
            results += _beside_designs(replications, pool)
    beyond = bounds.of_results(results)
    say("\n## Beyond the bounds\n" + ("\n".join(f"- {told}." for told in beyond) or "Nothing."))


def _beside_designs(replications: int, pool: ProcessPoolExecutor | None) -> list[Result]:
    """Measures and prints the other groups of the page."""
    results: list[Result] = []
    for world, cells in spaced():
        found = measure(world, cells, replications=replications, pool=pool)
        results += found
        say(f"\n## World `{world.name}`\n" + tables.spaced(found))
    silent = missing.measure(missing.cells(), replications=replications, pool=pool)
    say("\n## Missing because of their value\n" + missing.table(silent))
    random = missing.measure(missing.powers(), replications=replications, pool=pool)
    say("\n## Missing at random: power\n" + missing.table_of_power(random))
    return [*results, *silent, *random]


def write_validation(
    entries: Sequence[Entry],
    *,
    replications: int,
    processes: int,
    again: int = AGAIN,
    only: Sequence[str] = (),
    cells: Path = CELLS,
    page: Path = PAGE,
) -> None:
    """Measures the cells that are missing, or stale, or have fewer replications; then those beyond a bound
    with `again` replications. Stores each when it is done, and writes the page at the end. `only`: these
    groups, as far as they are stale; the others stay as they are. CorrectInput outside a clone, or for a
    group that does not exist.
    """
    if not page.is_file():
        raise CorrectInput(f"There is no {page}: cells are stored, and the page is written, in a clone.")
    groups = list(dict.fromkeys(entry.group for entry in entries))
    for name in only:
        if name not in groups:
            raise CorrectInput(f"There is no group {name!r}: {', '.join(groups)}.")
    asked = [entry for entry in entries if not only or entry.group in only]
    with pool_of(processes) as pool:
        rows = _measured(entries, asked, load_rows(cells), replications, pool, cells)
        doubtful = [entry for entry in asked if _is_beyond(entry, rows[entry.key])]
        say(f"{len(doubtful)} of {len(asked)} cells are beyond a bound.")
        _measured(entries, doubtful, rows, max(again, replications), pool, cells)
    write_page(page, cells)


def _is_beyond(entry: Entry, row: Row) -> bool:
    return bounds.is_beyond(entry.read(row.numbers, row.replications))


def _measured(
    entries: Sequence[Entry],
    asked: Sequence[Entry],
    rows: Mapping[str, Row],
    replications: int,
    pool: ProcessPoolExecutor | None,
    path: Path,
) -> dict[str, Row]:
    """All rows, with those of `asked` measured or kept; a line for each that is new."""
    known = dict(rows)
    found = measure_rows(asked, rows, replications=replications, pool=pool, code=digest_code())
    for number, row in enumerate(found, start=1):
        if known.get(row.key) != row:
            known[row.key] = row
            save_rows([known[entry.key] for entry in entries if entry.key in known], path)
            say(f"{number} of {len(asked)}: {row.key}")
    return known
