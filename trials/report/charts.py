"""Charts as Vega-Lite specifications, one function each; plain dicts, used by reports and pages.

Times are the trial's local wall-clock times on a UTC scale, so that no renderer shifts them into its own
zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from insitu.language import Language

INK, MUTED, CANDIDATE, OTHER, TARGET = "#1b2733", "#6b7a88", "#0b6e8f", "#c8641b", "#2f8f5b"
"""Distinguishable with every common form of colour blindness, and in grey."""

_FRENCH_NUMBERS = {"decimal": ",", "thousands": "\u202f", "grouping": [3], "currency": ["", "\u00a0€"]}
_FRENCH_TIMES = {
    "dateTime": "%A %e %B %Y à %X",
    "date": "%d/%m/%Y",
    "time": "%H:%M:%S",
    "periods": ["", ""],
    "days": ["dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"],
    "shortDays": ["dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."],
    "months": [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    "shortMonths": [
        "janv.",
        "févr.",
        "mars",
        "avr.",
        "mai",
        "juin",
        "juil.",
        "août",
        "sept.",
        "oct.",
        "nov.",
        "déc.",
    ],
}


def locale_of(language: Language) -> dict[str, Any]:
    """Formats of numbers and dates in a language, for the renderer."""
    return {"format_locale": _FRENCH_NUMBERS, "time_format_locale": _FRENCH_TIMES} if language == "fr" else {}


def _base(width: int, height: int) -> dict[str, Any]:
    axis = {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": "#e3e8ec",
        "domainColor": MUTED,
        "tickColor": MUTED,
        "labelFontSize": 11,
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": width,
        "height": height,
        "background": "white",
        "config": {
            "view": {"stroke": None},
            "axis": axis,
            "legend": {
                "orient": "top",
                "title": None,
                "labelColor": INK,
                "labelFontSize": 12,
                "symbolStrokeWidth": 3,
            },
        },
    }


def interval(
    *,
    label: str,
    value: float,
    low: float,
    high: float,
    target_low: float | None,
    target_high: float | None,
    unit: str,
) -> dict[str, Any]:
    """An estimate with its interval, and the shaded set that must contain the whole interval."""
    marks = [mark for mark in (low, high, value, target_low, target_high) if mark is not None]
    span = max(marks) - min(marks) or 1.0
    if min(marks) - span <= 0.0 <= max(marks) + span:
        marks.append(0.0)  # no effect, if near enough to mean something
        span = max(marks) - min(marks)
    left, right = min(marks) - 0.12 * span, max(marks) + 0.12 * span
    x = {
        "type": "quantitative",
        "scale": {"domain": [left, right], "nice": False, "zero": False},
        "title": f"{label} ({unit})" if unit else label,
    }
    shaded = {
        "from": left if target_low is None else target_low,
        "to": right if target_high is None else target_high,
    }
    edges = [{"edge": edge} for edge in (target_low, target_high) if edge is not None]
    row = {"low": low, "high": high, "value": value, "row": ""}
    y = {"field": "row", "type": "nominal", "title": None, "axis": None}
    return {
        **_base(560, 70),
        "layer": [
            {
                "data": {"values": [shaded]},
                "mark": {"type": "rect", "color": TARGET, "opacity": 0.16},
                "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}},
            },
            {
                "data": {"values": edges},
                "mark": {"type": "rule", "color": TARGET, "strokeWidth": 2, "strokeDash": [5, 3]},
                "encoding": {"x": {**x, "field": "edge"}},
            },
            {
                "data": {"values": [row]},
                "mark": {"type": "rule", "color": INK, "strokeWidth": 3},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
            },
            {
                "data": {"values": [{"at": low}, {"at": high}]},
                "mark": {"type": "tick", "color": INK, "thickness": 3, "size": 18},
                "encoding": {"x": {**x, "field": "at"}},
            },
            {
                "data": {"values": [row]},
                "mark": {"type": "point", "filled": True, "size": 130, "color": CANDIDATE},
                "encoding": {"x": {**x, "field": "value"}, "y": y},
            },
        ],
    }


def daily(
    *,
    lines: Sequence[tuple[str, Sequence[tuple[str, float | None]]]],
    title: str,
    starts: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Day values of several lines. `starts`: (ISO day, label) of periods. A missing day breaks the line."""
    values = [{"line": name, "day": day, "value": value} for name, days in lines for day, value in days]
    names = [name for name, _ in lines]
    palette = [CANDIDATE, OTHER, INK, MUTED]
    x = {
        "field": "day",
        "type": "temporal",
        "scale": {"type": "utc"},
        "title": None,
        "axis": {"format": "%d %b", "labelOverlap": True, "tickCount": 8},
    }
    colour = {
        "field": "line",
        "type": "nominal",
        "scale": {"domain": names, "range": [palette[i % 4] for i in range(len(names))]},
    }
    dash = {
        "field": "line",
        "type": "nominal",
        "scale": {"domain": names, "range": [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2]][: len(names)] or [[1, 0]]},
    }
    y = {"field": "value", "type": "quantitative", "title": title, "scale": {"zero": False}}
    return {
        **_base(620, 180),
        "layer": [
            {
                "data": {"values": values},
                "mark": {
                    "type": "line",
                    "strokeWidth": 2,
                    "point": {"size": 14},
                    "invalid": "break-paths-show-path-domains",
                },
                "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash},
            },
            *_period_marks(x, starts),
        ],
    }


def _period_marks(x: dict[str, Any], starts: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """A rule and a label where each period starts."""
    marks = [{"day": day, "label": label} for day, label in starts]
    return [
        {
            "data": {"values": marks},
            "mark": {"type": "rule", "color": MUTED, "strokeDash": [3, 3]},
            "encoding": {"x": x},
        },
        {
            "data": {"values": marks},
            "mark": {
                "type": "text",
                "align": "left",
                "dx": 2,
                "dy": -3,
                "baseline": "bottom",
                "color": MUTED,
            },
            "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "label"}},
        },
    ]


def scatter(
    *, pairs: Sequence[tuple[float, float]], slope: float, intercept: float, x_title: str, y_title: str
) -> dict[str, Any]:
    """Candidate against reference, with the line of identity (dashed) and the fitted line."""
    xs = [x for x, _ in pairs] + [y for _, y in pairs]
    low, high = min(xs), max(xs)
    axis = {"type": "quantitative", "scale": {"domain": [low, high], "nice": True, "zero": False}}
    x, y = {**axis, "field": "x", "title": x_title}, {**axis, "field": "y", "title": y_title}
    ends = [min(p[0] for p in pairs), max(p[0] for p in pairs)]
    return {
        **_base(360, 360),
        "layer": [
            {
                "data": {"values": [{"x": a, "y": b} for a, b in pairs]},
                "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.35, "color": CANDIDATE},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": [{"x": low, "y": low}, {"x": high, "y": high}]},
                "mark": {"type": "line", "color": MUTED, "strokeDash": [5, 4]},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": [{"x": e, "y": intercept + slope * e} for e in ends]},
                "mark": {"type": "line", "color": OTHER, "strokeWidth": 2.5},
                "encoding": {"x": x, "y": y},
            },
        ],
    }
