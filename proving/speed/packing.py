"""Packs everything old of a trial at once, as the job does in the course of days."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final, NamedTuple

from store.database import Connection
from store.packed.packing import may_pack, pack, packable

STEP: Final = 200_000
"""Results in a transaction of the packer, which is alone here."""


class Packed(NamedTuple):
    results: int
    seconds: float
    core_s: float
    """Of this process's core; those of the server come on top."""


def pack_everything(conn: Connection, trial: str, before: datetime) -> Packed:
    begin, cpu, moved = time.perf_counter(), time.process_time(), 0
    while may_pack(conn, trial) and (todo := packable(conn, trial, before)):
        already = moved
        while todo:
            step = pack(conn, todo, most=STEP)
            conn.commit()
            moved += step.moved
            todo = todo[len(step.seen) :]
        if moved == already:
            break
    conn.rollback()
    return Packed(moved, time.perf_counter() - begin, time.process_time() - cpu)
