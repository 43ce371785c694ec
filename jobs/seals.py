"""Seals changes of registered facts in each round, and settled days of results once a night."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Final

from insitu.clock import Clock
from jobs.evaluations import Night
from store import seals
from store.access import fact, put_fact
from store.database import Connection

log = logging.getLogger("insitu.jobs")

SETTLED_AFTER: Final = timedelta(days=2)
"""Most late results have come by then; a later one is noted, and its day is sealed again."""
_PATIENCE_S: Final = 5.0
_PAUSE_S: Final = 0.1
_FACT: Final = "sealed_on"


def seal_when_due(conn: Connection, clock: Clock, night: Night, stop: threading.Event) -> None:
    """Commits after each seal. A night missed because nothing was running is made up at the next start."""
    if not seals.is_only_sealer(conn):
        conn.rollback()
        return
    seals.seal_facts(conn, clock.now())
    conn.commit()
    today = night.begun(clock)
    last = fact(conn, _FACT)
    conn.rollback()
    if today is not None and (last is None or last < today) and seal_settled(conn, clock, night, stop):
        put_fact(conn, _FACT, today)
        conn.commit()


def seal_settled(conn: Connection, clock: Clock, night: Night, stop: threading.Event) -> bool:
    """Seal the days that are settled by now; none if somebody moved the end of the sealed ones. Commits.

    False if another process does it, or transactions are under way that may not note their changes yet; the
    next round tries again.
    """
    if not seals.is_only_sealer(conn):
        conn.rollback()
        return False
    if problem := seals.extent_problem(conn):
        log.error("No day is sealed: %s. `insitu check` names what was changed.", problem)
        conn.rollback()
        return True
    seals.note_days(conn, clock.now() - SETTLED_AFTER, night.zone.key)
    conn.commit()
    before = seals.barrier(conn)
    conn.rollback()
    for _ in range(int(_PATIENCE_S / _PAUSE_S)):
        ended = seals.have_ended(conn, before)
        conn.rollback()
        if ended:
            break
        if stop.wait(_PAUSE_S):
            return False
    else:
        return False
    if not seals.is_only_sealer(conn):
        conn.rollback()
        return False
    seals.seal_days(conn, clock.now())
    conn.commit()
    return True
