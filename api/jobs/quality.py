"""The planned checks over what came in since the last round."""

from __future__ import annotations

import logging
import threading

from insitu.clock import Clock
from store.database import Connection
from trials.workflow import check_quality, locked_trials

log = logging.getLogger("insitu.jobs")


def check_new_observations(conn: Connection, clock: Clock, stop: threading.Event) -> int:
    """Every trial with a locked protocol, a transaction each; how many observations were judged."""
    judged = 0
    trials = locked_trials(conn)
    conn.rollback()
    for trial in trials:
        if stop.is_set():
            break
        found = check_quality(conn, trial, now=clock.now())
        conn.commit()
        judged += found
        if found:
            log.debug("%s: %d observations checked", trial, found)
    return judged
