"""Who holds a data directory, and what runs there."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from insitu.embedded.account import prepare_data_dir, server_account
from insitu.errors import AlreadyRunning, FixPermissions

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


@contextmanager
def locked(path: Path, *, patience_s: float = 0.0, whose: str = "") -> Iterator[int]:
    """An exclusive lock on `path`; the descriptor may be inherited, then it is held until the last heir ends."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FixPermissions(f"{path} cannot be opened ({error.strerror}): choose another INSITU_DATA_DIR.") from error
    try:
        limit = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                if time.monotonic() > limit:
                    raise AlreadyRunning(
                        f"Another process holds {path.parent}{whose}: stop it or choose another INSITU_DATA_DIR."
                    ) from None
                time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


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
    path = data_dir / _RUNNING
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(running), file)
    fresh.replace(path)


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
        raise FixPermissions(f"{path} belongs to another account: run this as the account that started Insitu.") from error
