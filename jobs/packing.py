"""Packs results that have become old: a little in each round, so that ingest hardly notices."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from insitu.clock import Clock
from insitu.errors import InsituError, RetryLater
from store.catalogue.trials import list_trials
from store.database import Connection
from store.packed.packing import may_pack, pack, packable

log = logging.getLogger("insitu.jobs")

WORK_S: Final = 0.15
"""In a round, which takes about five seconds: the rest of the machine is for those who wait."""
STEP: Final = 20_000
"""Results in a transaction, about: devices whose results it moves wait for it."""
STREAMS: Final = 500
"""Datastreams that are looked through at once."""
REST_S: Final = 600.0
"""After everything old is packed. Results become old once a day."""


@dataclass(slots=True)
class Packer:
    """Packs results that are older than `after`, by the clock of the trials. Any number may run: each holds
    what it packs.
    """

    clock: Clock
    after: timedelta
    stop: threading.Event
    work_s: float = WORK_S
    monotonic: Callable[[], float] = time.monotonic
    _rests_until: float = field(default=0.0, init=False)
    _reached: dict[str, int] = field(default_factory=dict, init=False)
    """The last datastream of each trial that was looked at when the time was over."""

    def __call__(self, conn: Connection) -> int:
        """Pack for about `work_s` seconds; returns how many results moved. Commits. Logs a failed trial,
        which does not delay the others. Nothing is packed while a simulated history runs: it becomes old too
        fast.
        """
        begun = self.monotonic()
        if self.clock.runs_fast or begun < self._rests_until:
            return 0
        ends, moved = begun + self.work_s, 0
        trials = [trial.code for trial in list_trials(conn)]
        conn.rollback()
        for trial in trials:
            try:
                moved += self._pack(conn, trial, ends)
            except RetryLater as error:
                if conn.closed:
                    raise
                conn.rollback()
                log.debug("%s was not packed: %s", trial, error)
            except InsituError as error:
                conn.rollback()
                log.error("%s was not packed: %s", trial, error)
            if moved and self.monotonic() >= ends:
                break
        if not moved or self.monotonic() < ends:
            self._rests_until = self.monotonic() + REST_S
        if moved:
            log.debug("%d results packed", moved)
        return moved

    def _pack(self, conn: Connection, trial: str, ends: float) -> int:
        """Until nothing is left that may be packed, or the time is over, after one step at least. Goes on
        where it stopped, because to look through ten thousand datastreams takes longer than a round.
        """
        before, moved = self.clock.now() - self.after, 0
        after = self._reached.pop(trial, 0)
        is_whole, of_pass = after == 0, 0
        while not self.stop.is_set():
            left = packable(conn, trial, before, after=after, most=STREAMS)
            is_last = len(left) < STREAMS
            while left and not self.stop.is_set():
                if not may_pack(conn, trial):
                    conn.rollback()
                    return moved
                step = pack(conn, left, most=STEP)
                conn.commit()
                moved, of_pass = moved + step.moved, of_pass + step.moved
                after, left = step.seen[-1], left[len(step.seen) :]
                if self.monotonic() >= ends:
                    self._reached[trial] = after
                    return moved
            conn.rollback()
            if is_last:
                if is_whole and not of_pass:
                    return moved
                after, is_whole, of_pass = 0, True, 0
        return moved
