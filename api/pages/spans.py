"""The part of a trial that a chart shows: from, to and the width of its buckets, as the address says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from api.pages.chart_words import WIDTHS
from api.pages.local_times import read_local_or_none, write_local
from api.pages.series import SPANS
from insitu.arrays import Ints
from insitu.errors import CorrectInput
from insitu.times import to_us
from insitu.zones import zone_or_utc

MOST: Final = 1000
"""Buckets, or single results, of one line."""
_FEW: Final = 400
"""Buckets where the page chooses the width: about as many as a screen can show."""
_HOUR, _DAY = 3600, 86_400
_STEPS_S: Final = (60, 300, 900, 1800, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR)
_LONGEST: Final = timedelta(days=MOST)
_SHORTEST: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Span:
    """`[start, end)` as it was asked for. `width`: a key of WIDTHS."""

    start: datetime
    end: datetime
    width: str
    time_zone: str

    def address(self) -> dict[str, str]:
        """Its part of an address."""
        chosen = {
            "from": write_local(self.start, self.time_zone),
            "to": write_local(self.end, self.time_zone),
        }
        return chosen if self.width == "auto" else {**chosen, "width": self.width}

    def moved(self, parts: float) -> Span:
        """The same length, later by this share of it; earlier, if negative."""
        by = parts * (self.end - self.start)
        return Span(self.start + by, self.end + by, self.width, self.time_zone)

    def zoomed(self, factor: float) -> Span:
        """About the same middle, `factor` times as long."""
        half = max(_SHORTEST, min(_LONGEST, factor * (self.end - self.start))) / 2
        middle = self.start + (self.end - self.start) / 2
        return Span(middle - half, middle + half, self.width, self.time_zone)


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets between neighbouring edges (µs), the same for every line. `step_s` None: local days."""

    edges: Ints
    step_s: int | None


def read_span(*, first: str, last: str, span: str, width: str, time_zone: str, now: datetime) -> Span:
    """From the fields of the form; without a time the last week, or `span` before now. CorrectInput for times
    that are none, an end before its start, and more than a thousand days.
    """
    start, end = (read_local_or_none(text, time_zone) for text in (first, last))
    length = SPANS.get(span, SPANS["7d"])
    if end is None:
        end = now if start is None else max(now, start + length)
    if start is None:
        start = end - length
    if end <= start:
        raise CorrectInput("The span ends before it begins: choose a later end.")
    if end - start > _LONGEST:
        raise CorrectInput(f"A chart shows at most {MOST} days: choose a later start or an earlier end.")
    return Span(start, end, width if width in WIDTHS else "auto", time_zone)


def grid_of(span: Span, expected_s: float | None) -> Grid:
    """The grid of a span, on local time: whole local days, or steps from the local midnight before it. Never
    more than MOST buckets, so hours may become a longer step. `expected_s`: the shortest interval of the
    devices, which no bucket splits unless hours are asked for.
    """
    length = (span.end - span.start).total_seconds()
    steps: tuple[int, ...] = ()
    if span.width == "hour":
        steps = tuple(step for step in _STEPS_S if step >= _HOUR and length / step <= MOST - 1)
    elif span.width != "day":
        least = max(length / _FEW, min(expected_s or 0.0, _DAY))
        steps = tuple(step for step in _STEPS_S if step >= least)
    zone = zone_or_utc(span.time_zone)
    return Grid(_steps(span, steps[0], zone), steps[0]) if steps else Grid(_days(span, zone), None)


def _steps(span: Span, step_s: int, zone: ZoneInfo) -> Ints:
    local = span.start.astimezone(zone)
    midnight = to_us(datetime.combine(local.date(), time(), zone).astimezone(UTC))
    step = step_s * 1_000_000
    first = midnight + (to_us(span.start) - midnight) // step * step
    number = -(-(to_us(span.end) - first) // step)
    return first + step * np.arange(number + 1, dtype=np.int64)


def _days(span: Span, zone: ZoneInfo) -> Ints:
    """Local midnights: days of 23 and 25 hours are as long as they are."""
    first = span.start.astimezone(zone).date()
    last = (span.end - timedelta(microseconds=1)).astimezone(zone).date()
    days = [date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 2)]
    midnights = [to_us(datetime.combine(day, time(), zone).astimezone(UTC)) for day in days]
    return np.asarray(midnights, np.int64)
