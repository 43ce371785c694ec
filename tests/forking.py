"""The program that has imported every verb, and forks into one for each request (tests/forked.py asks).

Run as a script: the number of its socket. A request is its length, with three files (output, errors, and a
pipe that gets the exit code), and JSON. It ends with the process that holds the other end of the socket.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any, NoReturn

from cli.main import main
from cli.verbs import VERBS
from insitu.loading import loading
from insitu.units import conversion
from tests.quick_passwords import hash_quickly

LAZY = ("api.app", "ingest.ingestor", "jobs.loop", "pyarrow.csv", "scipy.stats")
"""Modules that verbs import while they run."""
LENGTH_BYTES = 4
"""Size of the length before a request, and of the process id after it."""
PR_SET_PDEATHSIG = 1


def serve(orders: socket.socket) -> None:
    """Forks for each request, and returns in the fork."""
    ended_of: dict[int, int] = {}
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    with orders, woken, wake, selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            files = {key.fileobj for key, _ in selector.select()}
            if woken in files:
                woken.recv(1000)
                report_ended(ended_of)
            if orders in files:
                request, (stdout, stderr, ended) = take(orders)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    for descriptor in (ended, *ended_of.values()):
                        os.close(descriptor)
                    become(json.loads(request), stdout, stderr)
                    return
                ended_of[pid] = ended
                os.close(stdout)
                os.close(stderr)
                orders.sendall(pid.to_bytes(LENGTH_BYTES))


def take(orders: socket.socket) -> tuple[bytes, list[int]]:
    """The next request and its files. Ends this process if nobody can ask any more."""
    length, files, _, _ = socket.recv_fds(orders, LENGTH_BYTES, 3)
    if not length:
        sys.exit()
    return orders.recv(int.from_bytes(length), socket.MSG_WAITALL), files


def report_ended(ended_of: dict[int, int]) -> None:
    """Tells the exit codes of all forks that have ended."""
    while ended_of:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        ended = ended_of.pop(pid)
        try:
            os.write(ended, str(os.waitstatus_to_exitcode(status)).encode())
        except BrokenPipeError:
            continue  # nobody waits for it any more
        finally:
            os.close(ended)


def become(request: dict[str, Any], stdout: int, stderr: int) -> None:
    """Takes the environment, the folder and the files of the request, in a session of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    os.setsid()
    os.umask(request["mask"])
    for descriptor, number in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.path[0] = request["cwd"]
    sys.argv[1:] = request["arguments"]
    here = sys.modules["__main__"]  # a process of a pool would import it again, and not find it
    here.__spec__ = None
    if hasattr(here, "__file__"):
        del here.__file__


def run_main() -> int:
    """Exit code of the verb, as Python would give it."""
    try:
        main()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        return 1
    return 0


def end(code: int) -> NoReturn:
    """Ends as Python does, but without taking apart all that is imported: that would copy every page."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def load_all() -> None:
    """Imports every verb, and loads the library of units: half a second of each verb that converts one."""
    with loading():
        for name in {verb.module for verb in VERBS.values()} | set(LAZY):
            importlib.import_module(name)
        conversion("[degF]", "Cel")
    hash_quickly()


if __name__ == "__main__":
    load_all()
    serve(socket.socket(fileno=int(sys.argv[1])))
    end(run_main())
