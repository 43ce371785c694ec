"""Which process holds a data directory, and what is running there."""

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
from insitu.errors import AlreadyRunning, CorrectInput, FixPermissions
from insitu.whole import write_whole

_log = logging.getLogger("insitu.embedded")
_LOCK = "insitu.lock"
_RUNNING = "running.json"
UNFINISHED = "restoring"
"""Folder in which a restore makes an installation; it is there until that is complete."""


@dataclass(frozen=True, slots=True)
class Running:
    """Addresses and credentials for other commands on this machine. Holds passwords, so the file has mode
    0600.
    """

    pid: int
    data_dir: str
    database_url: str
    """Of the owner of the tables: for backups."""
    http: str
    mqtt: str
    mqtt_url: str
    """With the service credential."""
    mqtt_ca: str | None = None
    clock: str | None = None
    service_url: str | None = None
    """Of the account that the parts and verbs use; None if an earlier version wrote this."""


class Lock:
    """An exclusive lock on a file. A server may inherit `descriptor`; the lock is then held until the last
    heir ends.
    """

    def __init__(self, path: Path, *, whose: str = "") -> None:
        self._path = path
        self._whose = whose
        self.descriptor = -1

    def taking(self, patience_s: float) -> Iterator[None]:
        """Wait for the lock in short steps; raises AlreadyRunning after `patience_s`. `release` is safe after
        an error.
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
        """Run `taking` to its end; returns the descriptor."""
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
    """End servers that outlived their supervisor. With `kill`, SIGKILL them: a stopped process would hold the
    lock for ever.

    Looks only at processes that hold the lock file open, and does nothing if a supervisor may be among them.
    """
    heirs = holders(lock)
    if any(_may_supervise(program_of(heir)) for heir in heirs):
        return
    for heir in heirs:
        send(heir, signal.SIGCONT)  # lets a stopped process receive the signal sent at its supervisor's end
        if kill:
            _log.warning(
                "%s (pid %d) of an earlier start does not end and is killed.", program_of(heir), heir.pid
            )
            send(heir, signal.SIGKILL)


def _may_supervise(program: str) -> bool:
    return program in ("", program_of(Process.of(os.getpid()))) or program.startswith("python")


@contextmanager
def locked(path: Path, *, patience_s: float = 0.0, whose: str = "") -> Iterator[int]:
    """Hold an exclusive lock on `path`; raises AlreadyRunning if it is not free within `patience_s`."""
    lock = Lock(path, whose=whose)
    try:
        yield lock.take(patience_s)
    finally:
        lock.release()


@contextmanager
def hold(data_dir: Path, *, run_as: str | None = None) -> Iterator[None]:
    """Hold the data directory; raises AlreadyRunning while another process does."""
    prepare_data_dir(data_dir, server_account(run_as))
    with locked(data_dir / _LOCK):
        try:
            yield
        finally:
            (data_dir / _RUNNING).unlink(missing_ok=True)


def refuse_unfinished(data_dir: Path) -> None:
    """Raises CorrectInput while a restore is not complete here."""
    if (data_dir / UNFINISHED).exists():
        raise CorrectInput(
            f"A restore into {data_dir} was interrupted, so what is here is not complete. Run `insitu "
            "restore` "
            "again, which begins from the start; or remove the folder."
        )


def write_running(data_dir: Path, running: Running) -> None:
    """Write down what is running here; only this account can read it."""
    write_whole(data_dir / _RUNNING, json.dumps(asdict(running)))


def read_running(data_dir: Path) -> Running | None:
    """The running installation, or None. The file counts only while somebody holds the lock."""
    path = data_dir / _RUNNING
    try:
        text = path.read_text("utf-8", "replace")
        with locked(data_dir / _LOCK):
            return None  # nobody holds it: the file is left over from a crash
    except AlreadyRunning:
        return _running_of(text, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (PermissionError, FixPermissions) as error:
        raise FixPermissions(
            f"{path} belongs to another account: run this as the account that started Insitu."
        ) from error


def _running_of(text: str, path: Path) -> Running:
    try:
        return Running(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise CorrectInput(
            f"{path} is not whole: stop `insitu up` and start it again, which writes it again."
        ) from error
