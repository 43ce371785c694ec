"""Refusals: kept with their bytes up to a bound, then only counted. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from insitu.model import Reject
from insitu.times import to_datetime, to_us
from store.binary import Byteas, Int4s, Int8s, Texts, Times
from store.database import Connection, run, scalar
from store.deliveries import claim_frames
from store.ledger import clean
from store.queries import Queries
from store.retention import Allowed, raw_allowed


class _SQL(Queries, file="rejects"):
    save_rejects: str
    add_kept: str
    correct_kept: str
    known_rejects: str
    claim_rejects: str
    add_overflow: str
    failed_messages: str


_HOUR_US = 3_600_000_000
OVERFLOW: Final = "overflow"
"""Name under which refusals that are only counted are claimed, among the deliveries, so that a repeat is
recognised for some minutes.
"""
ROW_BYTES: Final = 256
"""Cost of a reject besides its payload; otherwise a flood of empty messages would cost nothing."""

Refused = tuple[bytes, str]
"""(identity, reason)."""
AsKept = Callable[[Reject, Allowed], Reject]
"""Makes what is stored of a reject that is kept; its size stays."""


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
    allowed: Allowed
    """As `raw_allowed`, of the trials of the rejects."""


def save_rejects(
    conn: Connection,
    rejects: Sequence[Reject],
    quota: Quota | None = None,
    *,
    known: Set[bytes] = frozenset(),
    repeatable: Set[bytes] = frozenset(),
    import_id: int | None = None,
    as_kept: AsKept = lambda reject, _: reject,
) -> Saved:
    """Keep refusals within `quota` (None: all) and count the others.

    The same message refused again is the same reject. For refusals that were only counted, a repeat is
    recognised by its identity: it is in `known` (already accounted for), or in `repeatable` and comes again
    within some minutes.
    """
    if not rejects:
        return Saved(set(), set(), {})
    if quota is None:
        allowed = raw_allowed(conn, sorted({reject.trial for reject in rejects}))
        return Saved(_keep(conn, [as_kept(one, allowed) for one in rejects], import_id), set(), allowed)
    keys = [_key(reject) for reject in rejects]
    added = _sums(rejects, keys)
    used, on_disk, allowed = _add(conn, added)
    full = on_disk >= quota.on_disk
    kept: list[Reject] = []
    beyond: list[Reject] = []
    for reject, key in zip(rejects, keys, strict=True):
        cost = len(reject.payload) + ROW_BYTES
        if full or used[key] + cost > quota.per_hour:
            beyond.append(reject)
        else:
            used[key] += cost
            kept.append(reject)
    new = _keep(conn, [as_kept(one, allowed) for one in kept], import_id)
    dropped = _count(conn, [r for r in beyond if r.identity not in known], new, repeatable)
    if beyond or len(new) < len(kept):
        take_back(conn, rejects, new)
    return Saved(new | dropped, dropped, allowed)


def _keep(conn: Connection, rejects: Sequence[Reject], import_id: int | None) -> set[Refused]:
    """Store these; returns the new ones. A replay stores their results as those of the import."""
    if not rejects:
        return set()
    parameters = {
        **reject_columns(rejects),
        "raw_until": _nulls(r.raw_until_us for r in rejects),
        "import_id": import_id,
    }
    if import_id is not None:
        run(conn, _SQL.claim_rejects, import_id=import_id, identities=parameters["identities"])
    return {
        (bytes(identity), reason) for identity, reason in conn.execute(_SQL.save_rejects.encode(), parameters)
    }


def reject_columns(rejects: Sequence[Reject]) -> dict[str, Any]:
    """All columns of theirs except how long their texts may stay."""
    return {
        "reasons": Texts([str(r.reason) for r in rejects]),
        "details": Texts([clean(r.detail) for r in rejects]),
        "topics": Texts([clean(r.topic) for r in rejects]),
        "payloads": Byteas([r.payload for r in rejects]),
        "sizes": _ints(r.size for r in rejects),
        "received": _times(r.received_us for r in rejects),
        "trials": Texts([clean(r.trial) for r in rejects]),
        "devices": Texts([clean(r.device) for r in rejects]),
        "results": _ints(r.results for r in rejects),
        "identities": Byteas([r.identity for r in rejects]),
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
            reasons=Texts([str(r.reason) for r in new]),
            results=_ints(r.results for r in new),
            sizes=_ints(r.size for r in new),
            received=_times(r.received_us for r in new),
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


def _columns(keys: Iterable[Key]) -> dict[str, Any]:
    trials, devices, hours = zip(*keys, strict=True)
    return {"trials": Texts(trials), "devices": Texts(devices), "hours": _times(map(to_us, hours))}


def _ints(numbers: Iterable[int]) -> Int4s:
    return Int4s(np.array(list(numbers), np.int64))


def _times(us: Iterable[int]) -> Times:
    return Times(np.array(list(us), np.int64))


def _nulls(us: Iterable[int | None]) -> list[datetime | None] | None:
    """Nearly always nothing: `unnest` fills up with nulls."""
    times = [None if one is None else to_datetime(one) for one in us]
    return times if any(times) else None


def _sums(rejects: Sequence[Reject], keys: Sequence[Key]) -> dict[Key, int]:
    """Bytes that they cost, by device and hour; `keys`: of each."""
    sums: dict[Key, int] = {}
    for reject, key in zip(rejects, keys, strict=True):
        sums[key] = sums.get(key, 0) + len(reject.payload) + ROW_BYTES
    return sums


def keep_columns(rejects: Sequence[Reject]) -> dict[str, Any]:
    """Bytes that they cost, by device and hour."""
    return _sum_columns(_sums(rejects, [_key(reject) for reject in rejects]))


def _sum_columns(sums: Mapping[Key, int]) -> dict[str, Any]:
    return {**_columns(sums), "bytes": Int8s(np.array(list(sums.values()), np.int64))}


def take_back(conn: Connection, rejects: Sequence[Reject], kept: Set[Refused]) -> None:
    """Take back what was counted as kept of these, except of the ones that were `kept`, each once."""
    added = _sums(rejects, [_key(reject) for reject in rejects])
    saved = list({_name(reject): reject for reject in reversed(rejects) if _name(reject) in kept}.values())
    _correct(conn, added, _sums(saved, [_key(reject) for reject in saved]))


def _add(conn: Connection, added: Mapping[Key, int]) -> tuple[dict[Key, int], int, Allowed]:
    """Count these bytes as kept: nearly always they are. Returns the bytes kept before, by device and hour,
    which are locked against other writers until the transaction ends; the bytes of all rejects on disk; and
    `raw_allowed` of their trials.
    """
    found = conn.execute(_SQL.add_kept.encode(), _sum_columns(added)).fetchall()
    used = {(trial, device, hour): int(size) for trial, device, hour, size, _, _ in found}
    *_, on_disk, raw = found[0]
    allowed = {trial: (fields, days) for trial, fields, days in raw or ()}
    return {key: used[key] - size for key, size in added.items()}, int(on_disk), allowed


def _correct(conn: Connection, added: Mapping[Key, int], kept: Mapping[Key, int]) -> None:
    """Take back what `_add` counted and was not kept."""
    less = {key: size - kept.get(key, 0) for key, size in added.items() if size != kept.get(key, 0)}
    if less:
        run(conn, _SQL.correct_kept, **_sum_columns(less))


def count_failed(conn: Connection) -> int:
    """Messages on which Insitu itself failed, and that were not replayed yet."""
    return int(scalar(conn, _SQL.failed_messages))
