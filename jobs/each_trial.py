"""Runs a job over many trials, each in its own transaction, so that a failed trial does not delay the
others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from insitu.errors import InsituError, RetryLater
from store.database import Connection

log = logging.getLogger("insitu.jobs")

Kind = TypeVar("Kind")


def each_trial(
    conn: Connection,
    trials: Iterable[str],
    stop: threading.Event,
    action: Callable[[str], Kind],
    *,
    failure: str,
    line: Callable[[str, Kind], str | None],
) -> tuple[dict[str, Kind], list[str]]:
    """(results of `action` by trial, trials that failed). Commits after each trial and then logs its `line`.

    Logs errors as "TRIAL `failure`: …". Raises only RetryLater.
    """
    results: dict[str, Kind] = {}
    failed: list[str] = []
    for trial in trials:
        if stop.is_set():
            break
        try:
            result = action(trial)
            conn.commit()
        except RetryLater:
            raise
        except InsituError as error:
            failed.append(trial)
            log.error("%s %s: %s", trial, failure, error)
            conn.rollback()
        except Exception as error:
            failed.append(trial)
            log.error("%s %s: a defect of Insitu, please report it.", trial, failure, exc_info=error)
            conn.rollback()
        else:
            results[trial] = result
            if text := line(trial, result):
                log.info("%s", text)
    return results, failed
