"""Decides when to replace a part that runs but does not do its work, and when to leave it alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from insitu.readiness import Readiness, Stage

BROKER_TRIAL_S: Final = 8.0
INGEST_TRIAL_S: Final = 20.0
PAGES_TRIAL_S: Final = 10.0
PAGES_START_S: Final = 60.0
DATABASE_TRIAL_S: Final = 300.0
"""A part whose process runs but which fails for this long is replaced."""
ROOM_BYTES: Final = 64 * 2**20
"""With less free space nothing is replaced, because a restart gives no space."""
FIRST_PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 300.0
WATCHDOG_PATIENCE_S: Final = 600.0
_AT_THE_BROKER: Final = (Stage.CONNECT, Stage.SIGN_IN, Stage.PUBLISH)


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of an installation at one moment, in seconds; a part's `_runs_s` is 0 if it does not run."""

    readiness: Readiness
    broker_runs_s: float = 0.0
    broker_is_private: bool = False
    write_error: str | None = None
    ingest_runs_s: float = 0.0
    heartbeat_age_s: float | None = None
    """Of the ingestor, as of the last answer of the database."""
    pages_run_s: float = 0.0
    pages_silent_s: float = 0.0
    pages_answered: bool = False
    """At least once since their start."""
    database_runs_s: float = 0.0
    database_silent_s: float = 0.0
    free_bytes: int = 2**40
    least_free_bytes: int = 0
    """With less the ingestor takes nothing, and is not at fault."""

    @property
    def has_room(self) -> bool:
        return self.free_bytes >= max(ROOM_BYTES, self.least_free_bytes)


@dataclass(frozen=True, slots=True)
class Replacement:
    part: str
    why: str


class Healing:
    """Remembers since when no device can deliver, and which parts were already replaced because of it."""

    def __init__(self) -> None:
        self._unready_since: float | None = None
        self._replaced: dict[str, tuple[float, int]] = {}

    def diagnose(self, signs: Signs, now: float) -> list[Replacement]:
        """The parts to replace now, with growing pauses while that does not help. `now`: time.monotonic()."""
        if signs.readiness.ready:
            self._unready_since = None
            self._replaced.pop("broker", None)
            self._replaced.pop("ingest", None)
        elif self._unready_since is None:
            self._unready_since = now
        if not signs.has_room:
            return []
        return [one for one in _ill(signs, self.unready_s(now)) if self._is_due(one.part, now)]

    def unready_s(self, now: float) -> float:
        """Seconds for which no device could deliver."""
        return 0.0 if self._unready_since is None else now - self._unready_since

    def is_hopeless(self, signs: Signs, now: float) -> bool:
        """True if nothing has helped for so long that only a restart of everything might. Never for lack of
        space or without a database.
        """
        return self.unready_s(now) > WATCHDOG_PATIENCE_S and signs.database_silent_s < 2.0 and signs.has_room

    def _is_due(self, part: str, now: float) -> bool:
        at, times = self._replaced.get(part, (float("-inf"), 0))
        if now - at < min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**times):
            return False
        self._replaced[part] = (now, times + 1)
        return True


def _ill(signs: Signs, failing_s: float) -> list[Replacement]:
    found = []
    if signs.write_error is not None:
        found.append(Replacement("broker", f"It could not write ({signs.write_error})."))
    elif (
        signs.readiness.stage in _AT_THE_BROKER
        and not signs.broker_is_private
        and min(failing_s, signs.broker_runs_s) > BROKER_TRIAL_S
    ):
        found.append(Replacement("broker", signs.readiness.detail))
    mute = signs.heartbeat_age_s is None or signs.heartbeat_age_s > INGEST_TRIAL_S
    if (
        mute
        and signs.database_silent_s < 2.0
        and min(failing_s, signs.ingest_runs_s, signs.broker_runs_s) > INGEST_TRIAL_S
    ):
        found.append(Replacement("ingest", "It stores nothing."))
    trial = PAGES_TRIAL_S if signs.pages_answered else PAGES_START_S
    if min(signs.pages_silent_s, signs.pages_run_s) > trial:
        found.append(Replacement("serve", "The pages do not answer."))
    if min(signs.database_silent_s, signs.database_runs_s) > DATABASE_TRIAL_S:
        found.append(Replacement("postgres", f"It has not answered for {signs.database_silent_s:.0f} s."))
    return found


class Paced:
    """Asks a question at most every `seconds`; in between it returns the last answer."""

    def __init__(self, ask: Callable[[], str | None], seconds: float) -> None:
        self._ask, self._seconds = ask, seconds
        self._asked_at = float("-inf")
        self._answer: str | None = None

    def answer(self, now: float) -> str | None:
        if now - self._asked_at > self._seconds:
            self._asked_at, self._answer = now, self._ask()
        return self._answer
