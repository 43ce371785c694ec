"""The accounted `seq`s of each device and boot. The caller owns the transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from store.database import Connection, run
from store.queries import Queries


class _SQL(Queries, file="sequences"):
    lock_sequences: str
    begin_sequences: str
    save_sequences: str


_RANGE = re.compile(r"\[(-?\d+),(-?\d+)\)")
Ranges = list[tuple[int, int]]
"""Half-open, sorted, disjoint, not touching."""


def lock_sequences(
    conn: Connection, keys: Sequence[tuple[int, str]], now: datetime
) -> dict[tuple[int, str], Ranges]:
    """Accounted ranges of each (device, boot), empty for a new one; locked against other writers until the
    transaction ends.
    """
    found = _ranges(conn, _SQL.lock_sequences, keys)
    new = [key for key in keys if key not in found]
    if new:
        found.update(_ranges(conn, _SQL.begin_sequences, new, now=now))
    return found


def _ranges(
    conn: Connection, query: str, keys: Sequence[tuple[int, str]], **more: Any
) -> dict[tuple[int, str], Ranges]:
    if not keys:
        return {}
    parameters = {"device_ids": [device for device, _ in keys], "boots": [boot for _, boot in keys], **more}
    found = conn.execute(query.encode(), parameters).fetchall()
    return {
        (device, boot): [(int(low), int(high)) for low, high in _RANGE.findall(seen)]
        for device, boot, seen in found
    }


def save_sequences(conn: Connection, sequences: Mapping[tuple[int, str], Ranges], now: datetime) -> None:
    if sequences:
        run(
            conn,
            _SQL.save_sequences,
            device_ids=[device for device, _ in sequences],
            boots=[boot for _, boot in sequences],
            seen=[
                "{" + ",".join(f"[{low},{high})" for low, high in ranges) + "}"
                for ranges in sequences.values()
            ],
            now=now,
        )
