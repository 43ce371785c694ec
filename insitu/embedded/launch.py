"""Runs between fork and server: drops privileges, ties its life to the supervisor's, then execs.

It is a separate file, run by a bare interpreter, because Python code between fork and exec is unsafe in a
process with threads. PDEATHSIG is set after the change of account (which clears it) and is bound to the
thread that started this process. A system without it (macOS) keeps this process as the parent, which watches
the supervisor.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    supervisor, death_signal, uid, gid = (int(text) for text in argv[1:5])
    command = argv[5:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        os.environ["HOME"] = "/"
    os.umask(0o077)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != supervisor:
            sys.exit("the supervisor ended before the server could start")
        os.execv(command[0], command)
    watch(supervisor, death_signal, command)


def watch(supervisor: int, death_signal: int, command: list[str]) -> None:
    child = os.fork()
    if child == 0:
        os.execv(command[0], command)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
        if os.getppid() != supervisor:
            os.kill(child, death_signal)
        time.sleep(0.25)


if __name__ == "__main__":
    main(sys.argv)
