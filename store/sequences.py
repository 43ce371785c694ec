"""The accounted `seq`s of each device and boot. The caller owns the transaction."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np

from store.binary import Int4s, Texts
from store.database import Connection, scalar
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
Boot = tuple[int, str]
"""(device, boot)"""
_MOST: Final = 200_000
"""Ranges that are remembered; beyond, all are forgotten."""


@dataclass(slots=True)
class KnownRanges:
    """Ranges as one connection last read or wrote them. Each holds as long as its row is still that of the
    same transaction: the ranges of a device that loses messages are hundreds, and every batch needs them.
    A number of a transaction comes again after four billion others: forget everything long before.
    """

    rows: dict[Boot, tuple[str, Ranges]] = field(default_factory=dict)
    """Transaction, ranges. Nobody changes a list that is here."""
    size: int = 0

    def writer(self, key: Boot) -> str:
        return self.rows[key][0] if key in self.rows else ""

    def remember(self, key: Boot, writer: str, ranges: Ranges) -> None:
        self.size += len(ranges) - (len(self.rows[key][1]) if key in self.rows else 0)
        self.rows[key] = writer, ranges
        if self.size > _MOST:
            self.rows, self.size = {}, 0


def lock_sequences(
    conn: Connection, keys: Sequence[Boot], now: datetime, known: KnownRanges | None = None
) -> dict[Boot, Ranges]:
    """Accounted ranges of each (device, boot), empty for a new one; locked against other writers until the
    transaction ends. The caller does not change them. `known`: remembers them.
    """
    if not keys:
        return {}
    known = known or KnownRanges()
    writers = Texts([known.writer(key) for key in keys])
    remembered = {key: known.rows[key][1] for key in keys if key in known.rows}
    found = _ranges(conn, _SQL.lock_sequences, keys, remembered, known, writers=writers)
    new = [key for key in keys if key not in found]
    if new:
        found.update(_ranges(conn, _SQL.begin_sequences, new, {}, known, now=now))
    return found


def _ranges(
    conn: Connection,
    query: str,
    keys: Sequence[Boot],
    remembered: Mapping[Boot, Ranges],
    known: KnownRanges,
    **more: Any,
) -> dict[Boot, Ranges]:
    found: dict[Boot, Ranges] = {}
    for device, boot, writer, seen in conn.execute(query.encode(), {**_keys(keys), **more}, binary=True):
        key = device, boot
        if seen is None:
            found[key] = remembered[key]
        else:
            found[key] = [(low, high) for _, _, _, low, _, high in _RANGE.iter_unpack(seen[_COUNT:])]
            known.remember(key, writer, found[key])
    return found


def _keys(keys: Collection[Boot]) -> dict[str, Any]:
    return {
        "device_ids": Int4s(np.array([device for device, _ in keys], np.int64)),
        "boots": Texts([boot for _, boot in keys]),
    }


def save_sequences(
    conn: Connection,
    sequences: Mapping[Boot, Ranges],
    now: datetime,
    after: Mapping[Boot, Ranges] | None = None,
    known: KnownRanges | None = None,
) -> None:
    """Add ranges to those that are stored. Only the new ones need to be given: a device whose messages were
    lost has hundreds. `known`: remembers `after`, all of each boot.
    """
    if not sequences:
        return
    seen = [
        "{" + ",".join([f"[{low},{high})" for low, high in ranges]) + "}" for ranges in sequences.values()
    ]
    writer = scalar(conn, _SQL.save_sequences, **_keys(sequences), seen=Texts(seen), now=now)
    if known is not None:
        for key, ranges in (after or {}).items():
            known.remember(key, writer, ranges)
