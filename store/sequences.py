"""The accounted `seq`s of each device and boot. The caller owns the transaction."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from store.binary import Int4s, Texts
from store.database import Connection, run
from store.queries import Queries


class _SQL(Queries, file="sequences"):
    lock_sequences: str
    begin_sequences: str
    save_sequences: str


_COUNT: Final = 4
"""Bytes before the first range of a multirange in PostgreSQL's binary format."""
_RANGE: Final = struct.Struct(">iBiqiq")
"""Length, flags, then length and content of each bound."""
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
    found = conn.execute(query.encode(), {**_keys(keys), **more}, binary=True).fetchall()
    return {
        (device, boot): [(low, high) for _, _, _, low, _, high in _RANGE.iter_unpack(seen[_COUNT:])]
        for device, boot, seen in found
    }


def _keys(keys: Collection[tuple[int, str]]) -> dict[str, Any]:
    return {
        "device_ids": Int4s(np.array([device for device, _ in keys], np.int64)),
        "boots": Texts([boot for _, boot in keys]),
    }


def save_sequences(conn: Connection, sequences: Mapping[tuple[int, str], Ranges], now: datetime) -> None:
    """Add ranges to those that are stored. Only the new ones need to be given: a device whose messages were
    lost has hundreds.
    """
    if sequences:
        run(
            conn,
            _SQL.save_sequences,
            **_keys(sequences),
            seen=Texts(
                [
                    "{" + ",".join([f"[{low},{high})" for low, high in ranges]) + "}"
                    for ranges in sequences.values()
                ]
            ),
            now=now,
        )
