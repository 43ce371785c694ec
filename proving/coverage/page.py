"""docs/validation.md: its tables are written from the stored results, between marks. The sentences around
them are written by hand, and state no number that the results decide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from proving.coverage import bounds, forecasts, looks, missing, seasons, tables
from proving.coverage.bounds import Beyond, Result
from proving.coverage.entries import FORECASTS, POWER, SEASONS, SILENCE, Entry, OfWorld, list_entries
from proving.coverage.forecasts import Foretold
from proving.coverage.intervals import SEED, Measured
from proving.coverage.looks import Looked
from proving.coverage.missing import Judged
from proving.coverage.results import CELLS, ROOT, Row, is_of_now, load_rows
from proving.coverage.seasons import Drifted
from trials.plan.rules import NEWEST

PAGE: Final = ROOT / "docs" / "validation.md"
ORACLES: Final = CELLS.with_name("oracles.json")
_BLOCK: Final = re.compile(r"(?<=<!-- measured: )([^>\n]+?)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
_Kind = TypeVar("_Kind", Measured, Looked, Judged, Foretold, Drifted)


@dataclass(frozen=True, slots=True)
class Compared:
    """One statistic beside an implementation of somebody else."""

    statistic: str
    other: str
    cases: str
    difference: float
    """The largest, relative to the other result, as measured."""
    most: float
    """The largest that the tests allow."""


def write_page(path: Path = PAGE, cells: Path = CELLS) -> None:
    """Renders the page again from the stored results."""
    text = path.read_text("utf-8")
    path.write_text(render(text, blocks_of(load_rows(cells), load_oracles())), "utf-8")


def render(text: str, blocks: Mapping[str, str]) -> str:
    """The page with every block between its marks. KeyError for a mark without results."""
    return _BLOCK.sub(lambda found: f"{found[1]}{found[2]}\n{blocks[found[1]]}\n\n", text)


def marks_of(text: str) -> list[str]:
    """Names of the blocks, in the order of the page."""
    return [found[1] for found in _BLOCK.finditer(text)]


def blocks_of(rows: Mapping[str, Row], oracles: Sequence[Compared]) -> dict[str, str]:
    """Name → text of each block of the page."""
    read = [(entry, rows[entry.key]) for entry in list_entries() if entry.key in rows]
    results = [(entry, entry.read(row.numbers, row.replications)) for entry, row in read]
    everything = [result for _, result in results]
    measured = _of(Measured, results)
    by_world: dict[str, list[Measured]] = {}
    for one in measured:
        by_world.setdefault(one.world, []).append(one)
    hourly = {name: found for name, found in by_world.items() if not found[0].spaced}
    worlds = [entry.world for entry in list_entries() if isinstance(entry, OfWorld)]
    asides = {world.name for world in worlds if world.aside}
    return {
        **{world.name: "Not measured yet." for world in worlds if not world.aside},
        "cells": _stated(read) + _waiting(waiting_cells(rows)),
        "beyond the bounds": _beyond(bounds.of_results(everything)),
        **{name: _table(found) for name, found in hourly.items() if name not in asides},
        "other aggregations": tables.aggregations(
            {name: of for name, of in hourly.items() if name in {"before_after", *asides}}
        ),
        **{
            name: tables.spaced(of) + _replications(read, name)
            for name, of in by_world.items()
            if name not in hourly
        },
        "nothing done": tables.nothing_done(measured),
        "ten looks": looks.table(_of(Looked, results)) + _replications(read, "ten looks"),
        SILENCE: missing.table(_of(Judged, results, SILENCE)) + _replications(read, SILENCE),
        POWER: missing.table_of_power(_of(Judged, results, POWER)) + _replications(read, POWER),
        FORECASTS: forecasts.table(_of(Foretold, results)) + _replications(read, FORECASTS),
        SEASONS: seasons.table(_of(Drifted, results)) + _replications(read, SEASONS),
        "changes": seasons.table_of_changes(_of(Drifted, results)),
        "other implementations": table_of_oracles(oracles),
    }


def load_oracles(path: Path = ORACLES) -> list[Compared]:
    """As stored by the tests that compare."""
    return [Compared(**one) for one in json.loads(path.read_text("utf-8"))]


def table_of_oracles(found: Sequence[Compared]) -> str:
    """A row for each statistic and implementation."""
    rows = ["| statistic | compared with | on | largest difference | allowed |", "|---|---|---|---|---|"]
    rows += [
        f"| {one.statistic} | {one.other} | {one.cases} | {one.difference:.0e} | {one.most:.0e} |"
        for one in found
    ]
    return "\n".join(rows)


def _of(kind: type[_Kind], results: Sequence[tuple[Entry, Result]], group: str | None = None) -> list[_Kind]:
    return [result for entry, result in results if isinstance(result, kind) and group in (None, entry.group)]


def _table(found: Sequence[Measured]) -> str:
    remarks = "\n".join(f"- {told}." for told in tables.conservative(found))
    return tables.table(found) + (f"\n\n{remarks}" if remarks else "")


def _stated(read: Sequence[tuple[Entry, Row]]) -> str:
    """Rules, seed, cells and replications."""
    if not read:
        return "Not measured yet."
    rows = [row for _, row in read]
    counts: dict[int, int] = {}
    for row in rows:
        counts[row.replications] = counts.get(row.replications, 0) + 1
    parts = ", ".join(f"{cells} of {number:,} replications" for number, cells in sorted(counts.items()))
    errors = ", ".join(
        f"{bounds.error_of(0.95, number):.3f} and {bounds.error_of(0.025, number):.3f}"
        for number in sorted(counts)
    )
    checked = sum(row.drawn < row.rules for row in rows)
    kept = sum(entry.since <= row.rules < NEWEST for entry, row in read)
    told = ""
    if kept:
        told += f" {kept} cells are of earlier rules, since which nothing has changed for them."
    if checked:
        told += f" {checked} were drawn by earlier rules than those by which their first 50 give the same."
    return (
        f"Rules {NEWEST}, seed {SEED}. {len(rows)} cells: {parts}. The standard errors of a coverage of .95 "
        f"and of a false verdict of .025 are {errors}." + told
    )


def waiting_cells(rows: Mapping[str, Row]) -> list[Entry]:
    """Those without results of today's rules: the page names their groups, and `make nightly` fails."""
    return [entry for entry in list_entries() if not is_of_now(rows.get(entry.key), entry)]


