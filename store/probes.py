"""Which messages of the probe were committed. The caller owns the transaction."""

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
"""A prober of a process that has ended is forgotten after that."""


def save_probes(conn: Connection, shard_id: int, newest: Mapping[str, int]) -> None:
    """Prober → the highest `seq` that this batch of the shard brought; an older one changes nothing."""
    if newest:
        run(conn, _SQL.save_probes, shard_id=shard_id, probers=list(newest), seqs=list(newest.values()))


def probe_seen(conn: Connection, prober: str) -> dict[int, int]:
    """Shard → the highest `seq` of that prober that was committed; empty before the first."""
    return {int(shard): int(seq) for shard, seq in conn.execute(_SQL.probe_seen.encode(), {"prober": prober})}


def drop_old_probes(conn: Connection, age: timedelta = PROBE_AGE) -> int:
    """How many rows of probers that have fallen silent went."""
    return run(conn, _SQL.drop_old_probes, age=age)
