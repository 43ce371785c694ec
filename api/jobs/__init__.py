"""What runs by itself: one loop, one transaction a job and trial. A job that fails is said, counted and tried again."""

from __future__ import annotations

import logging
import threading
from typing import Final

from api.jobs.evaluations import Night, evaluate_when_due
from api.jobs.quality import check_new_observations
from insitu.clock import Clock
from insitu.errors import InsituError, RetryLater
from store.database import Connection, connect, require_current

log = logging.getLogger("insitu.jobs")

PAUSE_S: Final = 5.0
"""Between two rounds: a flag appears this long after its observation at most, when nothing else waits."""


def run_jobs(database_url: str, clock: Clock, stop: threading.Event, *, night: Night, once: bool = False) -> None:
    """Rounds of every job until `stop`, or exactly one with `once`, which raises what a job raises."""
    conn: Connection | None = None
    try:
        while not stop.is_set():
            try:
                if conn is None or conn.closed:
                    conn = connect(database_url, application="insitu work")
                    require_current(conn)
                    conn.rollback()
                check_new_observations(conn, clock, stop)
                evaluate_when_due(conn, clock, night, stop)
            except RetryLater as error:
                if once:
                    raise
                log.warning("%s The next round tries again.", error)
                if conn is not None:
                    conn.close()
            except InsituError as error:
                if once or conn is None:
                    raise
                log.error("%s", error)
                conn.rollback()
            if once:
                return
            stop.wait(PAUSE_S)
    finally:
        if conn is not None:
            conn.close()
