"""Whether a folder answers. A network share that has gone away lets each call on it wait, perhaps for hours:
so a thread of its own asks, and the others read what it has heard.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from insitu.errors import RetryLater

EVERY_S: Final = 5.0
PATIENCE_S: Final = 30.0


class Answers:
    """`look`: asks the folder; it may raise OSError, or wait."""

    def __init__(
        self,
        folder: Path,
        *,
        look: Callable[[Path], object] = os.statvfs,
        every_s: float = EVERY_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._folder, self._look, self._every_s, self._patience_s = folder, look, every_s, patience_s
        self._heard_at = time.monotonic()
        self._stop = threading.Event()

    def start(self) -> None:
        """A daemon: a call that waits for the share must not keep the process."""
        threading.Thread(target=self._run, name="backup folder", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def require(self) -> None:
        """Raises RetryLater if the folder has not answered for some time. Returns at once."""
        if not self.is_there():
            raise RetryLater(
                f"The folder of the backups, {self._folder}, does not answer: is its network share or disk "
                "there? Everything else goes on, and changes are kept for it up to a limit."
            )

    def is_there(self) -> bool:
        return time.monotonic() - self._heard_at <= self._patience_s + self._every_s

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            with suppress(OSError):  # an error is an answer; the next use of the folder tells of it
                self._look(self._folder)
            self._heard_at = time.monotonic()
