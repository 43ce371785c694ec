"""Verbs in processes of their own that start within milliseconds: forks of a program that has imported them
all.

A fork is a real process with an environment, output files, an exit code and signals of its own; only its
imports are done already. That each verb imports what it needs is proven by tests/cli/test_verbs_load.py.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

from insitu.embedded.child import Child
from tests.forking import LENGTH_BYTES

TOP = Path(__file__).parents[1]


class Parent:
    """The program that forks; it ends with this process."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(other.fileno())],
                cwd=TOP,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )

    def fork(self, request: bytes, files: list[int]) -> int:
        """The process id of a new fork."""
        socket.send_fds(self._socket, [len(request).to_bytes(LENGTH_BYTES)], files)
        self._socket.sendall(request)
        return int.from_bytes(self._socket.recv(LENGTH_BYTES))

    def end(self) -> None:
        self._socket.close()
        self._process.wait(30)


@cache
def parent() -> Parent:
    """Starts it at the first call; `end_parent` ends it."""
    return Parent()


def end_parent() -> None:
    if parent.cache_info().currsize:
        parent().end()
        parent.cache_clear()


class Forked:
    """A verb in a process of its own; used like a `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdout: int,
        stderr: int,
        env: Mapping[str, str],
        cwd: Path | None = None,
        mask: int = 0o022,
    ) -> None:
        self.args, self.returncode = list(arguments), None
        self.returncode: int | None
        request = {"arguments": self.args, "env": dict(env), "cwd": str(cwd or Path.cwd()), "mask": mask}
        self._ended, ended = os.pipe()
        try:
            self.pid = parent().fork(json.dumps(request).encode(), [stdout, stderr, ended])
        finally:
            os.close(ended)

    def __del__(self) -> None:
        os.close(self._ended)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._ended, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(os.read(self._ended, 100))
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkedChild(Child):
    """A child whose command is a verb with its arguments."""

    def start(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._log_begin = log.tell()
            self._process = Forked(  # type: ignore[assignment]
                self._command,
                stdout=log.fileno(),
                stderr=log.fileno(),
                env=self._env or os.environ,
                mask=0o077,
            )


def run_verb(
    *arguments: str, env: Mapping[str, str], cwd: Path | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Output and exit code of a verb; raises TimeoutExpired."""
    with TemporaryFile() as out, TemporaryFile() as err:
        process = Forked(arguments, stdout=out.fileno(), stderr=err.fileno(), env=env, cwd=cwd)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["insitu", *arguments], code, *texts)
