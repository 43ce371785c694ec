"""Output for people: lines, a progress bar on a terminal and plain lines elsewhere, one line for an error."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Do nothing; Rich would end the process."""
        self.quiet = True


console = _Console(highlight=False, soft_wrap=True)
errors = _Console(stderr=True, highlight=False, soft_wrap=True)


def _print(where: Console, text: str) -> None:
    """Print a line without markup, because names may contain brackets. A line that cannot be written (disk
    full, broken pipe, closed stream) is lost: a supervisor must not end because nobody reads its output.
    """
    with suppress(OSError, ValueError):
        where.print(text, markup=False)


@atexit.register
def _let_go() -> None:
    """Give up what could not be written: at its end Python would try it again, and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # closed before the start
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str = "") -> None:
    """One line for the reader."""
    _print(console, text)


def warn(text: str) -> None:
    """One line on stderr."""
    _print(errors, text)


def fail(text: str, *, code: int = 1) -> NoReturn:
    """Print an error on stderr and exit."""
    _print(errors, f"insitu: {text}")
    sys.exit(code)


class Steps(Protocol):
    def __call__(self, done: float, total: float, note: str = "") -> None: ...


@contextmanager
def progress(title: str, where: Console = console) -> Iterator[Steps]:
    """A bar on a terminal; elsewhere a line for each tenth, at most one in two seconds."""
    if where.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        with Progress(*columns, TextColumn("{task.fields[note]}"), TimeElapsedColumn(), console=where) as bar:
            task = bar.add_task(title, note="")

            def draw(done: float, total: float, note: str = "") -> None:
                bar.update(task, completed=done, total=total, note=note)

            yield draw
        return
    said = {"tenth": -1, "at": 0.0}

    def write(done: float, total: float, note: str = "") -> None:
        tenth = int(10 * done / total) if total else 0
        if tenth > said["tenth"] and (time.monotonic() - said["at"] > 2 or tenth == 10):
            said.update(tenth=tenth, at=time.monotonic())
            _print(where, f"{title}: {10 * tenth} %{'  ' + note if note else ''}")

    yield write
