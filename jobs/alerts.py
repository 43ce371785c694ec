"""Once a minute: looks for troubles of devices and of the installation itself, and tells people.

1. One worker at a time: another one finds the turn taken and does nothing.
2. Look: what is wrong now, what has held long enough, what is over (trials/workflow/watching.py).
3. Tell: for each person, which alerts open, remind and end (trials/workflow/telling.py).
4. Commit all of it at once. A crash before leaves nothing, and the next look finds the same.

Notices are rows that `jobs.deliveries` sends.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from insitu.clock import Clock
from store.backups import load_backup_state
from store.database import Connection
from store.troubles import is_only_watcher
from trials.condition.facts import DayCount
from trials.workflow.condition import count_stored_days
from trials.workflow.telling import Told, tell, tell_weekly
from trials.workflow.watching import Look, OwnState, look, read_outage

log = logging.getLogger("insitu.alerts")

EVERY_S: Final = 60.0
COUNTED_EVERY: Final = timedelta(minutes=15)
"""Counts of results are read this often: a look reads those of 14 days."""


@dataclass(slots=True)
class Watcher:
    """The memory of the job between two looks. `mails`: the installation can send mail. `data_dir`: its
    disk is watched; None: none is.
    """

    zone: ZoneInfo
    mails: bool = False
    data_dir: Path | None = None
    _looked_at: float | None = field(default=None, init=False)
    _counted_at: datetime | None = field(default=None, init=False)
    _counts: dict[int, list[DayCount]] = field(default_factory=dict, init=False)

    def is_due(self) -> bool:
        """True once a minute, by the wall."""
        at = time.monotonic()
        if self._looked_at is not None and at - self._looked_at < EVERY_S:
            return False
        self._looked_at = at
        return True

    def count(self, conn: Connection, device_ids: Sequence[int], now: datetime) -> dict[int, list[DayCount]]:
        """Counts of results, at most COUNTED_EVERY old."""
        is_old = self._counted_at is None or not timedelta() <= now - self._counted_at < COUNTED_EVERY
        if is_old or not self._counts.keys() >= set(device_ids):
            self._counts, self._counted_at = count_stored_days(conn, device_ids, now), now
        return {number: self._counts[number] for number in device_ids}

    def disk(self) -> tuple[int, int] | None:
        """(free, whole) in bytes."""
        if self.data_dir is None or not self.data_dir.is_dir():
            return None
        usage = shutil.disk_usage(self.data_dir)
        return usage.free, usage.total


def alert_when_due(conn: Connection, clock: Clock, watcher: Watcher, stop: threading.Event) -> None:
    """One look, if a minute has passed. Nothing while a simulated history runs, in which days pass within
    seconds. Commits.
    """
    if clock.runs_fast or stop.is_set() or not watcher.is_due():
        return
    now = clock.now()
    backups = None if clock.is_simulated else load_backup_state(conn)
    own = OwnState(read_outage(conn, now), watcher.disk(), backups)
    look_and_tell(conn, now, own, watcher, simulated=clock.is_simulated)


def look_and_tell(
    conn: Connection, now: datetime, own: OwnState, watcher: Watcher, *, simulated: bool
) -> Look | None:
    """One look at `now`, and its alerts and notices; None if another worker has the turn. Commits."""
    if not is_only_watcher(conn):
        conn.rollback()
        return None
    found = look(conn, now, own, simulated=simulated, count=watcher.count)
    told = tell(conn, found, simulated=simulated, mails=watcher.mails)
    weekly = tell_weekly(conn, found, watcher.zone, simulated=simulated)
    conn.commit()
    _log(told, weekly)
    return found


def _log(told: Told, weekly: int) -> None:
    if told.alerts or told.notices or weekly:
        log.info("%d new alerts, %d notices, %d weekly summaries", told.alerts, told.notices, weekly)
