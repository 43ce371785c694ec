"""`bench`: measure on this machine, print the table."""

from __future__ import annotations

from typing import Annotated

import typer

from insitu.errors import CorrectInput


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Benchmarks; each prints its table.", no_args_is_help=True)
    group.command()(ingest)
    group.command()(evaluate)
    app.add_typer(group, name="bench")


def ingest(
    messages: Annotated[int, typer.Option(help="Messages that fill the session.")] = 200_000,
    results: Annotated[list[int] | None, typer.Option(help="Results a message; may be given several times.")] = None,
    dirt: Annotated[bool, typer.Option(help="Instead: clean input against 1 % repeated and 1 % malformed messages.")] = False,
    away: Annotated[
        list[float] | None, typer.Option(help="Instead: the database away for so many seconds while devices publish.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Runs of each; the table shows medians.")] = 3,
) -> None:
    """From publish to commit at QoS 1, by drain, beside the yardsticks of the same run."""
    from ingest.bench import away as measure_away
    from ingest.bench import dirt as measure_dirt
    from ingest.bench import run

    if away:
        measure_away(seconds=tuple(away), results=tuple(results or (3,)))
        return
    measure = measure_dirt if dirt else run
    measure(messages=messages, results=tuple(results or (3,)), runs=runs)


def evaluate(
    speed: Annotated[
        bool, typer.Option("--speed", help="Time and memory: a year of minutes, and a night of small trials.")
    ] = False,
) -> None:
    """Evaluations, measured on data of known truth."""
    if not speed:
        raise CorrectInput("Say what to measure: --speed.")
    evaluate_speed()


def evaluate_speed() -> None:
    """Time and memory of an evaluation, and of the nightly job."""
    import threading

    from api.jobs.evaluations import evaluate_changed
    from insitu.clock import SYSTEM
    from trials.bench.speed import measure

    measure(lambda conn: len(evaluate_changed(conn, SYSTEM, threading.Event())))
