"""Runs the background jobs: one loop, one transaction for each job and trial. A failed job is logged and
tried again; it stops neither the loop nor another job.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from insitu.clock import Clock
from insitu.errors import FreeSpace, InsituError, RetryLater
from insitu.room import Room
from jobs.alerts import Watcher, alert_when_due
from jobs.evaluations import Night, evaluate_when_due
from jobs.life import erase_when_due
from jobs.packing import WORK_S, Packer
from jobs.quality import check_new_observations
from jobs.requests import evaluate_asked
from jobs.seals import seal_when_due
from jobs.witness import Witness, vouch_when_due
from store.database import Connection, connect, require_current

log = logging.getLogger("insitu.jobs")

PAUSE_S: Final = 5.0
"""Between two rounds: a flag appears at most this long after its observation, if nothing else waits."""
LONGEST_PAUSE_S: Final = 60.0
"""After repeated failed rounds, so that their tracebacks do not fill the disk."""

Job = Callable[[Connection], object]


def run_jobs(
    database_url: str,
    clock: Clock,
    stop: threading.Event,
    *,
    night: Night,
    once: bool = False,
    witness: Witness | None = None,
    pack_after: timedelta = timedelta(days=2),
    watcher: Watcher | None = None,
    room: Room | None = None,
) -> None:
    """Runs rounds of every job until `stop`, or exactly one with `once`, which raises the first error.
    `pack_after`: age from which results are packed. Without enough `room` only alerts are looked after, which
    tell somebody of it: all other jobs write, and wait.

    Raises errors that a person must fix before any round can succeed (RunMigrate, NotAcceptedHere); waits for
    a database that is away.
    """
    jobs: list[Job] = [
        lambda conn: evaluate_asked(conn, clock, stop),
        lambda conn: check_new_observations(conn, clock, stop),
        lambda conn: evaluate_when_due(conn, clock, night, stop),
        lambda conn: erase_when_due(conn, clock, night, stop),
        lambda conn: seal_when_due(conn, clock, night, stop),
        Packer(clock, pack_after, stop, work_s=math.inf if once else WORK_S),
    ]
    alerts: list[Job] = []
    if watcher is not None:
        alerts.append(lambda conn: alert_when_due(conn, clock, watcher, stop))
    if witness is not None:
        jobs.append(lambda conn: vouch_when_due(conn, clock, night, witness, stop))
    conn: Connection | None = None
    turn, pause = _Turn(room or Room(None, 0), alerts, jobs), PAUSE_S
    try:
        while not stop.is_set():
            try:
                if conn is None or conn.closed:
                    conn = _connect(database_url)
                failed = turn.run(conn)
            except RetryLater as error:
                failed = [error]
                log.warning("%s The next round tries again.", error)
                if conn is not None:
                    conn.close()
            if once:
                turn.require_room()
                if failed:
                    raise failed[0]
                return
            pause = (
                PAUSE_S
                if not failed or isinstance(failed[0], RetryLater)
                else min(LONGEST_PAUSE_S, 2 * pause)
            )
            stop.wait(pause)
    finally:
        if conn is not None:
            conn.close()


@dataclass(slots=True)
class _Turn:
    """The jobs of a round: all of them, or without enough room the alerts alone."""

    room: Room
    alerts: Sequence[Job]
    others: Sequence[Job]
    lack: str | None = None

    def run(self, conn: Connection) -> list[Exception]:
        """Run them; returns the errors. Logs once when the others begin to wait, and when they go on."""
        before, self.lack = self.lack, self.room.problem()
        if (before is None) is not (self.lack is None):
            log.warning(
                "%s", f"The jobs wait. {self.lack}" if self.lack else "There is room: the jobs go on."
            )
        return _round(conn, self.alerts if self.lack else [*self.alerts, *self.others])

    def require_room(self) -> None:
        if self.lack:
            raise FreeSpace(f"The jobs did not run. {self.lack}")


def _connect(database_url: str) -> Connection:
    conn = connect(database_url, application="insitu work")
    try:
        require_current(conn)
        conn.rollback()
    except BaseException:
        conn.close()
        raise
    return conn


def _round(conn: Connection, jobs: Sequence[Job]) -> list[Exception]:
    """Run each job once; returns the errors. Raises RetryLater if the database went away."""
    failed: list[Exception] = []
    for job in jobs:
        try:
            job(conn)
        except RetryLater:
            raise
        except InsituError as error:
            failed.append(error)
            log.error("%s", error)
            conn.rollback()
        except Exception as error:
            failed.append(error)
            log.error("A job failed: a defect of Insitu, please report it.", exc_info=error)
            conn.rollback()
    return failed
