"""The signals that end a long-running verb."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Stop(threading.Event):
    """Set by SIGINT and SIGTERM; the second one sets `twice`: somebody does not want to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = threading.Event()

    def ask(self, *_: Any) -> None:
        if self.is_set():
            self.twice.set()
        self.set()


def until_signal() -> Stop:
    """An event set by SIGINT and SIGTERM."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.ask)
    signal.signal(signal.SIGINT, stop.ask)
    return stop
