"""Mappings that are only tried: what they would make of the messages refused so far. Nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.explain import STORED, Fate, explain
from ingest.first_receipt import as_received
from insitu.model import Message
from insitu.times import to_datetime, to_us
from store.catalogue.datastreams import list_datastreams
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.mapping import Mapping
from store.mappings import replace_mappings
from store.replays import replayable

_AT_A_TIME = 200
_MOST_TEXT = 200


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """The future of a field of the refused messages."""

    field: str
    """Empty for messages, or items of them, that cannot be read."""
    outcome: str
    """`stored`, `health`, `ignored` or `refused`."""
    reason: str
    detail: str
    """Of the first message."""
    times: int
    sent: Any
    """The first that was sent."""
    result: float | None
    """Its result, in the unit of the property."""
    unit: str
    property: str
    time: datetime | None
    device: str


@dataclass(frozen=True, slots=True)
class Tried:
    messages: int
    """Refused messages that were read again."""
    fields: list[FieldOutcome]


def try_mappings(
    conn: Connection,
    trial: str,
    wanted: Sequence[Mapping] | None,
    *,
    reason: str | None = None,
    most: int = 1000,
) -> Tried:
    """Apply `wanted` instead of the trial's mappings (None: these as they are) to the newest world and roll
    back.
    """
    with conn.transaction(force_rollback=True):
        if wanted is not None:
            replace_mappings(conn, trial, wanted)
        return _try(conn, trial, reason, most)


def _try(conn: Connection, trial: str, reason: str | None, most: int) -> Tried:
    snapshot = load_snapshot(conn)
    streams = {stream.datastream_id: stream for stream in list_datastreams(conn, trial)}
    outcomes: dict[tuple[str, str, str], tuple[int, Fate, str]] = {}
    seen: set[bytes] = set()
    above = 0
    while len(seen) < most and (
        found := replayable(conn, trial=trial, reason=reason, trials=None, above=above, most=_AT_A_TIME)
    ):
        above = found[-1].reject_id
        for one in found:
            if one.identity in seen or len(seen) >= most:
                continue
            seen.add(one.identity)
            message = Message(one.topic, one.payload, to_us(one.received_at), size=one.size)
            for fate in explain(message, as_received(snapshot, one)):
                key = fate.field, fate.outcome, fate.reason
                times, first, device = outcomes.get(key, (0, fate, one.device))
                outcomes[key] = times + 1, first, device
    fields = [_outcome(*entry, streams) for entry in outcomes.values()]
    order = (STORED, "health", "ignored", "refused")
    return Tried(len(seen), sorted(fields, key=lambda one: (order.index(one.outcome), one.field, one.reason)))


def _outcome(times: int, fate: Fate, device: str, streams: dict[int, Any]) -> FieldOutcome:
    seen = fate.observation
    stream = streams.get(seen.datastream_id) if seen is not None else None
    return FieldOutcome(
        fate.field,
        fate.outcome,
        fate.reason,
        fate.detail,
        times,
        fate.sent,
        seen.result if seen is not None else None,
        stream.unit if stream is not None else "",
        stream.property if stream is not None else "",
        to_datetime(seen.time_us) if seen is not None else None,
        device,
    )


def write_sent(sent: object) -> str:
    """As JSON, for a reader: the first 200 letters."""
    return json.dumps(sent, ensure_ascii=False, default=str)[:_MOST_TEXT]
