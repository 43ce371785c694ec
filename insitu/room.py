"""Free space on the disk of the database. Without enough of it nothing is taken in: a database that meets a
full disk stops for everybody, also for those who only read.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LARGEST_SHARE: Final = 10
"""On a small disk a tenth of it is enough."""
BACK: Final = 1.25
"""Taking in begins again with this much more than the least, so that it does not begin and end all the time.
"""
_EVERY_S: Final = 0.5


@dataclass(slots=True)
class Room:
    """The disk of `folder`; None: it is not watched. `least`: bytes that must stay free. One thread asks."""

    folder: Path | None
    least: int
    _problem: str | None = field(default=None, init=False)
    _asked_at: float = field(default=float("-inf"), init=False)

    def problem(self) -> str | None:
        """The lack of room and what to do, as of the last half second; None if there is room."""
        now = time.monotonic()
        if self.folder is None or now - self._asked_at < _EVERY_S:
            return self._problem
        self._asked_at = now
        try:
            usage = shutil.disk_usage(self.folder)
        except OSError:
            return self._problem  # a disk that does not answer: the database says so
        least = least_free(self.least, usage.total)
        if usage.free >= least * (BACK if self._problem else 1.0):
            self._problem = None
        else:
            self._problem = describe(self.folder, usage.free, usage.total, least)
        return self._problem


def least_free(least: int, total: int) -> int:
    """Bytes that must stay free on a disk of `total` bytes."""
    return min(least, total // LARGEST_SHARE)


def describe(folder: Path, free: int, total: int, least: int) -> str:
    return (
        f"The disk of {folder} has {megabytes(free)} MB free of {megabytes(total)} MB: nothing is taken in "
        f"below {megabytes(least)} MB, so that the database does not stop. The broker keeps the messages. "
        "Free "
        f"some space, to at least {megabytes(int(least * BACK))} MB; it goes on by itself."
    )


def megabytes(number: int) -> str:
    return f"{number / 1_000_000:,.0f}"
