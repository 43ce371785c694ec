"""A server of PostgreSQL as it is after a restart of the machine: nothing of its files in memory."""

from __future__ import annotations

import os
from pathlib import Path

from insitu.embedded.postgres import Postgres


def cool(postgres: Postgres, folder: Path) -> None:
    """PostgreSQL starts again, and the system forgets its files below `folder`: they are on disk, so nothing
    is lost.
    """
    postgres.stop()
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            _forget(file)
    postgres.start()


def _forget(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
