"""Times in a file → microseconds since 1970, including local times around a clock change. Pure.

A local time that the clocks skipped does not exist. For one that they showed twice only the order of the rows
decides: if a series runs through the hour exactly twice in one direction, the first pass in time is summer
time and the second winter time.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from ingest.decode import times
from insitu.times import to_us

_UNIX = re.compile(r"-?[0-9]{9,20}(?:\.[0-9]+)?")
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y")
_DAYTIMES = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "")
_MOST_HELD = 100_000
_ONE_CHANGE = timedelta(hours=3)
"""Two local times of the same clock change are closer than this."""

Kept = TypeVar("Kept")


def read_time(cells: Sequence[object], time_format: str) -> datetime | int | None:
    """Microseconds, or a local time without an offset; None if it is no time. `cells`: one cell, or date and
    time of day.
    """
    cell = cells[0] if len(cells) == 1 else _joined(cells)
    if isinstance(cell, str):
        found = _of_text(cell.strip(), time_format)
        if not isinstance(found, datetime):
            return found
        cell = found
    if isinstance(cell, datetime):
        return cell if cell.tzinfo is None else to_us(cell)
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return None
    known = times.of_number(float(cell)) if not isinstance(cell, int) or abs(cell) < 10**21 else None
    return None if known is None else known[0]


def _joined(cells: Sequence[object]) -> object:
    day, clock = cells
    if isinstance(day, datetime):
        day = day.date()
    if isinstance(day, date) and isinstance(clock, time):
        return datetime.combine(day, clock)
    return None if day is None or clock is None else f"{str(day).strip()} {str(clock).strip()}"


def _of_text(text: str, time_format: str) -> datetime | int | None:
    try:
        if time_format:
            return datetime.strptime(text, time_format)  # noqa: DTZ007 - local times are the purpose here
        if _UNIX.fullmatch(text):
            known = times.of_number(float(text))
            return None if known is None else known[0]
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def find_formats(texts: Sequence[str]) -> list[str]:
    """The formats that read most of these texts: none; '' for ISO 8601 and Unix times; or several if day and
    month are ambiguous.
    """
    found = {"": sum(_of_text(text, "") is not None for text in texts)}
    if found[""] < len(texts):
        candidates = (f"{day} {clock}".strip() for day in _DATES for clock in _DAYTIMES)
        found |= {made: sum(_of_text(text, made) is not None for text in texts) for made in candidates}
    most = max(found.values())
    return [made for made, count in found.items() if count == most and most > 0]


def in_zone(local: datetime, zone: ZoneInfo) -> tuple[int | None, int | None]:
    """(earlier, later) reading of a local time in µs. Usually both are equal; (None, None) if the time does
    not exist.
    """
    first = local.replace(tzinfo=zone)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after:
        exact = to_us(first)
        return exact, exact
    assert before is not None
    assert after is not None
    return (to_us(first), to_us(second)) if before > after else (None, None)


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
