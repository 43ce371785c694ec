"""Runs the planned checks over observations that arrived since the last round."""

from __future__ import annotations

import threading

from insitu.clock import Clock
from insitu.errors import InsituError
from jobs.each_trial import each_trial
from store.database import Connection
from trials.workflow.checking import check_quality, locked_trials


def check_new_observations(conn: Connection, clock: Clock, stop: threading.Event) -> int:
    """Check every trial with a locked protocol, one transaction for each; returns the number of checked
    observations. Raises an InsituError that names the failed trials.
    """
    trials = locked_trials(conn)
    conn.rollback()
    judged, failed = each_trial(
        conn,
        trials,
        stop,
        lambda trial: check_quality(conn, trial, now=clock.now()),
        failure="could not be checked",
        line=lambda trial, count: f"{trial}: {count} observations checked" if count else None,
    )
    if failed:
        raise InsituError(f"The checks failed for {', '.join(failed)}; the lines before this one say why.")
    return sum(judged.values())
