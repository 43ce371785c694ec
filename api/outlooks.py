"""Outlooks of stored protocols, at most five minutes old, because each needs ninety days of observations of
every device of an arm.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from insitu.clock import Clock
from store.database import Connection
from store.trials import StoredProtocol
from trials.judge.expectations import Outlook
from trials.judge.outlook import LENGTHS, POWER
from trials.plan.reading import read_protocol
from trials.workflow.drafts import outlook_of

_FRESH_S: Final = 300.0
_MOST: Final = 200


class Outlooks:
    """Bounded in number. Uses the wall clock, because it protects the machine."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], tuple[float, Outlook]] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self,
        conn: Connection,
        stored: StoredProtocol,
        clock: Clock,
        *,
        lengths: Sequence[int] = LENGTHS,
        power: float = POWER,
    ) -> Outlook:
        """The outlook of a stored protocol. The caller checks that the viewer may see measurements of its
        trial.
        """
        key = (stored.protocol_id, stored.sha256, tuple(lengths), power)
        with self._lock:
            at, found = self._known.get(key, (float("-inf"), None))
            if found is not None and time.monotonic() - at < _FRESH_S:
                return found
        made = outlook_of(
            conn,
            read_protocol(stored.document),
            now=clock.now(),
            simulated=clock.is_simulated,
            lengths=lengths,
            power=power,
        )
        with self._lock:
            self._known[key] = (time.monotonic(), made)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return made
