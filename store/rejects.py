"""Refusals: kept with their bytes up to a bound, then only counted. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
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
    claim_rejects: str
    add_overflow: str
    failed_messages: str


_HOUR_US = 3_600_000_000
OVERFLOW: Final = "overflow"
"""Replaces the session's name for refusals that are only counted: they are listed among the deliveries, so
that a repeat is recognised for some minutes.
"""
ROW_BYTES: Final = 256
"""Cost of a reject besides its payload; otherwise a flood of empty messages would cost nothing."""

Refused = tuple[bytes, str]
"""(identity, reason)."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes of rejects to keep: for each device and hour, and for the whole table on disk."""

    per_hour: int = 1024**2
    on_disk: int = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Saved:
    new: set[Refused]
    """Refusals kept or counted by this call."""
    dropped: set[Refused]
    """Those of `new` whose bytes were not kept."""


def save_rejects(
    conn: Connection,
    rejects: Sequence[Reject],
    quota: Quota | None = None,
    *,
    known: Set[bytes] = frozenset(),
    repeatable: Set[bytes] = frozenset(),
    import_id: int | None = None,
    as_kept: Callable[[Reject], Reject] = lambda reject: reject,
) -> Saved:
    """Keep refusals within `quota` (None: all) and count the others.

    The same message refused again is the same reject. For refusals that were only counted, a repeat is
    recognised by its identity: it is in `known` (already accounted for), or in `repeatable` and comes again
    within some minutes. `as_kept`: makes what is stored of a reject that is kept; its size stays.
    """
    if not rejects:
        return Saved(set(), set())
    if quota is None:
        return Saved(_keep(conn, [as_kept(one) for one in rejects], import_id), set())
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
    new = _keep(conn, [as_kept(one) for one in kept], import_id)
    dropped = _count(conn, [r for r in beyond if r.identity not in known], new, repeatable)
    _add_kept(conn, [reject for reject in kept if _name(reject) in new])
    return Saved(new | dropped, dropped)


def _keep(conn: Connection, rejects: Sequence[Reject], import_id: int | None) -> set[Refused]:
    """Store these; returns the new ones. A replay stores their results as those of the import."""
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
        "raw_until": [None if r.raw_until_us is None else to_datetime(r.raw_until_us) for r in rejects],
        "import_id": import_id,
    }
    if import_id is not None:
        run(conn, _SQL.claim_rejects, import_id=import_id, identities=parameters["identities"])
    return {
        (bytes(identity), reason) for identity, reason in conn.execute(_SQL.save_rejects.encode(), parameters)
    }


def is_refused_before(conn: Connection, identity: bytes) -> bool:
    """True if this message was refused, at least in part, and kept."""
    return bool(conn.execute(_SQL.known_rejects.encode(), {"identities": [identity]}).fetchall())


def _count(
    conn: Connection, rejects: Sequence[Reject], kept_now: set[Refused], repeatable: Set[bytes]
) -> set[Refused]:
    """Count these without their bytes; returns the new ones."""
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
"""The broker repeats an unacknowledged message within seconds, so a later copy is counted again."""


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
    """Bytes kept so far for their devices and hours; locked against other writers until the transaction
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


def count_failed(conn: Connection) -> int:
    """Messages on which Insitu itself failed, and that were not replayed yet."""
    return int(scalar(conn, _SQL.failed_messages))
