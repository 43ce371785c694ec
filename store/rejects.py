"""Refusals: kept with their bytes up to a bound, and counted beyond it. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from insitu.model import Reject
from insitu.times import to_datetime
from store.database import Connection, run, scalar
from store.deliveries import claim_frames
from store.ledger import clean
from store.queries import Queries


class _SQL(Queries, file="rejects"):
    save_rejects: str
    hold_kept: str
    add_kept: str
    kept_on_disk: str
    known_rejects: str
    add_overflow: str


_HOUR_US = 3_600_000_000
OVERFLOW: Final = "overflow"
"""Instead of a session: refusals that were counted only, among the deliveries, so that a repeat of one is
known for some minutes.
"""
ROW_BYTES: Final = 256
"""What a reject takes beside its payload: else a flood of empty messages would cost nothing."""

Refused = tuple[bytes, str]
"""(identity, reason)."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes of rejects that are kept: of a device and hour, and what the table may take on disk."""

    per_hour: int = 1024**2
    on_disk: int = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Saved:
    new: set[Refused]
    """Kept or counted now."""
    dropped: set[Refused]
    """Of these, those whose bytes were not kept."""


def save_rejects(
    conn: Connection,
    rejects: Sequence[Reject],
    quota: Quota | None = None,
    *,
    known: Set[bytes] = frozenset(),
    repeatable: Set[bytes] = frozenset(),
) -> Saved:
    """Keep refusals as far as `quota` goes (None: all of them), and count the others.

    The same message refused again is the same reject. Of one that was only counted a repeat is told by its
    identity: one of those that are `known` to have been accounted for, or a `repeatable` one that comes again
    within some minutes.
    """
    if not rejects:
        return Saved(set(), set())
    if quota is None:
        return Saved(_keep(conn, rejects), set())
    used = _hold(conn, rejects)
    full = int(scalar(conn, _SQL.kept_on_disk)) >= quota.on_disk
    kept: list[Reject] = []
    beyond: list[Reject] = []
    for reject in rejects:
        key = _key(reject)
        cost = len(reject.payload) + ROW_BYTES
        if full or used[key] + cost > quota.per_hour:
            beyond.append(reject)
        else:
            used[key] += cost
            kept.append(reject)
    new = _keep(conn, kept)
    dropped = _count(conn, [r for r in beyond if r.identity not in known], new, repeatable)
    _add_kept(conn, [reject for reject in kept if _name(reject) in new])
    return Saved(new | dropped, dropped)


def _keep(conn: Connection, rejects: Sequence[Reject]) -> set[Refused]:
    """Those of them that are new."""
    if not rejects:
        return set()
    parameters = {
        "reasons": [str(r.reason) for r in rejects],
        "details": [clean(r.detail) for r in rejects],
        "topics": [clean(r.topic) for r in rejects],
        "payloads": [r.payload for r in rejects],
        "sizes": [r.size for r in rejects],
        "received": [to_datetime(r.received_us) for r in rejects],
        "trials": [clean(r.trial) for r in rejects],
        "devices": [clean(r.device) for r in rejects],
        "results": [r.results for r in rejects],
        "identities": [r.identity for r in rejects],
    }
    return {
        (bytes(identity), reason) for identity, reason in conn.execute(_SQL.save_rejects.encode(), parameters)
    }


def _count(
    conn: Connection, rejects: Sequence[Reject], kept_now: set[Refused], repeatable: Set[bytes]
) -> set[Refused]:
    """Those of them that are new, counted without their bytes."""
    if not rejects:
        return set()
    found = conn.execute(_SQL.known_rejects.encode(), {"identities": [r.identity for r in rejects]})
    before = kept_now | {(bytes(identity), reason) for identity, reason in found}
    candidates = {_name(r): r for r in reversed(rejects) if _name(r) not in before}
    claimed = {r.identity: r.received_us for r in candidates.values() if r.identity in repeatable}
    fresh = claim_frames(conn, OVERFLOW, claimed, age=_REPEATABLE) if claimed else set()
    new = [r for r in candidates.values() if r.identity in fresh or r.identity not in repeatable]
    if new:
        run(
            conn,
            _SQL.add_overflow,
            **_columns(map(_key, new)),
            reasons=[str(r.reason) for r in new],
            results=[r.results for r in new],
            sizes=[r.size for r in new],
            received=[to_datetime(r.received_us) for r in new],
        )
    return {_name(r) for r in new}


Key = tuple[str, str, datetime]
_REPEATABLE: Final = timedelta(minutes=5)
"""The broker repeats what is not acknowledged within seconds: what comes again later is counted again."""


def _name(reject: Reject) -> Refused:
    return reject.identity, str(reject.reason)


def _key(reject: Reject) -> Key:
    return (
        clean(reject.trial),
        clean(reject.device),
        to_datetime(reject.received_us - reject.received_us % _HOUR_US),
    )


def _columns(keys: Iterable[Key]) -> dict[str, list[Any]]:
    trials, devices, hours = zip(*keys, strict=True)
    return {"trials": list(trials), "devices": list(devices), "hours": list(hours)}


def _hold(conn: Connection, rejects: Sequence[Reject]) -> dict[Key, int]:
    """What is kept of their devices and hours so far; no other writer changes it before the transaction
    ends.
    """
    found = conn.execute(_SQL.hold_kept.encode(), _columns(dict.fromkeys(map(_key, rejects)))).fetchall()
    return {(trial, device, hour): int(size) for trial, device, hour, size in found}


def _add_kept(conn: Connection, rejects: Sequence[Reject]) -> None:
    sums: dict[Key, int] = {}
    for reject in rejects:
        sums[_key(reject)] = sums.get(_key(reject), 0) + len(reject.payload) + ROW_BYTES
    if sums:
        run(conn, _SQL.add_kept, **_columns(sums), bytes=list(sums.values()))
