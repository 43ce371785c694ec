"""Committed deliveries and radio frames, kept to recognise repeats. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    claim_frames: str
    drop_deliveries: str
    drop_old_deliveries: str
    drop_old_claims: str


class Delivery(NamedTuple):
    """Identifies a message without time and `seq` within a session."""

    life: str
    """Life of the broker's process; packet ids restart with each."""
    mid: int
    sha256: bytes
    """Hash of topic and payload."""


def known_deliveries(
    conn: Connection, client_id: str, keys: Sequence[Delivery], *, above: int
) -> dict[Delivery, int]:
    """Those of `keys` that were committed with a number above `above` → received (µs)."""
    if not keys:
        return {}
    parameters = {
        "client_id": client_id,
        "lives": Texts([key.life for key in keys]),
        **delivery_columns(keys),
        "above": above,
    }
    found = conn.execute(_SQL.known_deliveries.encode(), parameters)
    return {Delivery(life, mid, bytes(sha)): to_us(received) for life, mid, sha, received in found}


def save_deliveries(
    conn: Connection, client_id: str, deliveries: Mapping[Delivery, int], *, above: int = 0, number: int = 0
) -> dict[Delivery, int]:
    """Store delivery → received (µs) of messages of one batch that have no other identity. Returns what was
    committed before with a number above `above`, as far as it can be the same batch: none of it is older than
    the oldest of these.
    """
    lives: dict[str, dict[Delivery, int]] = {}
    for key, received_us in deliveries.items():
        lives.setdefault(key.life, {})[key] = received_us
    known: dict[Delivery, int] = {}
    for life, some in lives.items():  # nearly always one
        times = np.array(list(some.values()), np.int64)
        parameters = {
            "client_id": client_id,
            "number": number,
            "above": above,
            "life": life,
            **delivery_columns(some),
            "received": Times(times),
            "oldest": to_datetime(int(times.min())),
            "newest": to_datetime(int(times.max())),
        }
        for mids, hashes, received in conn.execute(_SQL.save_deliveries.encode(), parameters):
            for mid, sha, at in zip(mids, hashes, received, strict=True):
                known[Delivery(life, mid, bytes(sha))] = to_us(at)
    return known


def delivery_columns(keys: Collection[Delivery]) -> dict[str, Any]:
    """Packet ids and hashes."""
    return {
        "mids": Int4s(np.array([key.mid for key in keys], np.int64)),
        "hashes": Byteas([key.sha256 for key in keys]),
    }


def claim_frames(
    conn: Connection, claimed_as: str, frames: Mapping[bytes, int], *, age: timedelta
) -> set[bytes]:
    """`frames`: SHA-256 of a radio frame → received µs. Returns those that no writer claimed within `age`.
    Waits for another writer that claims the same one now.
    """
    parameters = {
        "claimed_as": claimed_as,
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


def drop_old_claims(conn: Connection, claimed_as: str, age: timedelta) -> int:
    """Drop the claims under this name that are older than `age`."""
    return run(conn, _SQL.drop_old_claims, claimed_as=claimed_as, age=age)
