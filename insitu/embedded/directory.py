"""Who holds a data directory, and what runs there."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from insitu.embedded.account import prepare_data_dir, server_account
from insitu.embedded.child import finish
from insitu.embedded.process import Process, holders, program_of, send
from insitu.embedded.trouble import explained
from insitu.errors import AlreadyRunning, FixPermissions
from insitu.whole import write_whole

_log = logging.getLogger("insitu.embedded")
_LOCK = "insitu.lock"
_RUNNING = "running.json"


@dataclass(frozen=True, slots=True)
class Running:
    """What other verbs on this machine need to know; holds passwords, so the file is 0600."""

    pid: int
    data_dir: str
    database_url: str
    http: str
    mqtt: str
    mqtt_url: str
    """With the service credential."""
    mqtt_ca: str | None = None
    clock: str | None = None


class Lock:
    """An exclusive lock on a file. A server may inherit `descriptor`; then the lock is held until the last
    heir ends.
    """

    def __init__(self, path: Path, *, whose: str = "") -> None:
        self._path = path
        self._whose = whose
        self.descriptor = -1

    def taking(self, patience_s: float) -> Iterator[None]:
        """Ends when the lock is ours; AlreadyRunning after `patience_s`. `release` after an error does no
        harm.
        """
        self.release()
        try:
            self.descriptor = os.open(
                self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise explained(error, self._path.parent) from error
        begin = time.monotonic()
        looked = begin
        while not self._try():
            if time.monotonic() > begin + patience_s:
                raise AlreadyRunning(
                    f"Another process holds {self._path.parent}{self._whose}: stop it or choose another "
                    "INSITU_DATA_DIR."
                )
            if time.monotonic() > looked + 1.0:
                looked = time.monotonic()
                _end_orphans(self._path, kill=looked > begin + patience_s / 2)
            yield

    def take(self, patience_s: float = 0.0) -> int:
        """`taking`, run to its end; returns the descriptor."""
        finish(self.taking(patience_s))
        return self.descriptor

    def release(self) -> None:
        """Give up our share. Heirs keep theirs."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise explained(error, self._path.parent) from error
            return False
        return True


def _end_orphans(lock: Path, *, kill: bool) -> None:
    """Let servers whose supervisor is gone end, and kill them in the end: one that was halted would hold the
    lock for ever.

    Only processes that hold the lock's file open, and only where no supervisor is among them.
    """
    heirs = holders(lock)
    if any(_may_supervise(program_of(heir)) for heir in heirs):
        return
    for heir in heirs:
        send(heir, signal.SIGCONT)  # the signal that its supervisor's end has sent is waiting
        if kill:
            _log.warning(
                "%s (pid %d) of an earlier start does not end and is killed.", program_of(heir), heir.pid
            )
            send(heir, signal.SIGKILL)


def _may_supervise(program: str) -> bool:
    return program in ("", program_of(Process.of(os.getpid()))) or program.startswith("python")


@contextmanager
def locked(path: Path, *, patience_s: float = 0.0, whose: str = "") -> Iterator[int]:
    """Hold an exclusive lock on `path`; AlreadyRunning where it is not to be had within `patience_s`."""
    lock = Lock(path, whose=whose)
    try:
        yield lock.take(patience_s)
    finally:
        lock.release()


@contextmanager
def hold(data_dir: Path, *, run_as: str | None = None) -> Iterator[None]:
    """Hold the data directory; AlreadyRunning while another process does."""
    prepare_data_dir(data_dir, server_account(run_as))
    with locked(data_dir / _LOCK):
        try:
            yield
        finally:
            (data_dir / _RUNNING).unlink(missing_ok=True)


def write_running(data_dir: Path, running: Running) -> None:
    """Say what runs here, readable by this account only."""
    write_whole(data_dir / _RUNNING, json.dumps(asdict(running)))


def read_running(data_dir: Path) -> Running | None:
    """What runs here, believed only while somebody holds the lock."""
    path = data_dir / _RUNNING
    try:
        text = path.read_text(encoding="utf-8")
        with locked(data_dir / _LOCK):
            return None  # nobody holds it: the file is left over from a crash
    except AlreadyRunning:
        return Running(**json.loads(text))
    except FileNotFoundError:
        return None
    except (PermissionError, FixPermissions) as error:
        raise FixPermissions(
            f"{path} belongs to another account: run this as the account that started Insitu."
        ) from error
