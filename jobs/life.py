"""Once a night: erases what has stayed as long as it may, and masks texts that were allowed for some days."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from typing import Final

from ingest.masks.payload import keep_payload
from ingest.masks.wanted import wanted_of
from insitu.clock import Clock
from jobs.each_trial import each_trial
from jobs.evaluations import Night
from store.access import fact, put_fact
from store.audit import record
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.erasures import Erasure, Scope, erase
from store.retention import RawReject, mask_rejects, messages_due, raw_due, results_due

log = logging.getLogger("insitu.jobs")

LOGIN: Final = "job:retention"
_FACT: Final = "erased_at_night"


def erase_when_due(conn: Connection, clock: Clock, night: Night, stop: threading.Event) -> None:
    """At most once a day; a night missed because nothing was running is made up at the next start. Commits.

    Nothing is erased in a simulated time, in which years pass within minutes.
    """
    today = night.begun(clock)
    if today is None or clock.is_simulated:
        return
    last = fact(conn, _FACT)
    conn.rollback()
    if last is not None and last >= today:
        return
    erase_due(conn, clock.now(), stop)
    if not stop.is_set():
        put_fact(conn, _FACT, today)
        conn.commit()


def erase_due(conn: Connection, now: datetime, stop: threading.Event) -> None:
    """One transaction for each trial. Logs a failed trial, which does not delay the others."""
    mask_due(conn, now, stop)
    messages = dict(messages_due(conn, now))
    results = results_due(conn, now)
    conn.rollback()

    def of_messages(trial: str) -> Erasure:
        scope = Scope(trial, until=messages[trial], parts=("messages",))
        return erase(conn, scope, login=LOGIN, reason="refused messages stayed as long as they may", now=now)

    def of_results(trial: str) -> Erasure:
        return erase(conn, Scope(trial), login=LOGIN, reason="results stayed as long as they may", now=now)

    failure = "was not erased"
    each_trial(conn, sorted(messages), stop, of_messages, failure=failure, line=_line)
    each_trial(conn, results, stop, of_results, failure=failure, line=_line)


def mask_due(conn: Connection, now: datetime, stop: threading.Event) -> int:
    """Mask the texts whose days are over; returns in how many refused messages. Commits."""
    known = load_snapshot(conn)
    done = 0
    while not stop.is_set() and (found := raw_due(conn, now)):
        masked = []
        for one in found:
            wanted = wanted_of(known.devices.get((one.trial, one.device)))
            kept = keep_payload(one.topic, bytes(one.payload), one.detail, wanted)
            masked.append(
                RawReject(one.reject_id, kept.topic, kept.payload, kept.detail, one.trial, one.device)
            )
        mask_rejects(conn, masked)
        conn.commit()
        done += len(found)
    if done:
        record(
            conn, at=now, login=LOGIN, action="mask", subject="refused messages", detail={"messages": done}
        )
        log.info("masked the texts of %d refused messages", done)
    conn.commit()
    return done


def _line(trial: str, done: Erasure) -> str | None:
    return f"{trial}: erasure {done.erasure_id}, {done.rows} rows: {done.reason}" if done.rows else None
