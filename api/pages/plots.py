"""The drawing of several lines on one grid, as SVG without a script; under it a lane for each device, with
its gaps, windows and swaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from api.pages.comparing import Dot, Line
from insitu.language import Reader
from insitu.zones import zone_or_utc

WIDTH: Final = 960
_HEIGHT: Final = 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 10, 28
_LANE: Final = 16
_MOST_BANDS: Final = 2
_STEPS_H: Final = (1, 3, 6, 12)
_STEPS_D: Final = (1, 2, 5, 10, 30, 60, 120, 240)
_MOST_MOMENTS: Final = 9


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Paths of one line; `number` chooses its colour and dashes."""

    number: int
    name: str
    path: str
    band: str
    """Between smallest and largest; empty where there are many lines."""
    flagged: list[tuple[float, float, int]]
    """x, y, flag."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    kind: str
    """`gap` or `window`."""
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A device under the plot."""

    y: float
    name: str
    bars: list[Bar]
    marks: list[Tick]
    """Swaps and moves."""


@dataclass(frozen=True, slots=True)
class Plot:
    """`start_ms`, `end_ms`: the span of the plot area, which lies between `left` and `right`."""

    height: int
    left: int
    right: int
    top: int
    bottom: int
    levels: list[Tick]
    moments: list[Tick]
    curves: list[Curve]
    lanes: list[Lane]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """The events of one device: (start, end, words) of gaps and windows, (moment, words) of swaps."""

    name: str
    gaps: list[tuple[datetime, datetime, str]]
    windows: list[tuple[datetime, datetime, str]]
    marks: list[tuple[datetime, str]]


def plot(
    lines: Sequence[Line], facts: Sequence[LaneFacts], start: datetime, end: datetime, reader: Reader
) -> Plot | None:
    """The drawing of `[start, end)`; None if there is no result to draw."""
    drawn = [line for line in lines if line.dots]
    if not drawn:
        return None
    banded = len(lines) <= _MOST_BANDS
    low, high, step = _scale(drawn, banded=banded)
    span, right, bottom = (end - start).total_seconds(), WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(when: datetime) -> float:
        inside = min(max(when, start), end)
        return round(_LEFT + (right - _LEFT) * (inside - start).total_seconds() / span, 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - _TOP) * (value - low) / (high - low), 1)

    digits = max(0, -math.floor(math.log10(step))) if step < 1 else 0
    levels = [
        Tick(y(low + step * n), reader.number(low + step * n, min(digits, 9)))
        for n in range(round((high - low) / step) + 1)
    ]
    curves = [_curve(number, line, x, y, banded=banded) for number, line in enumerate(lines) if line.dots]
    lanes = [_lane(number, one, x) for number, one in enumerate(facts)]
    height = _HEIGHT + (_LANE * len(lanes) + 6 if lanes else 0)
    start_ms, end_ms = (round(edge.timestamp() * 1000) for edge in (start, end))
    moments = [Tick(x(at), text) for at, text in _moments(start, end, reader)]
    return Plot(height, _LEFT, right, _TOP, bottom, levels, moments, curves, lanes, start_ms, end_ms)


def _value(dot: Dot) -> float:
    """The place of its mark: its mean, or where that has no meaning its largest."""
    return dot.high if dot.middle is None else dot.middle


def _scale(lines: Sequence[Line], *, banded: bool) -> tuple[float, float, float]:
    """(lowest, highest, step) of round levels around everything that is drawn."""
    values = [value for line in lines for dot in line.dots for value in (dot.low, dot.high)] if banded else []
    values += [_value(dot) for line in lines for dot in line.dots]
    low, high = min(values), max(values)
    if high - low < 1e-9 * max(1.0, abs(high)):
        margin = max(abs(high) * 0.05, 0.5)
        low, high = low - margin, high + margin
    if not math.isfinite(high - low):
        return low / 2, high / 2, (high / 2 - low / 2) / 2
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next((f * size for f in (1, 2, 5) if f * size >= rough), 10 * size)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _curve(
    number: int,
    line: Line,
    x: Callable[[datetime], float],
    y: Callable[[float], float],
    *,
    banded: bool,
) -> Curve:
    paths, bands = [], []
    for run in _runs(line):
        centres = [x(dot.at + (dot.until - dot.at) / 2) for dot in run]
        if banded:
            upper = [f"{at} {y(dot.high)}" for at, dot in zip(centres, run, strict=True)]
            lower = [f"{at} {y(dot.low)}" for at, dot in zip(centres, run, strict=True)]
            bands.append("M" + "L".join(upper + lower[::-1]) + "Z")
        middles = [
            f"{at} {y(dot.middle)}" for at, dot in zip(centres, run, strict=True) if dot.middle is not None
        ]
        if middles:  # the round line cap makes a single point a dot
            paths.append("M" + "L".join(middles if len(middles) > 1 else middles * 2))
    flagged = [
        (x(dot.at + (dot.until - dot.at) / 2), y(_value(dot)), dot.flag) for dot in line.dots if dot.flag > 2
    ]
    return Curve(number, line.name, "".join(paths), "".join(bands), flagged)


def _runs(line: Line) -> list[list[Dot]]:
    """Runs of dots without a longer silence between them."""
    runs: list[list[Dot]] = []
    for dot in line.dots:
        if runs and dot.at - runs[-1][-1].at <= line.break_after:
            runs[-1].append(dot)
        else:
            runs.append([dot])
    return runs


def _lane(number: int, one: LaneFacts, x: Callable[[datetime], float]) -> Lane:
    bars = [
        Bar(x(start), round(max(x(end) - x(start), 2.0), 1), kind, text)
        for kind, several in (("window", one.windows), ("gap", one.gaps))
        for start, end, text in several
    ]
    marks = [Tick(x(at), text) for at, text in one.marks]
    return Lane(_HEIGHT + _LANE * number, one.name, bars, marks)


def _moments(start: datetime, end: datetime, reader: Reader) -> list[tuple[datetime, str]]:
    """Round local moments for the axis."""
    zone = zone_or_utc(reader.time_zone)
    hours = (end - start).total_seconds() / 3600
    step_h = next((step for step in _STEPS_H if hours / step <= _MOST_MOMENTS), None)
    first = start.astimezone(zone).date()
    if step_h is not None:
        midnight = datetime.combine(first, time(), zone).astimezone(UTC)
        found = [midnight + timedelta(hours=n) for n in range(0, 24 * 3, step_h)]
        return [
            (at, reader.day(at, "d MMM") if at.astimezone(zone).hour == 0 else f"{at.astimezone(zone):%H:%M}")
            for at in found
            if start <= at < end
        ]
    days = hours / 24
    step_d = next((step for step in _STEPS_D if days / step <= _MOST_MOMENTS), _STEPS_D[-1])
    last = end.astimezone(zone).date().toordinal()
    ordinals = range(first.toordinal(), last + 1, step_d)
    midnights = [datetime.combine(date.fromordinal(day), time(), zone).astimezone(UTC) for day in ordinals]
    return [(at, reader.day(at, "d MMM")) for at in midnights if start <= at < end]
