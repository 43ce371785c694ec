"""Charts of the pages: Vega-Lite specifications as plain dicts for the browser, and a drawing that needs no
script.

Times are sent as the trial's wall-clock time on a UTC scale, so that no browser applies its own time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale

from api.pages.series import Drawn, Point
from insitu.language import Reader
from insitu.zones import zone_or_utc

WIDTH: Final = 640
HEIGHT: Final = 150
_FEW: Final = 50
"""With at most this many points each gets a mark, because a line through a single point is invisible."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 8, 22


@dataclass(frozen=True, slots=True)
class Label:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Paths of an SVG of WIDTH × HEIGHT: the band between smallest and largest, the line of means, flagged
    buckets.
    """

    band: str
    line: str
    flagged: list[tuple[float, float, int]]
    """x, y, flag."""
    levels: list[Label]
    moments: list[Label]


def drawing(drawn: Drawn, reader: Reader) -> Drawing | None:
    """None if there is nothing to draw."""
    if not drawn.points:
        return None
    low, high = _extent(drawn.points)
    span = (drawn.end - drawn.start).total_seconds()

    def x(when: datetime) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (when - drawn.start).total_seconds() / span, 1)

    def y(reading: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (reading - low) / (high - low), 1)

    bands, lines = [], []
    for run in _runs(drawn.points, drawn.width * 1.5):
        centres = [x(p.at + drawn.width / 2) for p in run]
        upper = [f"{at} {y(p.high)}" for at, p in zip(centres, run, strict=True)]
        lower = [f"{at} {y(p.low)}" for at, p in zip(centres, run, strict=True)]
        bands.append("M" + "L".join(upper + lower[::-1]) + "Z")
        middles = [f"{at} {y(p.middle)}" for at, p in zip(centres, run, strict=True) if p.middle is not None]
        if middles:  # the round line cap makes a single point a dot
            lines.append("M" + "L".join(middles if len(middles) > 1 else middles * 2))
    flagged = [(x(p.at + drawn.width / 2), y(p.high), p.flag) for p in drawn.points if p.flag > 2]
    levels = [Label(y(level), reader.number(level, 2)) for level in (low, (low + high) / 2, high)]
    moments = [Label(x(drawn.start + (drawn.end - drawn.start) * part), "") for part in (0.0, 0.5, 1.0)]
    style = "short" if span > 86_400 else "HH:mm"
    texts = [reader.moment(drawn.start + (drawn.end - drawn.start) * part, style) for part in (0.0, 0.5, 1.0)]
    return Drawing(
        "".join(bands),
        "".join(lines),
        flagged,
        levels,
        [Label(m.at, t) for m, t in zip(moments, texts, strict=True)],
    )


def _extent(points: list[Point]) -> tuple[float, float]:
    low, high = min(p.low for p in points), max(p.high for p in points)
    if high - low < 1e-9:  # put a flat line in the middle of its drawing
        margin = max(abs(high) * 0.05, 0.5)
        return low - margin, high + margin
    return low, high


def _runs(points: list[Point], most: timedelta) -> list[list[Point]]:
    """Runs of points without a hole between them: no line crosses a gap."""
    runs: list[list[Point]] = []
    for point in points:
        if runs and point.at - runs[-1][-1].at <= most:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def spec(drawn: Drawn, reader: Reader, words: dict[str, str]) -> dict[str, Any]:
    """Vega-Lite: band, line and flagged points; `words` are the texts of axes and tooltips. The page sets the
    colours.
    """
    zone = zone_or_utc(reader.time_zone)
    rows: list[dict[str, Any]] = []
    before: Point | None = None
    for point in drawn.points:
        if before is not None and point.at - before.at > drawn.width * 1.5:
            rows.append(
                {"t": _wall(before.at + drawn.width * 1.5, zone)}
            )  # a row without results breaks the line
        rows.append(
            {
                "t": _wall(point.at + drawn.width / 2, zone),
                "low": point.low,
                "high": point.high,
                "mid": point.middle,
                "n": point.n,
                "flag": point.flag,
            }
        )
        before = point
    time = {
        "field": "t",
        "type": "temporal",
        "scale": {"type": "utc", "domain": [_wall(w, zone) for w in (drawn.start, drawn.end)]},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": HEIGHT,
        "data": {"name": "series", "values": rows, "format": {"parse": {"t": "utc:'%Y-%m-%dT%H:%M:%S'"}}},
        "encoding": {
            "x": {
                **time,
                "axis": {"title": None, "tickCount": 6, "grid": False, "format": _day_format(drawn)},
            }
        },
        "layer": _layers(words, marked=len(drawn.points) <= _FEW),
    }


_FLAGGED: Final[dict[str, Any]] = {
    "transform": [{"filter": "datum.flag > 2"}],
    "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1},
    "encoding": {
        "y": {"field": "high", "type": "quantitative"},
        "shape": {
            "field": "flag",
            "type": "ordinal",
            "legend": None,
            "scale": {"domain": [3, 4], "range": ["triangle-up", "square"]},
        },
        "color": {
            "field": "flag",
            "type": "ordinal",
            "legend": None,
            "scale": {"domain": [3, 4], "range": ["suspect", "fail"]},
        },
    },
}


def _layers(words: dict[str, str], *, marked: bool) -> list[dict[str, Any]]:
    """Band, line, flagged points, and the rule that shows the tooltip."""
    scale = {"zero": False, "nice": True}
    return [
        {
            "mark": {"type": "area", "opacity": 0.25, "interpolate": "linear"},
            "encoding": {
                "y": {
                    "field": "low",
                    "type": "quantitative",
                    "scale": scale,
                    "axis": {"title": None, "tickCount": 4},
                },
                "y2": {"field": "high"},
            },
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.5, "point": marked},
            "encoding": {"y": {"field": "mid", "type": "quantitative"}},
        },
        _FLAGGED,
        {
            "transform": [{"filter": "isValid(datum.high)"}],
            "mark": {"type": "rule", "opacity": 0},
            "params": [
                {
                    "name": "near",
                    "select": {"type": "point", "on": "pointerover", "nearest": True, "encodings": ["x"]},
                }
            ],
            "encoding": {
                "opacity": {"condition": {"param": "near", "empty": False, "value": 0.4}, "value": 0},
                "tooltip": [
                    {
                        "field": "t",
                        "type": "temporal",
                        "title": words["time"],
                        "format": "%d %b %H:%M",
                        "timeUnit": "utcyearmonthdatehoursminutes",
                    },
                    {"field": "mid", "type": "quantitative", "title": words["mean"], "format": ".4~g"},
                    {"field": "low", "type": "quantitative", "title": words["low"], "format": ".4~g"},
                    {"field": "high", "type": "quantitative", "title": words["high"], "format": ".4~g"},
                    {"field": "n", "type": "quantitative", "title": words["n"]},
                ],
            },
        },
    ]


def _day_format(drawn: Drawn) -> str:
    """One style for the whole axis: d3's own mixes weekdays and months."""
    days = (drawn.end - drawn.start).total_seconds() / 86_400
    return "%H:%M" if days <= 2 else "%a %e" if days <= 10 else "%e %b"


def _wall(when: datetime, zone: ZoneInfo) -> str:
    return when.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


@cache
def locale_of(language: str) -> dict[str, Any]:
    """d3 locales of numbers and times for the browser, from Babel."""
    found = Locale.parse("en_GB" if language == "en" else "fr_FR")
    days = [found.days["format"]["wide"][(number - 1) % 7] for number in range(7)]  # d3 begins on Sunday
    short_days = [found.days["format"]["abbreviated"][(number - 1) % 7] for number in range(7)]
    months = found.months["format"]
    return {
        "number": {
            "decimal": found.number_symbols["latn"]["decimal"],
            "thousands": " " if language == "fr" else ",",
            "grouping": [3],
            "currency": ["", " €"],
        },
        "time": {
            "dateTime": "%A %e %B %Y %X",
            "date": "%d/%m/%Y",
            "time": "%H:%M:%S",
            "periods": ["AM", "PM"],
            "days": days,
            "shortDays": short_days,
            "months": [months["wide"][m] for m in range(1, 13)],
            "shortMonths": [months["abbreviated"][m] for m in range(1, 13)],
        },
    }
