"""The map of sites as inline SVG: outlines from GeoJSON, one mark for each site, labels inside the map that
do not overlap.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from api.rendering import STATIC

OUTLINE: Final = STATIC / "ile-de-france.geojson"
_WIDTH, _HEIGHT = 440, 320
_MARGIN = 28
_LETTER = 7.2
"""Largest width of a letter of a label, in units of the drawing."""
_LINE = 17
_LEAST_SPAN_DEGREES = 0.22  # about 25 km: outlines stay recognisable around a single site


@dataclass(frozen=True, slots=True)
class Spot:
    """A site to draw; degrees WGS84."""

    code: str
    name: str
    state: str
    words: str
    href: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Mark:
    name: str
    short: str
    state: str
    words: str
    href: str
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class SiteMap:
    width: int
    height: int
    outlines: list[str]
    """Contents of SVG `d` attributes."""
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class _Projection:
    """Equirectangular around the middle: at this size the error is less than a pixel."""

    longitude: float
    latitude: float
    scale: float

    def __call__(self, longitude: float, latitude: float) -> tuple[float, float]:
        x = _WIDTH / 2 + (longitude - self.longitude) * math.cos(math.radians(self.latitude)) * self.scale
        return round(x, 1), round(_HEIGHT / 2 - (latitude - self.latitude) * self.scale, 1)


def draw(spots: Sequence[Spot], outline: Path = OUTLINE) -> SiteMap | None:
    """A map that shows every spot; None without spots."""
    if not spots:
        return None
    project = _around(spots)
    outlines = ["".join(_ring(project, ring) for ring in polygon) for polygon in _polygons(outline)]
    return SiteMap(_WIDTH, _HEIGHT, outlines, _marks(spots, project))


def _around(spots: Sequence[Spot]) -> _Projection:
    south, north = min(s.latitude for s in spots), max(s.latitude for s in spots)
    west, east = min(s.longitude for s in spots), max(s.longitude for s in spots)
    middle = (south + north) / 2
    across = max((east - west) * math.cos(math.radians(middle)), _LEAST_SPAN_DEGREES)
    up = max(north - south, _LEAST_SPAN_DEGREES * _HEIGHT / _WIDTH)
    scale = min((_WIDTH - 2 * _MARGIN) / across, (_HEIGHT - 2 * _MARGIN) / up)
    return _Projection((west + east) / 2, middle, scale)


@cache
def _polygons(outline: Path) -> list[Any]:
    """Polygons of a GeoJSON file, each a list of rings of (longitude, latitude)."""
    polygons: list[Any] = []
    for feature in json.loads(outline.read_text("utf-8"))["features"]:
        shape = feature["geometry"]
        polygons += [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
    return polygons


def _ring(project: _Projection, ring: Sequence[Sequence[float]]) -> str:
    points = (project(point[0], point[1]) for point in ring)
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) + "Z"


def _marks(spots: Sequence[Spot], project: _Projection) -> list[Mark]:
    """Marks from north to south; a label that would touch another one moves down, or up at the lower edge."""
    placed: list[tuple[float, float, float]] = []  # left, right, baseline
    points = [project(spot.longitude, spot.latitude) for spot in spots]
    marks = []
    for spot, (x, y) in sorted(zip(spots, points, strict=True), key=lambda pair: pair[1][1]):
        short = spot.name if len(spot.name) <= 26 else spot.name[:25] + "…"
        long = len(short) * _LETTER
        right = x + 14 + long <= _WIDTH - 4
        left_edge = x + 14 if right else max(4.0, x - 14 - long)
        baseline = _free(left_edge, left_edge + long, min(max(y + 5, 16.0), _HEIGHT - 8.0), placed)
        placed.append((left_edge, left_edge + long, baseline))
        label_x = left_edge if right else left_edge + long
        marks.append(
            Mark(
                spot.name,
                short,
                spot.state,
                spot.words,
                spot.href,
                x,
                y,
                round(label_x, 1),
                round(baseline, 1),
                "start" if right else "end",
            )
        )
    return marks


def _free(left: float, right: float, wanted: float, placed: Sequence[tuple[float, float, float]]) -> float:
    """The nearest free baseline to `wanted`; `wanted` itself if the map is full."""
    steps = sorted(range(-16, 17), key=abs)
    for step in steps:
        y = wanted + step * _LINE / 2
        if not 14 <= y <= _HEIGHT - 6:
            continue
        if all(
            right < other_left or left > other_right or abs(y - other) >= _LINE
            for other_left, other_right, other in placed
        ):
            return y
    return wanted
