"""Outages of our own: the ingestor's sign of life enters them, and the look reads them."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

from insitu.clock import SYSTEM, Clock
from jobs.alerts import Watcher, alert_when_due
from store.access import fact
from store.database import Connection
from store.shards import alive, ensure_shards
from store.troubles import list_outages
from tests.jobs.field import PARIS, START
from trials.workflow.watching import read_outage


def beat(conn: Connection, *, heard: bool = True, committed: bool = False) -> None:
    alive(
        conn,
        0,
        heard=heard,
        committed=committed,
        pending=0,
        dropped=0,
        disconnects=0,
        window=10,
        problem=None,
    )


def away(conn: Connection, seconds: int) -> None:
    conn.execute(
        "UPDATE shard SET heartbeat_at = clock_timestamp() - make_interval(secs => %s), committed_at = NULL",
        (seconds,),
    )


def spans(conn: Connection) -> list[float]:
    return [(one.ended_at - one.started_at).total_seconds() for one in list_outages(conn, START)]


def test_the_first_sign_of_life_after_a_silence_enters_an_outage_and_the_next_does_not(
    conn: Connection,
) -> None:
    ensure_shards(conn)
    beat(conn)
    assert spans(conn) == [], "an ingestor that starts for the first time was not away"
    away(conn, 3600)
    beat(conn, heard=False)
    assert spans(conn) == [], "still no sign of life"
    beat(conn)
    beat(conn)
    (length,) = spans(conn)
    assert 3600 <= length < 3660
    away(conn, 30)
    beat(conn)
    assert len(spans(conn)) == 1, "a short one is none"
    away(conn, 600)
    beat(conn, heard=False, committed=True)
    assert len(spans(conn)) == 2, "a commit is a sign of life"


def test_an_outage_is_read_while_it_lasts(conn: Connection) -> None:
    assert read_outage(conn, START) is None, "no ingestor ever ran"
    ensure_shards(conn)
    beat(conn)
    assert read_outage(conn, START) is None
    away(conn, 1200)
    since = read_outage(conn, START)
    assert since is not None
    assert timedelta(seconds=1200) <= START - since < timedelta(seconds=1260)


def test_nobody_looks_while_a_simulated_history_runs_and_else_once_a_minute(
    conn: Connection, tmp_path: Path
) -> None:
    real, begins = time.time(), START.timestamp()
    history = Clock(start=begins, real_start=real, rate=86_400.0, fast_until=begins + 60 * 86_400)
    watcher, never = Watcher(PARIS, data_dir=tmp_path), threading.Event()
    alert_when_due(conn, history, watcher, never)
    assert fact(conn, "alerts_began") is None
    alert_when_due(conn, SYSTEM, watcher, never)
    began = fact(conn, "alerts_began")
    assert began is not None
    conn.execute("DELETE FROM installation WHERE name = 'alerts_began'")
    conn.commit()
    alert_when_due(conn, SYSTEM, watcher, never)
    assert fact(conn, "alerts_began") is None, "a minute has not passed"
    assert watcher.disk() is not None
