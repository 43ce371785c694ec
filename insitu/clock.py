"""The trial clock: maps the system's time to the time of the trial. The command line creates it and passes it
down.

Real use runs on the system's time. A demo or a test runs fast through its history and then in real time:
`clock(real) = start + rate · (real − real_start)` until `fast_until`; afterwards the rate is 1.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from insitu.errors import CorrectInput


@dataclass(frozen=True, slots=True)
class Clock:
    """A monotone map from wall time to trial time; both in seconds since 1970-01-01 UTC."""

    start: float = 0.0
    real_start: float = 0.0
    rate: float = 1.0
    fast_until: float = 0.0
    """Trial time at which `rate` falls back to 1."""

    @classmethod
    def simulated(
        cls, *, real_start: float, history: timedelta, takes: timedelta, ends: float | None = None
    ) -> Clock:
        """A clock that runs through `history` within `takes` of wall time. Afterwards it *is* the wall clock,
        or continues from `ends`.
        """
        if takes.total_seconds() <= 0 or history <= takes:
            raise CorrectInput("A simulated history must be longer than the time it takes to run through it.")
        end = real_start + takes.total_seconds() if ends is None else ends
        rate = history / takes
        return cls(start=end - history.total_seconds(), real_start=real_start, rate=rate, fast_until=end)

    @property
    def is_simulated(self) -> bool:
        return self.rate != 1.0

    @property
    def runs_fast(self) -> bool:
        """True while it still runs through its history."""
        return self.is_simulated and self.at(time.time()) < self.fast_until

    def at(self, real: float) -> float:
        """Trial time (s) at wall time `real` (s)."""
        if not self.is_simulated:
            return real
        fast = self.start + self.rate * (real - self.real_start)
        if fast <= self.fast_until:
            return fast
        return self.fast_until + (real - self.real_at(self.fast_until))

    def real_at(self, trial: float) -> float:
        """Wall time (s) at which the clock shows `trial` (s); the inverse of `at`."""
        if not self.is_simulated:
            return trial
        if trial <= self.fast_until:
            return self.real_start + (trial - self.start) / self.rate
        return self.real_at(self.fast_until) + (trial - self.fast_until)

    def now(self) -> datetime:
        """Trial time now, UTC-aware."""
        return datetime.fromtimestamp(self.at(time.time()), UTC)

    def now_us(self) -> int:
        """Trial time now, microseconds since 1970-01-01 UTC."""
        return int(self.at(time.time()) * 1_000_000)

    def dumps(self) -> str:
        """The clock as one line that `loads` reads: for passing it to another process or storing it with the
        data.
        """
        return json.dumps(
            {
                "start": self.start,
                "real_start": self.real_start,
                "rate": self.rate,
                "fast_until": self.fast_until,
            }
        )

    @classmethod
    def loads(cls, text: str) -> Clock:
        try:
            fields = json.loads(text)
            return cls(
                **{name: float(fields[name]) for name in ("start", "real_start", "rate", "fast_until")}
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CorrectInput(f"Not a trial clock: {text[:80]!r} ({error}).") from error


SYSTEM = Clock()
"""The wall clock."""
