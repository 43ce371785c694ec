"""Makes the evaluations that people asked for, oldest first."""

from __future__ import annotations

import logging
import threading
from typing import Final

from insitu.clock import Clock
from insitu.errors import InsituError, RetryLater
from store import requests
from store.database import Connection
from store.requests import Request
from trials.workflow.asking import evaluate_for

log = logging.getLogger("insitu.jobs")

A_DEFECT: Final = "A defect of Insitu: the log of the jobs says more."


def evaluate_asked(conn: Connection, clock: Clock, stop: threading.Event) -> int:
    """Commits after each; returns how many ended. A request whose process died is begun again."""
    waiting = requests.list_open_requests(conn)
    conn.rollback()
    done = 0
    for request in waiting:
        if stop.is_set():
            break
        taken = requests.take(conn, request)
        conn.rollback()
        if not taken:
            continue
        try:
            done += _evaluate(conn, clock, request)
        finally:
            conn.rollback()
            requests.give_back(conn, request)
            conn.rollback()
    return done


def _evaluate(conn: Connection, clock: Clock, request: Request) -> bool:
    """False if somebody else has ended it."""
    if not requests.start(conn, request, clock.now()):
        return False
    conn.commit()
    try:
        number = evaluate_for(conn, request, now=clock.now(), simulated=clock.is_simulated)
        requests.end(conn, request, clock.now(), evaluation_id=number)
    except RetryLater:
        raise
    except InsituError as error:
        conn.rollback()
        log.error("%s could not be evaluated: %s", request.trial, error)
        requests.end(conn, request, clock.now(), problem=str(error))
    except Exception as error:
        conn.rollback()
        log.error("%s could not be evaluated: %s", request.trial, A_DEFECT, exc_info=error)
        requests.end(conn, request, clock.now(), problem=A_DEFECT)
    else:
        log.info("%s: evaluation %d, for %s", request.trial, number, request.asked_by)
    conn.commit()
    return True
