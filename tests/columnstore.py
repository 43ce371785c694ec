"""TimescaleDB's columnstore of `observation`, and a policy that packs its chunks, which an administrator may
switch on. Ours packs all the time, so that tests meet packed rows wherever they write or read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

TIMESCALE = "INSITU_TEST_TIMESCALE_URL"
"""Names a TimescaleDB server; every test with a database then runs on it."""
COLUMNSTORE = "INSITU_TEST_COLUMNSTORE"
"""`yes`: with the columnstore on, and with chunks that are packed while the tests run."""
PAUSE_S = 0.05

SWITCH_ON = """\
ALTER TABLE observation SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'datastream_id',
                             timescaledb.orderby = 'phenomenon_time')"""
PACK = """\
SELECT compress_chunk(format('%I.%I', chunk_schema, chunk_name)::regclass, if_not_compressed => true)
FROM timescaledb_information.chunks WHERE hypertable_name = 'observation' ORDER BY range_start"""


def on_timescale() -> bool:
    return bool(os.environ.get(TIMESCALE))


def with_columnstore() -> bool:
    return on_timescale() and os.environ.get(COLUMNSTORE) == "yes"


def pack(conn: psycopg.Connection) -> None:
    """Pack every chunk, also those that were packed before and have new rows. Commits."""
    conn.execute(PACK)
    conn.commit()


@contextmanager
def packing(url: str) -> Iterator[None]:
    """Pack the chunks of a database again and again, as a policy would. Waits at most a moment for a lock."""
    stop = threading.Event()

    def run() -> None:
        options = "-c lock_timeout=200ms -c deadlock_timeout=100ms"
        with psycopg.connect(url, autocommit=True, options=options) as conn:
            while not stop.wait(PAUSE_S):
                try:
                    conn.execute(PACK)
                except psycopg.OperationalError:
                    if conn.closed:
                        return  # the database is gone; otherwise a lock was not free in time

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
