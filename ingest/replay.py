"""Rejects once more through the path, after a registration, mapping or unit was fixed; exactly once each.

A reject that becomes observations is marked; its first refusal stays visible, and the ledger gets lines that point to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ingest.batch import keep, prepare
from ingest.edge_nodes import EdgeNodes
from insitu.clock import Clock
from insitu.model import Message
from store import ledger
from store.catalogue import snapshot
from store.database import Connection
from store.times import to_us

_AT_A_TIME = 200


class Replayed(NamedTuple):
    tried: int
    stored: int
    """Observations."""
    still_refused: int
    """Rejects that would be refused again; nothing of them was stored."""


def replay(
    conn: Connection, *, clock: Clock, trial: str | None = None, reason: str | None = None, trials: Sequence[str] | None = None
) -> Replayed:
    """Try every reject that matches; commits as it goes. `trials`: only those (what a viewer may manage)."""
    tried = stored = still = 0
    above = 0
    while True:
        found = ledger.replayable(conn, trial=trial, reason=reason, trials=trials, above=above, most=_AT_A_TIME)
        if not found:
            conn.commit()
            return Replayed(tried, stored, still)
        known = snapshot(conn)
        done = []
        for reject in found:
            above = reject.reject_id
            tried += 1
            message = Message(reject.topic, reject.payload, to_us(reject.received_at), size=reject.size)
            (item,) = prepare([message], known, EdgeNodes.of(conn, [message], frozen=True))
            if not item.observations and item.status is None:
                still += 1
                continue
            outcome = keep(conn, [item], client_id="replay", now_us=clock.now_us(), reject_id=reject.reject_id)
            stored += outcome.stored
            if item.refused and not outcome.stored:
                still += 1
            else:
                done.append(reject.reject_id)
        ledger.mark_replayed(conn, done, clock.now())
        conn.commit()
