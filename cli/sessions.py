"""`shards`: the sessions of the broker, their trials, ingestors and number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import open_acting
from cli.options import JsonOption
from cli.reports import show
from insitu.errors import CorrectInput
from insitu.settings import load
from store.audit import record
from store.shards import layout, resize, set_home

if TYPE_CHECKING:
    from store.audit import record
from store.shards import Layout, Shard


@dataclass(frozen=True, slots=True)
class ShardState:
    shard: int
    trials: list[str]
    ingestor: str | None
    pending: int
    """Messages that its ingestor holds."""
    not_heard_yet: list[str]
    """Topic filters."""
    being_drained: list[str]
    problem: str | None


@dataclass(frozen=True, slots=True)
class ShardsState:
    count: int
    is_ready: bool
    """Every trial is heard."""
    shards: list[ShardState]


def shards(
    count: Annotated[
        int,
        typer.Option(
            help="New number of shards; spreads the trials evenly and moves each without losing a message."
        ),
    ] = 0,
    move: Annotated[
        list[str] | None, typer.Option(help="TRIAL=SHARD: hear that trial in that shard from now on.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the shards, or change their number and which trials each hears; running ingestors adapt by
    themselves.
    """
    window = load().window
    target, conn, actor = open_acting("insitu shards")
    with conn:
        if count:
            resize(conn, count, window=window)
        for text in move or []:
            trial, _, number = text.partition("=")
            if not number.isdecimal():
                raise CorrectInput(f"{text!r}: write TRIAL=SHARD, for example platform-air=1.")
            set_home(conn, trial, int(number), window=window)
        if count or move:
            detail = {"count": count, "move": move or []}
            now = target.clock.now()
            record(conn, at=now, login=actor, action="shards", subject="shards", detail=detail)
        state = _state(layout(conn))
    show(state, _lines(state), as_json=as_json)


def _state(found: Layout) -> ShardsState:
    return ShardsState(found.count, found.is_ready, [_shard_state(found, shard) for shard in found.shards])


def _shard_state(found: Layout, shard: Shard) -> ShardState:
    wanted, has = set(found.wanted(shard.shard_id)), set(shard.filters)
    return ShardState(
        shard=shard.shard_id,
        trials=[home.trial for home in found.homes if home.shard_id == shard.shard_id],
        ingestor=shard.held_by,
        pending=shard.pending,
        not_heard_yet=sorted(wanted - has),
        being_drained=sorted(has - wanted),
        problem=shard.problem,
    )


def _lines(state: ShardsState) -> Iterator[str]:
    ready = (
        "every trial is heard" if state.is_ready else "the sessions are being made: look again in ten seconds"
    )
    yield f"{state.count} shard{'s' if state.count > 1 else ''}; {ready}."
    for shard in state.shards:
        trials = "every trial" if state.count == 1 else ", ".join(shard.trials) or "none"
        yield f"shard {shard.shard}: {trials}"
        holder = shard.ingestor or "none: start `insitu ingest`"
        yield f"  ingestor: {holder}; {shard.pending} messages in its hands"
        if shard.not_heard_yet:
            yield f"  not heard yet: {', '.join(shard.not_heard_yet)}"
        if shard.being_drained:
            yield f"  being drained: {', '.join(shard.being_drained)}"
        if shard.problem:
            yield f"  {shard.problem}"
