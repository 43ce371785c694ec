"""One of our programs (`ingest`, `serve`, `work`) as a part of an installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cli.loading_parts import Loader, PartProcess, part_command
from cli.supervision import Part, Steps

PATIENCE_S: Final = 8.0
"""Time to stop before it is killed."""


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
        loader: Loader,
        data_dir: Path,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self._name, self._arguments = name, arguments
        self._loader, self._data_dir, self._environment = loader, data_dir, environment
        self._child: PartProcess | None = None

    def part(self, *, needs: tuple[Part, ...], first: Callable[[], Steps] = no_steps) -> Part:
        """The part that starts and stops it; `first`: steps before each start."""

        def start() -> Steps:
            yield from first()
            self._child = PartProcess(
                self._arguments,
                loader=self._loader,
                log=self._data_dir / "logs" / f"{self._name}.log",
                env=self._environment(),
                cwd=self._data_dir,
            )
            yield from self._child.starting()

        return Part(self._name, start=start, poll=self._poll, stop=self._stop, kill=self._kill, needs=needs)

    @property
    def command(self) -> list[str]:
        """Its command as a program of its own."""
        return part_command(self._arguments)

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
