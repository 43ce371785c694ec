"""Committed messages of the probe. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from store.database import Connection, run
from store.queries import Queries


class _SQL(Queries, file="probes"):
    save_probes: str
    probe_seen: str
    drop_old_probes: str


PROBE_AGE: Final = timedelta(hours=1)
"""After this time a prober whose process has ended is forgotten."""


def save_probes(conn: Connection, shard_id: int, newest: Mapping[str, int]) -> None:
    """Store prober → highest `seq` in this batch of the shard; a lower one changes nothing."""
    if newest:
        run(conn, _SQL.save_probes, shard_id=shard_id, probers=list(newest), seqs=list(newest.values()))


def probe_seen(conn: Connection, prober: str) -> dict[int, int]:
    """Shard → highest committed `seq` of the prober; empty before the first."""
    return {int(shard): int(seq) for shard, seq in conn.execute(_SQL.probe_seen.encode(), {"prober": prober})}


def drop_old_probes(conn: Connection, age: timedelta = PROBE_AGE) -> int:
    """Forget probers that have been silent for `age`; returns how many rows."""
    return run(conn, _SQL.drop_old_probes, age=age)
