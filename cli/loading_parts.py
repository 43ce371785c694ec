"""Parts as forks of one program that has imported them all (`cli.loader`): they start at once, and share the
memory of what is imported.

Where a system cannot do that (macOS, an old kernel), or that program ends or hangs, a part is a program of
its own, as any child is.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.loader import LOADED, PID_BYTES
from insitu.embedded.child import Child, python_module

LOADING_LIMIT_S: Final = 30.0
ANSWER_LIMIT_S: Final = 5.0
"""A fork takes some hundredths of a second."""
DEATH_SIGNAL: Final = signal.SIGKILL
"""Sent to a part when its supervisor dies. A stopped or hung part would react to no other signal; all parts
can be killed safely.
"""


class Forked:
    """A running fork. It is not our child: the kernel's handle says when it has ended, but not how."""

    def __init__(self, pid: int, handle: int) -> None:
        self.pid, self._handle = pid, handle
        self._ends = select.poll()
        self._ends.register(handle, select.POLLIN)

    def __del__(self) -> None:
        os.close(self._handle)

    def poll(self) -> int | None:
        """None while it runs, then 0."""
        return 0 if self._ends.poll(0) else None

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, sig)


@dataclass(slots=True)
class _Program:
    """A running loader."""

    child: Child
    requests: socket.socket
    started: float
    """time.monotonic()"""
    has_forked: bool = False
    _has_loaded: bool = field(default=False, init=False)

    def has_loaded(self) -> bool:
        """True once it has imported everything, and so answers at once."""
        if not self._has_loaded:
            with suppress(OSError):  # it has not said so yet, or has ended
                self._has_loaded = self.requests.recv(1) == LOADED
        return self._has_loaded


class Loader:
    """Looks after the program that forks, for one supervisor, whose thread calls everything here."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._programs: list[_Program] = []
        """The last one forks. An earlier one hangs; its forks still run, so it is not ended before them."""
        self._room = 0
        self._is_possible = sys.platform.startswith("linux") and hasattr(os, "pidfd_open")

    def start(self, commands: Sequence[Sequence[str]]) -> None:
        """Begin to load. `commands`: of all parts; the list of processes must have room for each."""
        self._room = max(sum(len(os.fsencode(word)) + 1 for word in command) for command in commands)
        if self._is_possible:
            self._start()

    def _start(self) -> _Program:
        ours, theirs = socket.socketpair()
        with theirs:
            child = Child(
                python_module("cli.loader", str(theirs.fileno()), "-" * self._room),
                log=self._data_dir / "logs" / "loader.log",
                env={**os.environ, "INSITU_DATA_DIR": str(self._data_dir)},
                cwd=self._data_dir,
                death_signal=DEATH_SIGNAL,
                keep_open=[theirs.fileno()],
            )
            child.start()
        ours.setblocking(False)
        self._programs.append(_Program(child, ours, time.monotonic()))
        return self._programs[-1]

    def forking(
        self, command: Sequence[str], *, environment: Mapping[str, str], log: int
    ) -> Generator[None, None, Forked | None]:
        """Steps to a fork that runs `command` and writes to `log`; they return None if there is none, because
        the system cannot do it, or the loader does not answer.
        """
        if not self._is_possible:
            return None
        program = self._programs[-1] if self._programs else self._start()
        if program.child.poll() is not None:
            self._programs.remove(program)
            program.requests.close()
            program = self._start()
        limit = time.monotonic() + ANSWER_LIMIT_S
        if not program.has_loaded():
            limit = max(limit, program.started + LOADING_LIMIT_S)
        fork = yield from _ask(program.requests, command, environment, log, limit)
        if fork is not None:
            program.has_forked = True
        elif not program.has_forked:
            self._is_possible = False
        elif time.monotonic() > limit:
            self._start()
        return fork

    def bound_log(self) -> None:
        for program in self._programs[-1:]:
            program.child.bound_log()

    def kill(self) -> None:
        """End it, and with it all its forks."""
        for program in self._programs:
            program.child.kill()
            program.requests.close()
        self._programs.clear()


def _ask(
    requests: socket.socket, command: Sequence[str], environment: Mapping[str, str], log: int, limit: float
) -> Generator[None, None, Forked | None]:
    """Steps to a fork; None if none comes before `limit` (time.monotonic()). Steps that are not finished
    leave no fork.
    """
    ours, theirs = socket.socketpair()
    with os.fdopen(os.memfd_create("request"), "wb") as request, ours:
        request.write(json.dumps({"command": list(command), "environment": dict(environment)}).encode())
        request.flush()
        request.seek(0)
        try:
            socket.send_fds(requests, [b"f"], [request.fileno(), log, theirs.fileno()])
        except OSError:
            return None
        finally:
            theirs.close()
        ours.setblocking(False)
        while time.monotonic() <= limit:
            try:
                pid, handles, _, _ = socket.recv_fds(ours, PID_BYTES, 1)
            except BlockingIOError:
                yield
                continue
            if not pid:
                return None
            ours.send(b"g")
            return Forked(int.from_bytes(pid), handles[0])
    return None


class PartProcess(Child):
    """A verb of ours as a part: a fork of the loader if there is one, else a program of its own."""

    def __init__(
        self, arguments: Sequence[str], *, loader: Loader, log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        super().__init__(part_command(arguments), log=log, env=env, cwd=cwd, death_signal=DEATH_SIGNAL)
        self._loader, self._environment = loader, dict(env)

    def starting(self) -> Generator[None, None, None]:
        """Steps that start it. Raises the same errors as `start`."""
        with self._output() as log:
            self._process = yield from self._loader.forking(
                self._command, environment=self._environment, log=log.fileno()
            )
        if self._process is None:
            self.start()


def part_command(arguments: Sequence[str]) -> list[str]:
    """The command of a part as a program of its own."""
    return python_module("cli", *arguments)
