"""People who may have left, and tokens that end soon: a question of `check`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cli.policy import LookAt
from store.people import list_unseen
from store.tokens import list_ending_soon

if TYPE_CHECKING:
    from store.database import Connection

UNSEEN: Final = timedelta(days=180)
SOON: Final = timedelta(days=30)
_MOST: Final = 10


def describe_people(conn: Connection) -> str:
    """Raises LookAt with the people who have not signed in for long, and the tokens that end soon."""
    unseen, ending = list_unseen(conn, UNSEEN), list_ending_soon(conn, SOON)
    lines = []
    if unseen:
        lines.append(f"not signed in for {UNSEEN.days} days: {_some(unseen)} (`insitu people disable LOGIN`)")
    if ending:
        named = [f"{one.name} of {one.login} on {one.expires_at:%Y-%m-%d}" for one in ending]
        lines.append(f"tokens that end soon: {_some(named)} (`insitu people token` makes another one)")
    if lines:
        raise LookAt("; ".join(lines) + ".")
    return f"everybody signed in within {UNSEEN.days} days, and no token ends within {SOON.days}"


def _some(names: list[str]) -> str:
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")
