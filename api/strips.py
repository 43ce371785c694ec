"""Daily counts of devices, cached for some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from store.database import Connection
from trials.condition.facts import DayCount
from trials.workflow.condition import count_stored_days

_FRESH_S: Final = 20.0


class Strips:
    """Daily counts of devices, at most some seconds old, because a fleet page counts half a million rows for
    them.
    """

    def __init__(self) -> None:
        self._counts: dict[int, tuple[float, list[DayCount]]] = {}
        self._lock = threading.Lock()

    def counts(self, conn: Connection, device_ids: Sequence[int], now: datetime) -> dict[int, list[DayCount]]:
        """Like `count_stored_days`: pass only ids of devices that the reader may see."""
        with self._lock:
            limit = time.monotonic() - _FRESH_S
            missing = [n for n in device_ids if n not in self._counts or self._counts[n][0] < limit]
        if missing:
            found = count_stored_days(conn, missing, now)
            with self._lock:
                self._counts |= {n: (time.monotonic(), counts) for n, counts in found.items()}
        with self._lock:
            return {n: self._counts[n][1] for n in device_ids}
