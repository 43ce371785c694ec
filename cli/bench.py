"""`bench`: measure on this machine and print the table."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Annotated

import typer

from cli.addresses import database_url_of
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from insitu.settings import load
from jobs.evaluations import evaluate_changed
from proving.coverage.entries import list_entries
from proving.coverage.measuring import run as measure_coverage
from proving.coverage.measuring import write_validation
from proving.speed.evaluations import measure
from proving.speed.fill import Size
from proving.speed.pages import measure as measure_pages
from proving.speed.reads import measure as measure_reads
from proving.throughput.beside_packer import measure as measure_packing
from proving.throughput.dirt import measure as measure_dirt
from proving.throughput.measuring import away as measure_away
from proving.throughput.measuring import run as measure_ingest
from simulators.worlds.cell import DAYS, PHIS, TRENDS
from simulators.worlds.register import chosen, looked


def ingest(
    messages: Annotated[int, typer.Option(min=1000, help="Messages that fill the session.")] = 200_000,
    results: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Results in a message; may be given several times [default: 1, 3, 10]."),
    ] = None,
    rate: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Live messages a second; may be given several times [default: 1000, 5000]."),
    ] = None,
    away: Annotated[
        list[float] | None,
        typer.Option(min=1, help="Instead: keep the database away this many seconds while devices publish."),
    ] = None,
    packing: Annotated[
        bool,
        typer.Option("--packing", help="Instead: drain without the packer, beside it, and without it again."),
    ] = False,
    dirt: Annotated[
        int | None,
        typer.Option(
            min=2, help="Instead: drain clean and dirty input in turn, one message in this number dirty."
        ),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each; the table shows medians.")] = 3,
) -> None:
    """From publish to commit at QoS 1: by drain, clean and dirty, and live, next to reference measurements of
    the same run.
    """
    if away:
        measure_away(seconds=tuple(away), results=tuple(results or (3,)))
        return
    if dirt:
        measure_dirt(messages=messages, results=tuple(results or (1, 3, 10)), runs=runs, one_in=dirt)
        return
    if packing:
        measure_packing(messages=messages, results=tuple(results or (3,)), runs=runs)
        return
    measure_ingest(
        messages=messages, results=tuple(results or (1, 3, 10)), runs=runs, rates=tuple(rate or (1000, 5000))
    )


def evaluate(
    speed: Annotated[
        bool,
        typer.Option(
            "--speed", help="Instead: time and memory of a year of minutes, and of a night of small trials."
        ),
    ] = False,
    design: Annotated[
        list[str] | None, typer.Option(help="Only worlds of this design; may be given several times.")
    ] = None,
    replications: Annotated[int, typer.Option(min=1, help="Draws of each cell.")] = 2000,
    phi: Annotated[
        list[float] | None, typer.Option(help="Autocorrelation of the hourly errors, 0 ≤ φ < 1.")
    ] = None,
    days: Annotated[list[int] | None, typer.Option(min=14, help="Days in a period.")] = None,
    trend: Annotated[
        list[float] | None, typer.Option(help="Trend over a period, in standard deviations.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Number of processes that share the work.")] = 2,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Instead: measure the cells of docs/validation.md that have fewer replications, or were "
            "measured by other code, and write the page. Goes on where it was stopped.",
        ),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="With --write: only this group of cells (a world, silence, seasons, …)."),
    ] = None,
) -> None:
    """How often intervals contain a truth known from simulation, false verdicts, power: the tables of
    docs/validation.md; or time and memory.
    """
    if speed:
        evaluate_speed()
        return
    if write:
        write_validation(list_entries(), replications=replications, processes=processes, only=only or ())
        return
    worlds = chosen(design, phi=phi or PHIS, days=days or DAYS, trend=trend or TRENDS)
    early = looked([world for world, _ in worlds], phi=phi or PHIS, days=days or DAYS)
    whole = not (design or phi or days or trend)
    measure_coverage(worlds, early, whole=whole, replications=replications, processes=processes)


def query(
    rows: Annotated[
        list[int] | None,
        typer.Option(min=300_000, help="Results; may be given several times [default: 1000000, 10000000]."),
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="Devices, with one datastream each.")] = 1000,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="Minutes between two results.")] = 10,
    runs: Annotated[int, typer.Option(min=2, help="Runs of each query.")] = 20,
    cold: Annotated[
        int, typer.Option(min=0, help="Runs of each query with nothing in memory, on a server of the bench.")
    ] = 3,
    packed: Annotated[
        bool, typer.Option("--packed", help="Load packed days at once, and measure these alone.")
    ] = False,
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="Fill the empty database at INSITU_DATABASE_URL, for example one with TimescaleDB, with one "
            "number of rows.",
        ),
    ] = False,
) -> None:
    """How fast results are read, how that grows with them, and how many bytes they take: among the
    observations, packed, and with a cold cache. Exits with 1 if a packed one misses its goal.
    """
    every = timedelta(minutes=minutes)
    if here and len(rows or ()) != 1:
        raise CorrectInput("A database takes one number of rows: give --rows once with --here.")
    per_day = devices * (timedelta(days=1) // every)
    sizes = [Size(devices, max(3, count // per_day), every) for count in rows or (1_000_000, 10_000_000)]
    url = database_url_of(load()) if here else None
    measure_reads(sizes, runs=runs, cold=cold, only_packed=packed, database_url=url)


def pages(
    rows: Annotated[int, typer.Option(min=300_000, help="Results, in packed days.")] = 1_000_000,
    devices: Annotated[int, typer.Option(min=20, help="Devices, with one datastream each.")] = 1000,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="Minutes between two results.")] = 10,
    runs: Annotated[int, typer.Option(min=5, help="Runs of each page with a warm cache.")] = 30,
) -> None:
    """How fast the pages are for a signed-in person, warm and cold, what a first visit loads, and what 200
    live screens cost. Exits with 1 if a goal is missed.
    """
    every = timedelta(minutes=minutes)
    per_day = devices * (timedelta(days=1) // every)
    measure_pages(Size(devices, max(3, rows // per_day), every), runs=runs)


def evaluate_speed() -> None:
    """Time and memory of an evaluation, and of the nightly job."""
    measure(lambda conn: len(evaluate_changed(conn, SYSTEM, threading.Event())))
