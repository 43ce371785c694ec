"""Digests of messages that only `boot` and `seq` identify: they tell a repeat from another message that uses
the number again. The caller owns the transaction and has locked the boots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from store.database import Connection, run
from store.queries import Queries


class _SQL(Queries, file="digests"):
    digests_of: str
    save_digests: str
    drop_old_digests: str


Numbered = tuple[int, str, int]
"""(device, boot, seq)"""
BYTES: Final = 4
_BLOCK: Final = 256
_ENTRY: Final = 1 + BYTES


def find_digests(conn: Connection, keys: Iterable[Numbered]) -> dict[Numbered, bytes]:
    """The digest of each number that has one."""
    blocks = sorted({(device_id, boot, seq // _BLOCK) for device_id, boot, seq in keys})
    if not blocks:
        return {}
    columns = list(zip(*blocks, strict=True))
    parameters = dict(zip(("device_ids", "boots", "blocks"), map(list, columns), strict=True))
    found: dict[Numbered, bytes] = {}
    for device_id, boot, block, digests in conn.execute(_SQL.digests_of.encode(), parameters):
        for at in range(0, len(digests), _ENTRY):
            key = device_id, boot, block * _BLOCK + digests[at]
            found.setdefault(key, bytes(digests[at + 1 : at + _ENTRY]))
    return found


def save_digests(conn: Connection, digests: Mapping[Numbered, bytes], now: datetime) -> None:
    """Append digests of new numbers."""
    blocks: dict[tuple[int, str, int], bytearray] = {}
    for (device_id, boot, seq), digest in digests.items():
        block = blocks.setdefault((device_id, boot, seq // _BLOCK), bytearray())
        block += bytes([seq % _BLOCK]) + digest
    if blocks:
        run(
            conn,
            _SQL.save_digests,
            device_ids=[device_id for device_id, _, _ in blocks],
            boots=[boot for _, boot, _ in blocks],
            blocks=[block for _, _, block in blocks],
            digests=[bytes(entries) for entries in blocks.values()],
            now=now,
        )


def drop_old_digests(conn: Connection, before: datetime) -> None:
    """Drop the blocks whose last message came before."""
    run(conn, _SQL.drop_old_digests, before=before)
