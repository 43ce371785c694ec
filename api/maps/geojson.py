"""A file of GeoJSON (RFC 7946) as ground: outlines, or an extract of streets and water."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from api.maps.shapes import Collected, Drawn, Ground, Label, Parts, draw, ground_of, plain_credit
from api.maps.view import Points, View, to_worlds
from insitu.errors import CorrectInput

MOST_BYTES: Final = 32 * 1024**2
_RANKS: Final = {"city": 1.0, "town": 3.0, "suburb": 5.0, "village": 6.0}


class Outlines:
    """Holds every shape of its file in memory."""

    def __init__(self, parts: Parts, labels: list[Label], credit: str) -> None:
        self._parts, self._labels, self.credit = parts, labels, credit

    def draw(self, view: View) -> Drawn:
        return draw(self._parts, self._labels, view)


def read_geojson(path: Path, content: bytes) -> Outlines:
    """Raises CorrectInput for a file that is no GeoJSON, or has nothing to draw."""
    grounds: list[Ground] = []
    lengths: list[int] = []
    points: list[Any] = []
    try:
        document = json.loads(content)
        features = list(_features(document))
        for properties, geometry in features:
            for ground, ring in _rings(properties, geometry):
                grounds.append(ground)
                lengths.append(len(ring))
                points += ring
        labels = [label for one in features for label in _labels(*one)]
        collected = Collected()
        if points:
            collected.add(grounds, lengths, _points(points))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise CorrectInput(
            f"INSITU_MAP_FILE: {path} is no GeoJSON ({error or type(error).__name__}): write a "
            "FeatureCollection in degrees (WGS84), or a PMTiles archive of vector tiles."
        ) from None
    if not points:
        raise CorrectInput(f"INSITU_MAP_FILE: {path} has no area and no line, so there is nothing to draw.")
    credit = plain_credit(document.get("attribution") or document.get("copyright"))
    return Outlines(collected.parts(), labels, credit)


def _features(document: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(properties, geometry) of each feature that has a geometry."""
    if document["type"] == "FeatureCollection":
        for one in document["features"]:
            yield from _features(one)
    elif document["type"] == "Feature":
        if document["geometry"] is not None:
            yield document.get("properties") or {}, document["geometry"]
    else:
        yield {}, document


def _rings(properties: dict[str, Any], geometry: dict[str, Any]) -> Iterator[tuple[Ground, list[Any]]]:
    """Rings of areas, and lines, each with its kind; in degrees."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for one in geometry["geometries"]:
            yield from _rings(properties, one)
        return
    coordinates = geometry["coordinates"]
    match kind:
        case "Polygon" | "MultiLineString":
            parts = coordinates
        case "MultiPolygon":
            parts = [ring for rings in coordinates for ring in rings]
        case "LineString":
            parts = [coordinates]
        case _:
            return
    ground = ground_of("", properties, kind.endswith("Polygon"))
    if ground is not None:
        yield from ((ground, ring) for ring in parts if len(ring) >= 2)


def _points(found: list[Any]) -> Points:
    degrees = np.array([point[:2] for point in found], dtype=float).reshape(-1, 2)
    if not np.isfinite(degrees).all() or (np.abs(degrees) > (180.001, 90.001)).any():
        raise ValueError("a point is not in degrees of longitude and latitude")
    return to_worlds(degrees)


def _labels(properties: dict[str, Any], geometry: dict[str, Any]) -> Iterator[Label]:
    name, place = properties.get("name"), properties.get("place")
    if geometry["type"] == "Point" and isinstance(name, str) and place:
        x, y = _points([geometry["coordinates"]])[0]
        yield Label(name, float(x), float(y), _RANKS.get(str(place), 7.0))
