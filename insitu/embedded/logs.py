"""A server's log file: reading its new lines, and reserving room for messages on a full disk."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

from insitu.embedded.child import last_lines

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
_RESERVE_BYTES = 256 * 1024
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Tail:
    """Reads a growing file from where it left off, across rotation, without losing a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0
        self._half = ""

    def skip(self) -> None:
        """Move to the present end."""
        self.lines()
        self._half = ""

    def lines(self) -> list[str]:
        """The complete lines added since the last call."""
        try:
            text = self._rest_of_the_rotated() + self._read(self._path)
        except OSError:
            return []
        *complete, self._half = (self._half + text).split("\n")
        return complete

    def _rest_of_the_rotated(self) -> str:
        """The unread end of the previous log file: the server renames a large log and begins a new one."""
        if not self._inode or self._path.stat().st_ino == self._inode:
            return ""
        old = next(
            (
                path
                for path in self._path.parent.glob(f"{self._path.name}.*")
                if path.stat().st_ino == self._inode
            ),
            None,
        )
        text = self._read(old) if old is not None else ""
        self._inode, self._offset = 0, 0
        return text

    def _read(self, path: Path) -> str:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_size < self._offset:
                self._offset = 0  # it was truncated
            file.seek(self._offset)
            text = file.read()
            self._inode, self._offset = facts.st_ino, file.tell()
        return text.decode("utf-8", "replace")


def keep_last_log(log: Path) -> None:
    """Keep the log of the previous start beside the next one: its last lines may name denied messages that
    nobody has counted yet.
    """
    if log.exists():
        log.replace(log.with_name(f"{log.name}.before"))


def complaint(log: Path) -> str:
    """The last errors in a log of NATS; "" if there are none."""
    wrong = [line for line in last_lines(log, 50) if "[FTL]" in line or "[ERR]" in line]
    return " / ".join(wrong[-2:])


def reserve(log: Path) -> None:
    """Reserve blocks beyond the end of a log, so that errors can still be logged on a full disk.

    Raises OSError (no space) if there are none left. Does nothing on a system without such reservations.
    """
    if not sys.platform.startswith("linux"):
        return
    descriptor = os.open(log, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        begin = os.fstat(descriptor).st_size
        if libc.fallocate(descriptor, _KEEP_SIZE, ctypes.c_long(begin), ctypes.c_long(_RESERVE_BYTES)) != 0:
            number = ctypes.get_errno()
            if number not in _NOT_SUPPORTED:
                raise OSError(number, os.strerror(number), str(log))
    finally:
        os.close(descriptor)
