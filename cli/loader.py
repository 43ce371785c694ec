"""The program that has imported all parts (`ingest`, `serve`, `work`) and forks into one at each request.

Imported three times, the parts need a second of processor time and 100 MB more. `cli.loading_parts` starts
this program and sends the requests: a byte with three files, which are the request (JSON), the part's log,
and a socket. Over that socket a fork sends its pid and a handle of itself, and goes on when a byte comes
back; if none comes, nobody wants it any more, and it ends.

A fork has the arguments, environment, log and session that a program of its own would have. It is tied to
this process as this process is to the supervisor: the kernel kills it when its parent ends. Nothing here
starts a thread, because a fork of a program with threads can hang.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from cli.main import main
from cli.verbs import VERBS
from insitu.loading import loading

PARTS: Final = ("ingest", "serve", "work")
FILES: Final = 3
PID_BYTES: Final = 4
LOADED: Final = b"l"
"""Told to the supervisor once everything is imported."""
_PR_SET_PDEATHSIG: Final = 1
_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""Fields of /proc/self/stat behind the name: `arg_start` and `arg_end` of proc_pid_stat(5)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A fork that is wanted. `log`, `answer`: descriptors."""

    command: list[str]
    environment: dict[str, str]
    log: int
    answer: int

    @property
    def arguments(self) -> list[str]:
        return self.command[self.command.index("cli") + 1 :]

    def close(self) -> None:
        os.close(self.log)
        os.close(self.answer)


def load_and_fork(requests: socket.socket) -> None:
    """Load each part, fork for each request, and return in the fork. Ends this process when the supervisor's
    end is closed.

    A part is forked as soon as it is loaded: the ingestor does not wait until the pages are.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel keeps no exit codes: nobody asks for them
    missing, waiting = list(PARTS), list[Request]()
    while True:
        if missing:
            _load(missing.pop(0))
            if not missing:
                requests.send(LOADED)
        while (request := _take(requests, wait=not missing and not waiting)) is not None:
            waiting.append(request)
            if not missing:
                break
        for request in [one for one in waiting if one.arguments[0] not in missing]:
            waiting.remove(request)
            if _fork():
                requests.close()
                for other in waiting:
                    other.close()
                _become_part(request)
                return
            request.close()


def _load(part: str) -> None:
    """Import everything that a part needs. Raises RuntimeError if that has started a thread."""
    with loading():
        import_module(VERBS[part].module)
    if threading.active_count() > 1:
        raise RuntimeError(f"the imports of {part} have started threads: {threading.enumerate()}")


def _take(requests: socket.socket, *, wait: bool) -> Request | None:
    """The next request; None if it would have to wait for one, and must not."""
    requests.setblocking(wait)
    try:
        byte, files, _, _ = socket.recv_fds(requests, 1, FILES)
    except BlockingIOError:
        return None
    if not byte:
        sys.exit()
    with open(files[0], "rb") as file:
        content = json.load(file)
    return Request(content["command"], content["environment"], files[1], files[2])


def _fork() -> bool:
    """True in the fork."""
    parent = os.getpid()
    try:
        if os.fork() != 0:
            return False
    except OSError as error:  # the supervisor hears it when the answer's socket is closed
        sys.stderr.write(f"no fork: {error}\n")
        return False
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    return True


def _become_part(request: Request) -> None:
    """Turn this fork into what the request asks for, and wait until the supervisor knows it."""
    for descriptor in (1, 2):
        os.dup2(request.log, descriptor)
    os.close(request.log)
    _take_over(request)
    handle = os.pidfd_open(os.getpid())
    with socket.socket(fileno=request.answer) as supervisor:
        try:
            socket.send_fds(supervisor, [os.getpid().to_bytes(PID_BYTES)], [handle])
            wanted = supervisor.recv(1)
        except OSError:
            wanted = b""
    os.close(handle)
    if not wanted:
        os._exit(1)


def _take_over(request: Request) -> None:
    """Arguments and environment of the request, as a program started by them would have them."""
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    sys.orig_argv[:] = request.command
    sys.argv[1:] = request.arguments
    show_arguments(request.command)
    here = sys.modules["__main__"]  # a process of a pool would import it again, and be a loader
    here.__spec__ = None
    vars(here).pop("__file__", None)


def show_arguments(command: Sequence[str]) -> None:
    """Let `ps` and /proc show `command`, as far as it fits, instead of the arguments of this program."""
    fields = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    begin, end = int(fields[_ARGUMENTS_BEGIN]), int(fields[_ARGUMENTS_END])
    if 0 < begin < end:
        text = b"".join(os.fsencode(word) + b"\0" for word in command)[: end - begin - 1]
        ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)


if __name__ == "__main__":
    show_arguments(sys.orig_argv[:-1])  # the last one only makes room for those of the parts
    load_and_fork(socket.socket(fileno=int(sys.argv[1])))
    main()
