"""A part of the world as a picture: Web Mercator, which keeps angles, so that places near each other keep
their proportions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.errors import CorrectInput

Points = NDArray[np.float64]
"""Shape (n, 2): x to the right, y downwards. Of the whole world each from 0 to 1."""
_TILE: Final = 256.0
_EQUATOR_M: Final = 40_075_016.686
_MOST_LATITUDE: Final = 85.0
LEAST_ZOOM: Final = 1.0
MOST_ZOOM: Final = 19.0
_ZOOM_OF_ONE: Final = 13.0
"""Of a single place: about 6 km across."""
_MARGIN: Final = 60.0
_STEPS: Final = (30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Degrees between two lines of the grid."""
_LEAST_SPACING: Final = 120.0
_LONGEST_BAR: Final = 0.25


class Line(NamedTuple):
    """A line of the grid: `degrees`, and where it crosses the picture, in percent."""

    degrees: float
    at: float


class Bar(NamedTuple):
    """A scale: metres, and its length in percent of the width."""

    metres: float
    length: float


@dataclass(frozen=True, slots=True)
class View:
    """The middle in degrees, and the zoom of map tiles: with each whole number everything is twice as large.
    Width and height are in units of the drawing.
    """

    latitude: float
    longitude: float
    zoom: float
    width: float
    height: float

    @property
    def scale(self) -> float:
        """Units for the whole world."""
        return float(_TILE * 2**self.zoom)

    @property
    def metres(self) -> float:
        """Metres in a unit, at the middle."""
        return _EQUATOR_M * math.cos(math.radians(self.latitude)) / self.scale

    def place(self, points: Points) -> Points:
        """Points of the world in units of the drawing."""
        middle = np.array(to_world(self.latitude, self.longitude))
        placed: Points = (points - middle) * self.scale + np.array((self.width / 2, self.height / 2))
        return placed

    def place_of(self, latitude: float, longitude: float) -> tuple[float, float]:
        x, y = self.place(np.array([to_world(latitude, longitude)]))[0]
        return float(x), float(y)

    def world(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the picture, of the whole world."""
        x, y = to_world(self.latitude, self.longitude)
        half_x, half_y = self.width / 2 / self.scale, self.height / 2 / self.scale
        return x - half_x, y - half_y, x + half_x, y + half_y

    def moved(self, right: float, down: float) -> View:
        """Another middle: `right` widths and `down` heights away."""
        x, y = to_world(self.latitude, self.longitude)
        latitude, longitude = from_world(
            x + right * self.width / self.scale, y + down * self.height / self.scale
        )
        return replace(self, latitude=latitude, longitude=longitude)

    def zoomed(self, by: float) -> View:
        return replace(self, zoom=min(max(self.zoom + by, LEAST_ZOOM), MOST_ZOOM))

    def address(self) -> dict[str, str]:
        """The parameters of an address that shows this view."""
        return {"at": f"{self.latitude:.5f},{self.longitude:.5f}", "zoom": f"{self.zoom:.2f}"}

    def meridians(self) -> list[Line]:
        """Lines of equal longitude, from the west."""
        left, _, right, _ = self.world()
        west, east = max(360 * left - 180, -180.0), min(360 * right - 180, 180.0)
        step = self._step()
        return [
            Line(degrees, 100 * self.place_of(0.0, degrees)[0] / self.width)
            for degrees in _multiples(west, east, step)
        ]

    def parallels(self) -> list[Line]:
        """Lines of equal latitude, from the south."""
        _, top, _, bottom = self.world()
        south, north = from_world(0.5, bottom)[0], from_world(0.5, top)[0]
        step = self._step()
        return [
            Line(degrees, 100 * self.place_of(degrees, 0.0)[1] / self.height)
            for degrees in _multiples(south, north, step)
        ]

    def bar(self) -> Bar:
        """The longest round length that takes a quarter of the width at most."""
        most = self.width * _LONGEST_BAR * self.metres
        power = 10.0 ** math.floor(math.log10(most))
        metres = next(part * power for part in (5, 2, 1) if part * power <= most)
        return Bar(metres, 100 * metres / self.metres / self.width)

    def _step(self) -> float:
        unit = self.scale / 360
        fitting = [step for step in _STEPS if step * unit >= _LEAST_SPACING]
        return fitting[-1] if fitting else _STEPS[0]


def to_world(latitude: float, longitude: float) -> tuple[float, float]:
    """Degrees as a place in the whole world; beyond 85 degrees the world ends."""
    held = math.radians(min(max(latitude, -_MOST_LATITUDE), _MOST_LATITUDE))
    return (longitude + 180) / 360, (1 - math.asinh(math.tan(held)) / math.pi) / 2


def from_world(x: float, y: float) -> tuple[float, float]:
    """(latitude, longitude) in degrees; the opposite of `to_world`."""
    held = min(max(y, 0.0), 1.0)
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * held)))), 360 * min(max(x, 0.0), 1.0) - 180


def to_worlds(degrees: Points) -> Points:
    """The same for many points, (longitude, latitude) as GeoJSON has them."""
    held = np.radians(np.clip(degrees[:, 1], -_MOST_LATITUDE, _MOST_LATITUDE))
    y = (1 - np.arcsinh(np.tan(held)) / math.pi) / 2
    return np.column_stack(((degrees[:, 0] + 180) / 360, y))


def around(places: Sequence[tuple[float, float]], width: float, height: float) -> View:
    """The view that shows all of these places, (latitude, longitude), and a margin around them."""
    points = np.array([to_world(*place) for place in places])
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.array((width, height)) - 2 * _MARGIN
    with np.errstate(divide="ignore"):
        zoom = float(np.log2(room / (_TILE * (high - low))).min())
    latitude, longitude = from_world(*((low + high) / 2))
    return View(latitude, longitude, min(max(zoom, LEAST_ZOOM), _ZOOM_OF_ONE), width, height)


def read_view(at: str, zoom: str, width: float, height: float) -> View | None:
    """The view of an address; None where it names none. CorrectInput for one that is none."""
    if not at:
        return None
    try:
        latitude, longitude = (float(part) for part in at.split(","))
        level = float(zoom or _ZOOM_OF_ONE)
    except ValueError:
        latitude = longitude = level = math.nan
    if not (abs(latitude) <= _MOST_LATITUDE and abs(longitude) <= 180 and LEAST_ZOOM <= level <= MOST_ZOOM):
        raise CorrectInput(
            "This address shows no part of the map: write ?at=48.8566,2.3522&zoom=12, with a zoom from 1 to "
            "19, or leave both out."
        )
    return View(latitude, longitude, level, width, height)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step), math.floor(high / step)
    return [number * step for number in range(first, last + 1)]
