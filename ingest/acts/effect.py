"""Whether the broker already uses what an act changed about credentials."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from store.access import broker_state
from store.shards import shards_ready

if TYPE_CHECKING:
    from store.database import Connection


class AtBroker(StrEnum):
    USED = "used"
    """The broker uses every committed credential."""
    WAITING = "waiting"
    """Insitu's own broker does not use it yet, or a trial is not heard yet."""
    ELSEWHERE = "elsewhere"
    """The broker is not Insitu's own: somebody hands the credentials over by hand."""


@dataclass(frozen=True, slots=True)
class Effect:
    state: AtBroker
    problem: str = ""
    """Why the broker refuses the new list of credentials."""


def effect_at_broker(conn: Connection) -> Effect:
    """Of everything that is committed now. Ends the transaction of the look."""
    state, ready = broker_state(conn), shards_ready(conn)
    conn.rollback()
    if state.applied_at is None:
        return Effect(AtBroker.ELSEWHERE)
    if not ready or state.applied < state.wanted or state.problem:
        return Effect(AtBroker.WAITING, state.problem or "")
    return Effect(AtBroker.USED)
