"""Rejects that may be replayed, and refusals that were only counted. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from insitu.times import to_datetime, to_us
from store.database import Connection, rows, run
from store.packed.codec import decode
from store.queries import Queries


class _SQL(Queries, file="replays"):
    overflow: str
    replayable: str
    reasons_of: str
    mark_replayed: str
    stored_of: str


@dataclass(frozen=True, slots=True)
class RejectRow:
    reject_id: int
    reason: str
    detail: str
    topic: str
    payload: bytes
    size: int
    received_at: datetime
    trial: str
    device: str
    results: int
    replayed_at: datetime | None

    def without_bytes(self) -> RejectRow:
        """The same without the content of the message, which the detail may quote."""
        return replace(self, payload=b"", detail="")


@dataclass(frozen=True, slots=True)
class Overflow:
    """Refusals of a device within an hour that were counted without their bytes; `bytes` as received."""

    trial: str
    device: str
    hour: datetime
    reason: str
    messages: int
    results: int
    bytes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Replayable:
    reject_id: int
    reason: str
    topic: str
    payload: bytes
    size: int
    received_at: datetime
    trial: str
    device: str
    identity: bytes
    import_id: int | None
    from_file: bool
    """Its import was of a file, not of uplinks."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    datastream_id: int
    received_at: datetime
    time: datetime
    result: float


def stored_of(
    conn: Connection, datastream_ids: Iterable[int], received: Iterable[datetime], import_id: int | None
) -> list[StoredResult]:
    """Results by datastreams and times of receipt, of one import; None: of the devices' own messages."""
    times, streams = sorted(set(received)), sorted(set(datastream_ids))
    if not times:
        return []
    parameters = {"datastream_ids": streams, "received": times, "import_id": import_id}
    wanted = np.array([to_us(time) for time in times])
    found: list[StoredResult] = []
    for number, *fields, record in conn.execute(_SQL.stored_of.encode(), parameters).fetchall():
        if record is None:
            found.append(StoredResult(number, *fields))
            continue
        day = decode(record)
        mine = day.import_id == (-1 if import_id is None else import_id)
        for at in np.flatnonzero(mine & np.isin(day.received_us, wanted)).tolist():
            received_at, time = to_datetime(int(day.received_us[at])), to_datetime(int(day.time_us[at]))
            found.append(StoredResult(number, received_at, time, float(day.result[at])))
    return found


def list_overflow(
    conn: Connection,
    trials: Sequence[str] | None,
    devices: Sequence[str] | None = None,
    *,
    device: str | None = None,
    reason: str | None = None,
    most: int = 200,
) -> list[Overflow]:
    """Refusals that were not kept, newest hour first; None for `trials` or `devices` means all."""
    return rows(
        conn,
        Overflow,
        _SQL.overflow,
        trials=None if trials is None else list(trials),
        devices=None if devices is None else list(devices),
        device=device,
        reason=reason,
        most=most,
    )


def replayable(
    conn: Connection,
    *,
    trial: str | None,
    reason: str | None,
    trials: Sequence[str] | None,
    above: int,
    most: int,
) -> list[Replayable]:
    return rows(
        conn,
        Replayable,
        _SQL.replayable,
        trial=trial,
        reason=reason,
        above=above,
        most=most,
        trials=None if trials is None else list(trials),
    )


def reasons_of(conn: Connection, identities: Sequence[bytes]) -> dict[bytes, set[str]]:
    """Reasons of the rejects of these messages that were not replayed yet."""
    found: dict[bytes, set[str]] = {identity: set() for identity in identities}
    for identity, reason in conn.execute(_SQL.reasons_of.encode(), {"identities": list(found)}):
        found[bytes(identity)].add(reason)
    return found


def mark_replayed(conn: Connection, reject_ids: Sequence[int], now: datetime) -> None:
    run(conn, _SQL.mark_replayed, reject_ids=list(reject_ids), now=now)
