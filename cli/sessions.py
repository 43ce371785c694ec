"""`shards`: which sessions of the broker hear which trials, who ingests for them, and how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import say
from cli.target import open_target
from insitu.errors import CorrectInput
from insitu.settings import load
from store.shards import layout, resize, set_home

if TYPE_CHECKING:
    from store.shards import Layout


def shards(
    count: Annotated[
        int,
        typer.Option(
            help="So many from now on, the trials spread evenly; each trial moves without losing a message."
        ),
    ] = 0,
    move: Annotated[
        list[str] | None, typer.Option(help="TRIAL=SHARD: hear that trial in that shard from now on.")
    ] = None,
) -> None:
    """Show the shards, or change how many there are and which trial each hears; running ingestors follow by
    themselves.
    """
    window = load().window
    _, conn = open_target("insitu shards")
    with conn:
        if count:
            resize(conn, count, window=window)
        for text in move or []:
            trial, _, number = text.partition("=")
            if not number.isdigit():
                raise CorrectInput(f"{text!r}: write TRIAL=SHARD, for example platform-air=1.")
            set_home(conn, trial, int(number), window=window)
        found = layout(conn)
    _show(found)


def _show(found: Layout) -> None:
    state = (
        "every trial is heard" if found.is_ready else "the sessions are being made: look again in ten seconds"
    )
    say(f"{found.count} shard{'s' if found.count > 1 else ''}; {state}.")
    for shard in found.shards:
        wanted, has = set(found.wanted(shard.shard_id)), set(shard.filters)
        trials = (
            "every trial"
            if found.count == 1
            else ", ".join(h.trial for h in found.homes if h.shard_id == shard.shard_id) or "none"
        )
        say(f"shard {shard.shard_id}: {trials}")
        say(
            f"  ingestor: {shard.held_by or 'none: start `insitu ingest`'}; {shard.pending} messages in its "
            "hands"
        )
        if wanted - has:
            say(f"  not heard yet: {', '.join(sorted(wanted - has))}")
        if has - wanted:
            say(f"  being drained: {', '.join(sorted(has - wanted))}")
        if shard.problem:
            say(f"  {shard.problem}")
