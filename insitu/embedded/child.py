"""A server or a part of ours as a direct child: it has its own log file, ends with us, and is signalled only
through our own handle.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from insitu.embedded.account import Account
from insitu.embedded.process import Process, is_running, kill_tree
from insitu.embedded.trouble import explained

MAX_LOG_BYTES = 20_000_000
KILL_WAIT_S = 5.0
"""A process stuck on a dead disk (state D) cannot be killed until the disk answers; stop waiting for it after
this long.
"""
_STEP_S = 0.02
_LAUNCH = Path(__file__).with_name("launch.py")


def python_module(name: str, *arguments: str) -> list[str]:
    """Command that runs one of our modules. `-P`: a `random.py` in the working directory is never
    imported.
    """
    return [sys.executable, "-P", "-m", name, *arguments]


def finish(steps: Iterator[None]) -> object:
    """Run `steps` to their end, sleeping shortly between them; for callers with nothing else to do. Returns
    what a generator returns.
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        time.sleep(_STEP_S)


class Started(Protocol):
    """A process that runs, or has ended."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int) -> None: ...


class Child:
    """One process. Start it from a thread that lives as long as it should: the kernel ties the two together.

    For that reason the supervisor starts all its children from one thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
        stop_signal: signal.Signals = signal.SIGTERM,
        keep_open: Sequence[int] = (),
        cwd: Path | None = None,
        stdin: Path | None = None,
    ) -> None:
        self._command = list(command)
        self._log = log
        self._env = dict(env) if env is not None else None
        self._account = account
        self._death_signal = death_signal
        self._stop_signal = stop_signal
        self._keep_open = tuple(keep_open)
        self._cwd = cwd
        self._stdin = stdin or Path(os.devnull)
        self._process: Started | None = None
        self._log_begin = 0

    def start(self) -> None:
        """Start it and append its output to the log. Raises FreeSpace, FixPermissions or RetryLater if the
        system refuses.
        """
        account = self._account
        launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), str(int(self._death_signal))]
        launcher += [str(account.uid), str(account.gid)] if account else ["-1", "-1"]
        with self._output() as log, self._stdin.open("rb") as stdin:
            self._process = subprocess.Popen(
                [*launcher, *self._command],
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=self._env,
                cwd=self._cwd,
                pass_fds=self._keep_open,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops its children in order
            )

    @contextmanager
    def _output(self) -> Iterator[BinaryIO]:
        """Its log, open at the end; an OSError inside leaves as one of ours."""
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self.bound_log()
            with self._log.open("ab") as log:
                self._log_begin = log.tell()
                yield log
        except OSError as error:
            raise explained(error, self._log.parent) from error

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """None while it runs; else its exit code (also before the first start: 0)."""
        return self._process.poll() if self._process else 0

    def signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    # -- ending

    def terminate(self) -> None:
        """Ask it to end, without waiting."""
        self.signal(self._stop_signal)

    def stopping(self, patience_s: float = 30.0) -> Iterator[None]:
        """Ask it to end; after `patience_s` kill it and all its descendants. Takes at most `patience_s` +
        KILL_WAIT_S.
        """
        self.terminate()
        limit = time.monotonic() + patience_s
        while self.poll() is None:
            if time.monotonic() > limit:
                yield from self.killing()
                return
            yield

    def stop(self, patience_s: float = 30.0) -> None:
        """`stopping`, run to its end."""
        finish(self.stopping(patience_s))

    def killing(self) -> Iterator[None]:
        """SIGKILL it and all its descendants; ends when all are gone, or after KILL_WAIT_S."""
        if self._process is None or self._process.poll() is not None:
            return
        doomed = kill_tree(Process.of(self._process.pid))
        limit = time.monotonic() + KILL_WAIT_S
        while time.monotonic() < limit and (
            self.poll() is None or any(is_running(process) for process in doomed)
        ):
            yield

    def kill(self) -> None:
        """`killing`, run to its end."""
        finish(self.killing())

    # -- its log

    def bound_log(self) -> None:
        """Move a log larger than MAX_LOG_BYTES to `<log>.1`, even while the child writes to it. Raises
        nothing.

        Copies and truncates, because the child keeps its own appending handle. Truncates even if there is no
        room for the copy: a growing log would only fill the disk further.
        """
        try:
            if self._log.stat().st_size <= MAX_LOG_BYTES:
                return
        except OSError:
            return
        old = self._log.with_name(self._log.name + ".1")
        try:
            shutil.copyfile(self._log, old, follow_symlinks=False)
        except OSError:
            _remove(old)
        try:
            os.truncate(self._log, 0)
            self._log_begin = 0
        except OSError:
            return  # tried again at the next call

    def last_words(self, lines: int = 1) -> str:
        """The last lines that it has written since its start."""
        return " / ".join(self.last_lines(lines))

    def last_lines(self, lines: int) -> list[str]:
        """`last_words`, line by line."""
        return last_lines(self._log, lines, begin=self._log_begin)


def last_lines(log: Path, lines: int, *, begin: int = 0) -> list[str]:
    """The last lines of a file of any size, after byte `begin`; empty if there is no file."""
    try:
        with log.open("rb") as file:
            file.seek(max(begin, file.seek(0, os.SEEK_END) - 64 * 1024))
            return file.read().decode("utf-8", "replace").strip().splitlines()[-lines:]
    except OSError:
        return []


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # the disk is read-only: the next call tries again
