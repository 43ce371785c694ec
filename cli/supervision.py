"""Supervises the parts of an installation: starts each in steps, watches it, and restarts it.

    waiting ──needs run, pause over──▶ starting ──steps done──▶ running
       ▲                                  │ error                 │ ended, or to be replaced
       └──────────────────────────────────┴──────── stopping ◀────┘

Every part is always in one of these states, also during the first start, and `step` advances each of them a
little. Nothing here waits: a part that hangs, or fails to start, never delays the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from cli.output import warn
from insitu.errors import CorrectInput, FixPermissions, InsituError, RestoreBackup, UpgradeInsitu

LONG_ENOUGH_S: Final = 2.0
"""A part that ran for this long is restarted at once; one that ends sooner waits, longer each time."""
LONGEST_PAUSE_S: Final = 10.0
SAID_AGAIN_S: Final = 60.0
FINAL: Final = (CorrectInput, FixPermissions, RestoreBackup, UpgradeInsitu)
"""Errors of a first start that waiting does not fix."""

Steps = Iterator[None]
"""Work in short steps: each `next` returns soon."""


class Phase(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Part:
    """One server, process of ours, or condition. `start` and `stop` return steps; `poll` returns None while
    it runs, else how it ended.
    """

    def __init__(
        self,
        name: str,
        *,
        start: Callable[[], Steps],
        poll: Callable[[], object],
        stop: Callable[[], Steps],
        kill: Callable[[], None],
        needs: tuple[Part, ...] = (),
    ) -> None:
        self.name = name
        self._start, self._poll, self._stop, self._kill = start, poll, stop, kill
        self._needs = needs
        self._steps: Steps | None = None
        self._failures = 0
        self._not_before = 0.0
        self._said: tuple[str, float] = ("", 0.0)
        self.phase = Phase.WAITING
        self.held = False
        """While set, the part is stopped and not restarted."""
        self.running_since = 0.0
        self.starts = 0
        self.deaths = 0
        self.error: Exception | None = None
        """Error of the last start; None after a successful one."""

    @property
    def runs(self) -> bool:
        return self.phase is Phase.RUNNING

    def runs_for(self, now: float) -> float:
        """Seconds since its start was complete; 0 if it does not run."""
        return now - self.running_since if self.runs else 0.0

    def step(self, now: float) -> None:
        """Advance a little. `now`: time.monotonic(). Stores an error of a start in `error` instead of raising
        it.
        """
        if self.phase is Phase.RUNNING and self._poll() is not None:
            self._ended(now)
        if self.held and self.phase in (Phase.RUNNING, Phase.STARTING):
            self.replace()
        if (
            self.phase is Phase.WAITING
            and not self.held
            and now >= self._not_before
            and all(need.runs for need in self._needs)
        ):
            self.phase, self._steps = Phase.STARTING, self._start()
            self.starts += 1
        if self.phase in (Phase.STARTING, Phase.STOPPING):
            self._advance(now)

    def replace(self, why: str = "") -> None:
        """Stop it, in steps, and start it again; logs `why`, if given."""
        if self.phase in (Phase.RUNNING, Phase.STARTING):
            if why:
                warn(f"{self.name}: {why} It is replaced.")
            self._abandon()
            self.phase, self._steps = Phase.STOPPING, self._stop()

    def stopping(self) -> Steps:
        """Steps that end it for good, in any phase."""
        self._abandon()
        yield from self._stop()

    def kill(self) -> None:
        """Kill it; the next step starts it again."""
        self._abandon()
        self._kill()
        self.phase = Phase.WAITING

    def _ended(self, now: float) -> None:
        self.deaths += 1
        self._pause(now, failed=self.runs_for(now) < LONG_ENOUGH_S)
        self.phase = Phase.WAITING
        warn(f"{self.name} ended unexpectedly and is started again ({self.deaths}).")

    def _advance(self, now: float) -> None:
        assert self._steps is not None
        stopping = self.phase is Phase.STOPPING
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
            self.phase, self.running_since = (Phase.WAITING, 0.0) if stopping else (Phase.RUNNING, now)
            self.error = None
        # One part's error must not end the others; it is logged and tried again.
        except Exception as error:  # noqa: BLE001
            self._steps = None
            self._failed(error, now)

    def _failed(self, error: Exception, now: float) -> None:
        self.error = error
        self._kill()
        self.phase = Phase.WAITING
        self._pause(now, failed=True)
        if isinstance(error, FINAL) and not self.running_since:
            return  # the caller ends with this sentence
        text = str(error) if isinstance(error, InsituError) else f"{type(error).__name__}: {error}"
        said, at = self._said
        if text != said or now - at > SAID_AGAIN_S:
            self._said = (text, now)
            warn(f"{self.name}: {text} It is tried again.")

    def _pause(self, now: float, *, failed: bool) -> None:
        self._failures = self._failures + 1 if failed else 0
        self._not_before = now + (min(LONGEST_PAUSE_S, 0.125 * 2**self._failures) if failed else 0.0)

    def _abandon(self) -> None:
        if self._steps is not None and hasattr(self._steps, "close"):
            self._steps.close()
        self._steps = None


def stop_together(parts: list[Part], urgent: threading.Event | None) -> None:
    """End them for good, in steps; kill what is left once `urgent` is set."""
    stopping = {part.name: (part, part.stopping()) for part in parts}
    while stopping:
        for name, (part, steps) in list(stopping.items()):
            if urgent is not None and urgent.is_set():
                part.kill()
                del stopping[name]
            elif next(steps, "over") == "over":
                del stopping[name]
        time.sleep(0.02)