def _waiting(entries: Sequence[Entry]) -> str:
    if not entries:
        return ""
    groups: dict[str, int] = {}
    for entry in entries:
        groups[entry.group] = groups.get(entry.group, 0) + 1
    named = ", ".join(f"{group} ({number})" for group, number in groups.items())
    return (
        f"\n\n**{len(entries)} cells wait to be measured by rules {NEWEST}**, and show earlier rules or "
        f"nothing: {named}."
    )


def _replications(read: Sequence[tuple[Entry, Row]], group: str) -> str:
    """Of the cells of a group whose table does not show them."""
    numbers = sorted({row.replications for entry, row in read if entry.group.startswith(group)})
    return f"\n\n{' or '.join(f'{number:,}' for number in numbers)} replications a cell." if numbers else ""


def _beyond(found: Sequence[Beyond]) -> str:
    """Those that chance does not explain first."""
    certain = [f"- {one}." for one in found if one.is_certain]
    near = [f"- {one}." for one in found if not one.is_certain]
    lines = ["\n".join(certain)] if certain else ["Nothing is certainly beyond its bound."]
    if near:
        told = (
            "Beyond a bound by less than three standard errors of the measurement, which chance may explain, "
            "or with too few answers to judge:"
        )
        lines += [told, "\n".join(near)]
    return "\n\n".join(lines)
