"""Rows of an hour that the clocks showed twice: held until the order of the rows decides which pass they are.
Pure.

If a series runs through the hour exactly twice in one direction, the first pass in time is summer time and
the
second winter time.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

_MOST_HELD = 100_000
_ONE_CHANGE = timedelta(hours=3)
"""Two local times of the same clock change are closer than this."""

Kept = TypeVar("Kept")


@dataclass(slots=True)
class _Series(Generic[Kept]):
    last: datetime | None = None
    """Last local time before the held rows."""
    held: list[tuple[datetime, tuple[int, int], Kept]] = field(default_factory=list)


class Twice(Generic[Kept]):
    """Holds rows of an hour that the clocks showed twice, until their series leaves the hour."""

    def __init__(self) -> None:
        self._series: dict[object, _Series[Kept]] = {}
        self._held = 0

    def hold(
        self, key: object, local: datetime, readings: tuple[int, int], kept: Kept
    ) -> Iterator[tuple[int | None, Kept]]:
        """Hold a row. Yields settled rows: (µs, or None if the order is ambiguous, row)."""
        series = self._series.setdefault(key, _Series())
        if series.held and abs(local - series.held[0][0]) > _ONE_CHANGE:
            yield from self._settle(series, local)
        if self._held >= _MOST_HELD:
            yield None, kept
            return
        series.held.append((local, readings, kept))
        self._held += 1

    def passed(self, key: object, local: datetime) -> Iterator[tuple[int | None, Kept]]:
        """Note a row of the series with an unambiguous local time."""
        series = self._series.get(key)
        if series is None:
            self._series[key] = _Series(local)
            return
        if series.held:
            yield from self._settle(series, local)
        series.last = local

    def end(self) -> Iterator[tuple[int | None, Kept]]:
        for series in self._series.values():
            yield from self._settle(series, None)

    def _settle(self, series: _Series[Kept], following: datetime | None) -> Iterator[tuple[int | None, Kept]]:
        held, before = series.held, series.last
        locals_ = [local for local, _, _ in held]
        forwards = _second_pass(locals_, before, following, operator.lt)
        backwards = _second_pass(locals_, before, following, operator.gt)
        self._held -= len(held)
        series.held, series.last = [], locals_[-1] if locals_ else before
        for number, (_, (earlier, later), kept) in enumerate(held):
            if (forwards is None) == (backwards is None):
                yield None, kept
            elif forwards is not None:
                yield (earlier if number < forwards else later), kept
            elif backwards is not None:
                yield (later if number < backwards else earlier), kept


def _second_pass(
    held: Sequence[datetime],
    before: datetime | None,
    following: datetime | None,
    goes_on: Callable[[datetime, datetime], bool],
) -> int | None:
    """Index at which the second of exactly two passes in one direction begins; None for any other order."""
    if not held or (before is not None and not goes_on(before, held[0])):
        return None
    if following is not None and not goes_on(held[-1], following):
        return None
    turns = [number for number, (a, b) in enumerate(itertools.pairwise(held), 1) if not goes_on(a, b)]
    return turns[0] if len(turns) == 1 else None
