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
    results: Annotated[list[int] | None, typer.Option(help="Results a message; may be given several times.")] = None,
    runs: Annotated[int, typer.Option(help="Runs of each; the table shows medians.")] = 3,
) -> None:
    """From publish to commit at QoS 1, by drain, beside the yardsticks of the same run."""
    from ingest.bench import run

    run(messages=messages, results=tuple(results or (3,)), runs=runs)
