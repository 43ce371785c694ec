"""A server or a part of ours as a direct child: own log file, ends with us, signalled only through our own handle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from insitu.embedded.account import Account

MAX_LOG_BYTES = 20_000_000
_LAUNCH = Path(__file__).with_name("launch.py")


class Child:
    """One process. Start it from a thread that lives as long as it should: the kernel ties the two together."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout_s: float = 30.0,
        keep_open: Sequence[int] = (),
        cwd: Path | None = None,
    ) -> None:
        self._command = list(command)
        self._log = log
        self._env = dict(env) if env is not None else None
        self._account = account
        self._death_signal = death_signal
        self._stop_signal = stop_signal
        self._stop_timeout_s = stop_timeout_s
        self._keep_open = tuple(keep_open)
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; a log past its bound becomes `<log>.1`."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > MAX_LOG_BYTES:
            self._log.replace(self._log.with_name(self._log.name + ".1"))
        account = self._account
        launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), str(int(self._death_signal))]
        launcher += [str(account.uid), str(account.gid)] if account else ["-1", "-1"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*launcher, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                cwd=self._cwd,
                pass_fds=self._keep_open,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops its children in order
            )

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """None while it runs; else its exit code (also before the first start: 0)."""
        return self._process.poll() if self._process else 0

    def signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to end, without waiting."""
        self.signal(self._stop_signal)

    def stop(self) -> None:
        """Ask it to end and wait; kill it when it does not."""
        if self._process is None:
            return
        self.terminate()
        try:
            self._process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.signal(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def last_words(self, lines: int = 1) -> str:
        """The end of its log."""
        try:
            text = self._log.read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return " / ".join(text[-lines:])
