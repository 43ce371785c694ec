"""Watching what is there: do the pages answer, and which processes of ours are left over from before."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from insitu.cli.output import warn
from insitu.embedded.process import Process, is_running, kill_tree
from insitu.whole import write_whole

_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 3.0
_END_S: Final = 3.0


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

    The kernel ends children with their supervisor, but one that is stopped does not hear it, and holds its port. A process is believed to be
    ours only where pid *and* start are those that were written down. PostgreSQL is not among them: its lock says who holds it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "children.json"
        self._noted: dict[str, Process] = {}

    def note(self, pids: Mapping[str, int]) -> None:
        """Write down what runs now, where that has changed."""
        if {name: process.pid for name, process in self._noted.items()} == pids:
            return
        present = {name: Process.of(pid) for name, pid in pids.items()}
        with suppress(OSError):  # a full disk: the next step tries again
            write_whole(self._path, json.dumps({name: [one.pid, one.started] for name, one in present.items()}))
            self._noted = present

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def remove(self) -> None:
        """End what is left: most are ending already, the rest is killed."""
        try:
            noted = {name: Process(pid, started) for name, (pid, started) in json.loads(self._path.read_text("utf-8")).items()}
        except (OSError, ValueError):
            return
        limit = time.monotonic() + _END_S
        while (left := {name: one for name, one in noted.items() if is_running(one)}) and time.monotonic() < limit:
            time.sleep(0.05)
        for name, process in left.items():
            warn(f"{name} of an earlier start does not end (process {process.pid}): it is killed.")
            kill_tree(process)
        self.forget()
