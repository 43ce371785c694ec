"""Packed days among the observations, for tests that read rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from proving.faults.packed import read_packed


def beside_packed(conn: psycopg.Connection[Any]) -> None:
    """From now on this connection finds every result in a table `observation` of its own, packed or not, as
    it was at this moment.
    """
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    days = conn.execute("SELECT datastream_id, columns FROM packed_day").fetchall()
    conn.execute("CREATE TEMPORARY TABLE observation AS SELECT * FROM public.observation")
    with conn.cursor().copy(
        "COPY observation (datastream_id, phenomenon_time, result, received_at, flag, clock_quality, "
        "import_id) FROM STDIN"
    ) as copy:
        for number, record in days:
            for one in read_packed(record):
                copy.write_row(
                    (
                        number,
                        _instant(one.time_us),
                        one.result,
                        _instant(one.received_us),
                        one.flag,
                        one.quality,
                        None if one.import_id < 0 else one.import_id,
                    )
                )


def _instant(time_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
