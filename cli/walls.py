"""`walls`: the links with which screens show devices without signing in; lists everybody's, and ends one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import open_acting
from cli.options import JsonOption
from cli.output import say
from cli.reports import show_table
from cli.target import open_target
from store.walls import end_any_wall, list_all_walls

if TYPE_CHECKING:
    from store.walls import OwnedWall


def walls(context: typer.Context, as_json: JsonOption = False) -> None:
    """List everybody's walls: what each shows, with whose rights, when it was last opened, when it ends."""
    if context.invoked_subcommand is not None:
        return
    _, conn = open_target("insitu walls")
    with conn:
        found = list_all_walls(conn)
    show_table(
        found,
        {
            "wall": lambda one: one.wall_link_id,
            "name": lambda one: one.name,
            "login": lambda one: one.login,
            "organisation": lambda one: one.organisation,
            "shows": lambda one: ", ".join([*one.trials, *one.sites]) or "all that this person sees",
            "last opened (UTC)": _last_opened,
            "ends (UTC)": lambda one: one.expires_at,
            "works": lambda one: "yes" if one.works else "no",
        },
        empty="There is no wall: a signed-in person makes one on the page Views and walls.",
        as_json=as_json,
    )


def _last_opened(one: OwnedWall) -> datetime | None:
    return one.last_opened_at


def end(number: Annotated[int, typer.Argument(help="As `insitu walls` shows it.")]) -> None:
    """End a wall: its link shows nothing any more."""
    target, conn, actor = open_acting("insitu walls end")
    with conn:
        end_any_wall(conn, number, by=actor, now=target.clock.now())
    say(f"Wall {number} has ended: its screens show nothing any more within ten seconds.")
