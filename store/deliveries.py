"""Committed deliveries and radio frames, kept to recognise repeats. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np

from insitu.times import to_datetime, to_us
from store.binary import Byteas, Int4s, Texts, Times
from store.database import Connection, run
from store.queries import Queries


class _SQL(Queries, file="deliveries"):
    known_deliveries: str
    save_deliveries: str
    remember_deliveries: str
    claim_frames: str
    drop_deliveries: str
    drop_old_deliveries: str


_LONG = timedelta(days=36_500)


class Delivery(NamedTuple):
    """Identifies a message without time and `seq` within a session."""

    life: str
    """Life of the broker's process; packet ids restart with each."""
    mid: int
    sha256: bytes
    """Hash of topic and payload."""


def known_deliveries(
    conn: Connection, client_id: str, keys: Sequence[Delivery], *, above: int, age: timedelta = _LONG
) -> dict[Delivery, int]:
    """Those of `keys` that were committed with a number above `above` within the last `age` → received
    (µs).
    """
    if not keys:
        return {}
    parameters = {
        "client_id": client_id,
        "lives": [key.life for key in keys],
        "mids": [key.mid for key in keys],
        "hashes": [key.sha256 for key in keys],
        "above": above,
        "age": age,
    }
    return _found(conn, _SQL.known_deliveries, parameters)


def save_deliveries(
    conn: Connection, client_id: str, deliveries: Mapping[Delivery, int], *, number: int = 0
) -> None:
    """Store delivery → received (µs) of messages that have no other identity."""
    if deliveries:
        run(conn, _SQL.save_deliveries, client_id=client_id, **_columns(deliveries), number=number)


def remember_deliveries(
    conn: Connection, client_id: str, deliveries: Mapping[Delivery, int], *, above: int, number: int
) -> dict[Delivery, int]:
    """`save_deliveries`. Returns those of them that were known before, as `known_deliveries` does."""
    parameters = {"client_id": client_id, **_columns(deliveries), "above": above, "number": number}
    return _found(conn, _SQL.remember_deliveries, parameters)


def _columns(deliveries: Mapping[Delivery, int]) -> dict[str, Any]:
    return {
        "lives": Texts([key.life for key in deliveries]),
        "mids": Int4s(np.array([key.mid for key in deliveries], np.int64)),
        "hashes": Byteas([key.sha256 for key in deliveries]),
        "received": Times(np.array(list(deliveries.values()), np.int64)),
    }


def _found(conn: Connection, query: str, parameters: Mapping[str, Any]) -> dict[Delivery, int]:
    found = conn.execute(query.encode(), parameters)
    return {Delivery(life, mid, bytes(sha)): to_us(received) for life, mid, sha, received in found}


def claim_frames(
    conn: Connection, client_id: str, frames: Mapping[bytes, int], *, age: timedelta
) -> set[bytes]:
    """`frames`: SHA-256 of a radio frame → received µs. Returns those that no writer claimed within `age`.
    Waits for another writer that claims the same one now.
    """
    parameters = {
        "client_id": client_id,
        "hashes": list(frames),
        "received": [to_datetime(us) for us in frames.values()],
        "age": age,
    }
    return {bytes(sha) for (sha,) in conn.execute(_SQL.claim_frames.encode(), parameters)}


def drop_deliveries(conn: Connection, client_id: str, *, upto: int) -> int:
    """Drop those with a number up to `upto`."""
    return run(conn, _SQL.drop_deliveries, client_id=client_id, upto=upto)


def drop_old_deliveries(conn: Connection, client_id: str, age: timedelta) -> int:
    """Drop those older than `age`, with any number."""
    return run(conn, _SQL.drop_old_deliveries, client_id=client_id, age=age)
