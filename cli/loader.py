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
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from cli.main import main
from cli.verbs import VERBS
from insitu.loading import loading

PARTS: Final = ("ingest", "serve", "work")
FILES: Final = 3
PID_BYTES: Final = 4
_PR_SET_PDEATHSIG: Final = 1
_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""Fields of /proc/self/stat behind the name: `arg_start` and `arg_end` of proc_pid_stat(5)."""


def load_parts() -> None:
    """Import everything that a part needs. Raises RuntimeError if that has started a thread."""
    with loading():
        for name in PARTS:
            import_module(VERBS[name].module)
    if threading.active_count() > 1:
        raise RuntimeError(f"an import has started threads: {threading.enumerate()}")


def fork_at_requests(requests: socket.socket) -> None:
    """Fork for each request; returns in the fork. Ends this process when the supervisor's end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel keeps no exit codes: nobody asks for them
    parent = os.getpid()
    while True:
        byte, files, _, _ = socket.recv_fds(requests, 1, FILES)
        if not byte:
            sys.exit()
        try:
            is_fork = os.fork() == 0
        except OSError as error:  # the supervisor hears it when the answer's socket is closed
            sys.stderr.write(f"no fork: {error}\n")
            is_fork = False
        if is_fork:
            requests.close()
            _become_part(parent, *files)
            return
        for descriptor in files:
            os.close(descriptor)


def _become_part(parent: int, request: int, log: int, answer: int) -> None:
    """Turn this fork into what the request asks for, and wait until the supervisor knows it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    with open(request, "rb") as file:
        _take_over(json.load(file))
    handle = os.pidfd_open(os.getpid())
    with socket.socket(fileno=answer) as supervisor:
        try:
            socket.send_fds(supervisor, [os.getpid().to_bytes(PID_BYTES)], [handle])
            wanted = supervisor.recv(1)
        except OSError:
            wanted = b""
    os.close(handle)
    if not wanted:
        os._exit(1)


def _take_over(request: dict[str, Any]) -> None:
    """Arguments and environment of the request, as a program started by them would have them."""
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    command: list[str] = request["command"]
    sys.orig_argv[:] = command
    sys.argv[1:] = command[command.index("cli") + 1 :]
    show_arguments(command)
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
    load_parts()
    fork_at_requests(socket.socket(fileno=int(sys.argv[1])))
    main()
