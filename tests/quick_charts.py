"""One process draws the charts of all reports that a test process writes: to start one takes a second of
processor time. tests/report/test_determinism.py and the demo start their own.
"""

from __future__ import annotations

from functools import cache
from types import TracebackType

from trials.report import render
from trials.report.render import Charts

_OWN = Charts


@cache
def shared() -> Charts:
    """Starts at the first chart; `end_drawing` ends it."""
    return _OWN()


class SharedCharts(Charts):
    """Draws with the shared process, and leaves it running."""

    def __init__(self) -> None:
        self._pool = shared()._pool

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def draw_in_one_process() -> None:
    render.Charts = SharedCharts  # type: ignore[misc]


def end_drawing() -> None:
    if shared.cache_info().currsize:
        shared()._pool.shutdown()
        shared.cache_clear()
