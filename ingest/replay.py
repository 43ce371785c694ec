"""Sends rejects through the path once more, after a registration, mapping or unit was fixed; each exactly
once.

A reject is marked as replayed when none of its results is refused any more. Its first refusal stays visible,
and the ledger gets lines that point to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from ingest.booking import book
from ingest.edge_nodes import EdgeNodes
from ingest.from_files import from_file
from ingest.outcome import Outcome
from ingest.prepared import DEFECTS, Prepared
from ingest.reading import prepare
from insitu.clock import Clock
from insitu.errors import RowRefused
from insitu.model import Message
from insitu.times import to_us
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.replays import Replayable, mark_replayed, reasons_of, replayable

_AT_A_TIME = 200


class Replayed(NamedTuple):
    tried: int
    stored: int
    """Number of observations."""
    still_refused: int
    """Rejects that were refused again, at least in part; they can be tried later."""


def replay(
    conn: Connection,
    *,
    clock: Clock,
    trial: str | None = None,
    reason: str | None = None,
    trials: Sequence[str] | None = None,
) -> Replayed:
    """Try every matching reject; commits after each batch. `trials`: only these (those that a viewer may
    manage).

    If the database refuses a row, or we fail on a message, the batch is halved until that message is alone,
    as for live messages.
    """
    tried = stored = settled = above = 0
    most = _AT_A_TIME
    while found := _of_one_import(
        replayable(conn, trial=trial, reason=reason, trials=trials, above=above, most=most)
    ):
        try:
            outcome = book(
                conn,
                _mended(conn, found),
                client_id="replay",
                now_us=clock.now_us(),
                import_id=found[0].import_id,
            )
            done = [one.message.reject_id for one in outcome.messages if one.settled]
            mark_replayed(conn, done, clock.now())
            conn.commit()
        except (RowRefused, *DEFECTS):
            conn.rollback()
            if len(found) > 1:
                most = len(found) // 2
                continue
            outcome, done = Outcome(), []
        stored += sum(one.stored for one in outcome.messages)
        settled += len(done)
        tried += len(found)
        above = found[-1].reject_id
        most = min(_AT_A_TIME, 2 * most)
    conn.commit()
    return Replayed(tried, stored, tried - settled)


def _of_one_import(found: Sequence[Replayable]) -> Sequence[Replayable]:
    """The first ones, as far as they come from one import or from devices: a batch stores them as those."""
    return list(takewhile(lambda one: one.import_id == found[0].import_id, found))


def _mended(conn: Connection, found: Sequence[Replayable]) -> list[Prepared]:
    """Those that say something now; one batch for all of them, since a batch compares its results with each
    other.
    """
    messages = [Message(one.topic, one.payload, to_us(one.received_at), size=one.size) for one in found]
    known, nodes = load_snapshot(conn), EdgeNodes.of(conn, messages, frozen=True)
    reasons = reasons_of(conn, [one.identity for one in found])
    items = []
    for one, message in zip(found, messages, strict=True):
        for read in prepare([message], known, nodes):
            item = from_file(read) if one.from_file else read
            if item.observations or item.status is not None:
                others = frozenset(reasons[one.identity] - {one.reason})
                own = item._replace(reject_id=one.reject_id, others=others)
                if one.from_file:
                    own = own._replace(source="a file")
                items.append(own)
    return items
