"""One of our programs (`ingest`, `serve`, `work`) as a part of an installation."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cli.supervision import Part, Steps
from insitu.embedded.child import Child, python_module

PATIENCE_S: Final = 8.0
"""Time to stop before it is killed."""
_DEATH_SIGNAL: Final = signal.SIGKILL
"""Sent to a part when its supervisor dies. A stopped or hung part would react to no other signal; all parts
can be killed safely.
"""


def no_steps() -> Steps:
    """Nothing to do."""
    return iter(())


class Program:
    """A child process, created at each start with the present `environment`."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        data_dir: Path,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self._name, self._arguments = name, arguments
        self._data_dir, self._environment = data_dir, environment
        self._child: Child | None = None

    def part(self, *, needs: tuple[Part, ...], first: Callable[[], Steps] = no_steps) -> Part:
        """The part that starts and stops it; `first`: steps before each start."""

        def start() -> Steps:
            yield from first()
            self._child = Child(
                python_module("cli", *self._arguments),
                log=self._data_dir / "logs" / f"{self._name}.log",
                env=dict(self._environment()),
                cwd=self._data_dir,
                death_signal=_DEATH_SIGNAL,
            )
            self._child.start()

        return Part(self._name, start=start, poll=self._poll, stop=self._stop, kill=self._kill, needs=needs)

    def bound_log(self) -> None:
        if self._child is not None:
            self._child.bound_log()

    def _poll(self) -> int | None:
        return self._child.poll() if self._child is not None else None

    def _stop(self) -> Steps:
        if self._child is not None:
            yield from self._child.stopping(PATIENCE_S)

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
