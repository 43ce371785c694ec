"""The same payloads over HTTP: same decoders, same transaction, an answer a row."""

from __future__ import annotations

from typing import NamedTuple

from ingest.batch import keep, prepare
from insitu.clock import Clock
from insitu.model import Message
from insitu.wire import MAX_PAYLOAD_BYTES
from store.catalogue import snapshot
from store.database import Connection
from store.rejects import Quota


class Answer(NamedTuple):
    """What became of one posted message; `refused`: reason → (results, in words)."""

    contained: int
    stored: int
    duplicate: int
    ignored: int
    repeated: bool
    refused: dict[str, tuple[int, str]]


def ingest_payload(conn: Connection, *, topic: str, payload: bytes, clock: Clock, quota: Quota) -> Answer:
    """Decode, place and keep one message; the caller owns the transaction, which must not be a savepoint."""
    message = Message(topic, payload[:MAX_PAYLOAD_BYTES], clock.now_us(), size=len(payload))
    (item,) = prepare([message], snapshot(conn))
    keep(conn, [item], client_id="http", now_us=clock.now_us(), quota=quota)
    refused = {str(reason): found for reason, found in item.refused.items()}
    ignored = item.contained if item.ignored_for is not None else 0
    return Answer(item.contained, item.stored, item.duplicate, ignored, item.repeated, refused)
