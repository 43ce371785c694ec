"""Sends rejects through the path once more, after a registration, mapping or unit was fixed; each exactly
once.

A reject is marked as replayed when none of its results is refused any more. Its first refusal stays visible,
and the ledger gets lines that point to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from ingest.booking import book
from ingest.edge_nodes import EdgeNodes
from ingest.first_receipt import as_received, at_stored_times
from ingest.from_files import from_file
from ingest.outcome import Outcome
from ingest.prepared import DEFECTS, Prepared, Refusals
from ingest.reading import prepare
from insitu.clock import Clock
from insitu.errors import RaiseLimit, ReportDefect, RowRefused
from insitu.model import Message, RejectReason
from insitu.times import to_us
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.replays import Replayable, mark_replayed, reasons_of, replayable

_AT_A_TIME = 200


@dataclass(frozen=True, slots=True)
class Replayed:
    tried: int
    stored: int
    """Number of observations."""
    still_refused: int
    """Rejects that were refused again, at least in part; they can be tried later."""
    stored_before: int = field(default=0, compare=False)
    """Results that were stored when their message came, at another time than their mapping gives now."""
    reasons: Mapping[str, Refusal] = field(default_factory=dict, compare=False)
    """Reason → the rejects that are still refused for it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    rejects: int
    detail: str
    """Of the first one."""


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
    tried = stored = stored_before = above = 0
    refusals: list[tuple[str, str]] = []
    most = _AT_A_TIME
    while found := _of_one_import(
        replayable(conn, trial=trial, reason=reason, trials=trials, above=above, most=most)
    ):
        try:
            batch = _mended(conn, found)
            outcome = book(
                conn,
                batch.items,
                client_id="replay",
                now_us=clock.now_us(),
                import_id=found[0].import_id,
            )
            done = {one.message.reject_id for one in outcome.messages if one.settled}
            mark_replayed(conn, list(done), clock.now())
            conn.commit()
        except (RowRefused, ReportDefect, RaiseLimit, *DEFECTS) as error:
            conn.rollback()
            if len(found) > 1:
                most = len(found) // 2
                continue
            batch, outcome, done = _Batch([], {}, {}), Outcome(), set()
            refusals.append((str(RejectReason.INTERNAL_ERROR), str(error)))
        else:
            refusals += _refusals(batch, outcome, [one for one in found if one.reject_id not in done])
        stored += sum(one.stored for one in outcome.messages)
        stored_before += sum(count for number, count in batch.moved.items() if number in done)
        tried += len(found)
        above = found[-1].reject_id
        most = min(_AT_A_TIME, 2 * most)
    conn.commit()
    return Replayed(tried, stored, len(refusals), stored_before, _by_reason(refusals))


class _Batch(NamedTuple):
    items: list[Prepared]
    """Messages that say something now."""
    refused: dict[int, Refusals]
    """Reject → its refusals now, of those that say nothing."""
    moved: dict[int, int]
    """Reject → its results that were stored before, at another time."""


def _refusals(batch: _Batch, outcome: Outcome, left: Sequence[Replayable]) -> Iterator[tuple[str, str]]:
    """Reason and detail of each reject that is refused again; its own reason, if that still holds."""
    booked = {one.message.reject_id: one.refused for one in outcome.messages if one.refused}
    for one in left:
        refused = {str(r): detail for r, (_, detail) in batch.refused.get(one.reject_id, {}).items()}
        refused |= {str(r): detail for r, (_, detail) in booked.get(one.reject_id, {}).items()}
        reason = one.reason if one.reason in refused else next(iter(refused), one.reason)
        yield reason, refused.get(reason, "")


def _by_reason(refusals: Sequence[tuple[str, str]]) -> dict[str, Refusal]:
    found: dict[str, Refusal] = {}
    for reason, detail in refusals:
        before = found.get(reason, Refusal(0, detail))
        found[reason] = Refusal(before.rejects + 1, before.detail)
    return found


def _of_one_import(found: Sequence[Replayable]) -> Sequence[Replayable]:
    """The first ones, as far as they come from one import or from devices: a batch stores them as those."""
    return list(takewhile(lambda one: one.import_id == found[0].import_id, found))


def _mended(conn: Connection, found: Sequence[Replayable]) -> _Batch:
    """Those that say something now, as their own devices sent them. One batch for all of them, since a batch
    compares its results with each other.
    """
    messages = [Message(one.topic, one.payload, to_us(one.received_at), size=one.size) for one in found]
    known, nodes = load_snapshot(conn), EdgeNodes.of(conn, messages, frozen=True)
    reasons = reasons_of(conn, [one.identity for one in found])
    items, refused = list[Prepared](), dict[int, Refusals]()
    for one, message in zip(found, messages, strict=True):
        for read in prepare([message], as_received(known, one), nodes):
            item = from_file(read) if one.from_file else read
            refused[one.reject_id] = item.refused
            if item.observations or item.status is not None:
                others = frozenset(reasons[one.identity] - {one.reason})
                own = item._replace(reject_id=one.reject_id, others=others)
                if one.from_file:
                    own = own._replace(source="a file")
                items.append(own)
    own_items, moved = at_stored_times(conn, [one for one in items if not one.source], found[0].import_id)
    return _Batch([*own_items, *(one for one in items if one.source)], refused, moved)
