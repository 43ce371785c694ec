"""Watching what is there: do the pages answer, and which processes of ours are left over from before."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from insitu.cli.output import warn
from insitu.whole import write_whole

_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 3.0


class PagesWatch:
    """Asks /healthz once a second, in a thread of its own."""

    def __init__(self, host: str, port: int, secure: bool) -> None:
        self._host, self._port, self._secure = host, port, secure
        self._stop = threading.Event()
        self._answered_at = time.monotonic()
        self.answers = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="pages watch", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def silent_s(self, now: float) -> float:
        """Seconds since the pages answered."""
        return now - self._answered_at

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S if self.answers else 0.1):
            self.answers = self._ask()
            if self.answers:
                self._answered_at = time.monotonic()

    def _ask(self) -> bool:
        link = self._link()
        try:
            link.request("GET", "/healthz")
            return link.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()

    def _link(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE_S)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own child on this machine, under an outer name
        return http.client.HTTPSConnection(self._host, self._port, timeout=_PATIENCE_S, context=context)


class Remains:
    """Processes of an earlier supervisor here that are still there: it was killed while one of them was stopped or hung.

    The kernel ends children with their supervisor, but a server that is stopped does not hear it, and holds port or lock. A process is
    believed to be ours only where pid *and* start time are those that were written down. Linux only: elsewhere nothing is written.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "children.json"
        self._noted: dict[str, list[int]] = {}

    def note(self, pids: Mapping[str, int]) -> None:
        """Write down what runs now, where that has changed."""
        present = {name: [pid, started] for name, pid in pids.items() if (started := _started(pid)) is not None}
        if present != self._noted:
            try:
                write_whole(self._path, json.dumps(present))
            except OSError:
                return  # a full disk: the next step tries again
            self._noted = present

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def remove(self) -> None:
        """End what is left: ask those that can hear it, kill the rest."""
        try:
            noted = dict(json.loads(self._path.read_text("utf-8")))
        except (FileNotFoundError, ValueError):
            return
        left = {name: pid for name, (pid, started) in noted.items() if _started(pid) == started}
        limit = time.monotonic() + 5.0
        while left and time.monotonic() < limit:  # most are ending already
            time.sleep(0.05)
            left = {name: pid for name, pid in left.items() if _started(pid) == noted[name][1]}
        for name, pid in left.items():
            if name == "postgres" and not _is_stopped(pid):
                continue  # it writes its checkpoint, and holds its own lock until then
            warn(f"{name} of an earlier start is still there and does not end (process {pid}): it is killed.")
            for one in [*_descendants(pid), pid]:
                _kill(one)
        self.forget()


def _started(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot; None where there is none, or it is a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _is_stopped(pid: int) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[0] in "Tt"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None


def _descendants(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return []
    return [one for child in children for one in [*_descendants(child), child]]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
