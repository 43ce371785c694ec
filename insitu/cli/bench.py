"""`bench`: measure on this machine, print the table."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Benchmarks; each prints its table.", no_args_is_help=True)
    group.command()(ingest)
    app.add_typer(group, name="bench")


def ingest(
    messages: Annotated[int, typer.Option(help="Messages that fill the session.")] = 200_000,
    results: Annotated[
        list[int] | None, typer.Option(help="Results a message; may be given several times [default: 1, 3, 10].")
    ] = None,
    rate: Annotated[
        list[int] | None, typer.Option(help="Live messages a second; may be given several times [default: 1000, 5000].")
    ] = None,
    away: Annotated[
        list[float] | None, typer.Option(help="Instead: the database away for so many seconds while devices publish.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Runs of each; the table shows medians.")] = 3,
) -> None:
    """From publish to commit at QoS 1: by drain, clean and dirty, and live, beside the yardsticks of the same run."""
    from ingest.bench import away as measure_away
    from ingest.bench import run

    if away:
        measure_away(seconds=tuple(away), results=tuple(results or (3,)))
        return
    run(messages=messages, results=tuple(results or (1, 3, 10)), runs=runs, rates=tuple(rate or (1000, 5000)))
