"""Shapes of the ground: what each is, and how those in a view become the paths of a drawing."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.maps.view import Points, View


class Ground(StrEnum):
    """Kinds of ground, in the order in which they are drawn."""

    LAND = "land"
    OUTLINE = "outline"
    """Areas whose edges are drawn too, such as districts."""
    GREEN = "green"
    WATER = "water"
    BUILDING = "building"
    STREAM = "stream"
    PATH = "path"
    ROAD = "road"
    RAIL = "rail"
    BORDER = "border"


AREAS: Final = frozenset({Ground.LAND, Ground.OUTLINE, Ground.GREEN, Ground.WATER, Ground.BUILDING})
MOST_POINTS: Final = 30_000
"""Of one drawing: about 350 kB, 140 kB packed. Beyond it the least important kinds are left out, and of the
last one that has room its smallest pieces.
"""
_MOST_IMPORTANT: Final = (
    Ground.LAND,
    Ground.OUTLINE,
    Ground.WATER,
    Ground.BORDER,
    Ground.ROAD,
    Ground.RAIL,
    Ground.GREEN,
    Ground.STREAM,
    Ground.PATH,
    Ground.BUILDING,
)
_KINDS: Final = tuple(Ground)
_ORDER: Final = {ground: place for place, ground in enumerate(_KINDS)}
_BEYOND: Final = 12.0
"""Units around the picture that are drawn too, so that no edge of a cut shows."""
_FAR: Final = 1e6
_LEAST: Final = 1.5
"""Units below which a shape is left out."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Rings of areas, and lines, as columns: `grounds` has the place of each part's kind in `Ground`,
    `starts` the place of its first point. `low` and `high` are the corners of its box. Points of the whole
    world.
    """

    grounds: NDArray[np.int8]
    starts: NDArray[np.int64]
    points: Points
    low: Points
    high: Points


class Collected:
    """Gathers parts; many arrays of a few points each would take ten times as long."""

    def __init__(self) -> None:
        self._grounds: list[int] = []
        self._lengths: list[int] = []
        self._blocks: list[Points] = []

    def add(self, grounds: Sequence[Ground], lengths: Sequence[int], points: Points) -> None:
        """Parts one after the other: the kind of each, and how many of the points are its own."""
        self._grounds += [_ORDER[ground] for ground in grounds]
        self._lengths += lengths
        self._blocks.append(points)

    def parts(self) -> Parts:
        if not self._grounds:
            none = np.empty((0, 2))
            return Parts(np.empty(0, np.int8), np.empty(0, np.int64), none, none, none)
        starts = np.concatenate(([0], np.cumsum(self._lengths)[:-1])).astype(np.int64)
        points = np.concatenate(self._blocks)
        low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
        return Parts(np.array(self._grounds, np.int8), starts, points, low, high)


class Label(NamedTuple):
    """The name of a place of the ground; a lower `rank` is a more important one."""

    name: str
    x: float
    y: float
    rank: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """`paths`: the contents of the SVG attribute `d`, one for each kind of ground, in their order."""

    paths: list[tuple[str, str]]
    labels: list[Label]


def draw(parts: Parts, labels: Sequence[Label], view: View) -> Drawn:
    """The parts within the view, cut at its edges and simplified to half a unit. `labels` are in points of
    the world.
    """
    left, top, right, bottom = view.world()
    near = (parts.low <= (right, bottom)).all(axis=1) & (parts.high >= (left, top)).all(axis=1)
    near &= (parts.high - parts.low).max(axis=1, initial=0.0) * view.scale >= _LEAST
    ends = np.append(parts.starts[1:], len(parts.points))
    pieces: dict[Ground, list[Points]] = {}
    for place in np.flatnonzero(near):
        ground = _KINDS[parts.grounds[place]]
        placed = view.place(parts.points[parts.starts[place] : ends[place]])
        cut = _cut_area(placed, view) if ground in AREAS else _cut_line(placed, view)
        pieces.setdefault(ground, []).extend(_simplified(cut))
    room, kept = MOST_POINTS, {}
    for ground in _MOST_IMPORTANT:
        kept[ground] = _largest(pieces.get(ground, []), room)
        room -= sum(map(len, kept[ground]))
    paths = [(str(ground), _path(kept[ground], ground in AREAS)) for ground in Ground]
    return Drawn([(kind, path) for kind, path in paths if path], _within(labels, view))


def _largest(pieces: list[Points], room: int) -> list[Points]:
    """As many of the pieces as have room, the largest ones; in the order in which they come."""
    if sum(map(len, pieces)) <= room:
        return pieces
    sizes = [float((one.max(axis=0) - one.min(axis=0)).max()) for one in pieces]
    chosen = set()
    for place in sorted(range(len(pieces)), key=lambda place: -sizes[place]):
        room -= len(pieces[place])
        if room < 0:
            break
        chosen.add(place)
    return [one for place, one in enumerate(pieces) if place in chosen]


def _within(labels: Sequence[Label], view: View) -> list[Label]:
    """Those in the view, in its units, the most important ones first."""
    found = []
    for one in labels:
        x, y = view.place(np.array([[one.x, one.y]]))[0]
        if 0 < x < view.width and 0 < y < view.height:
            found.append(Label(one.name, float(x), float(y), one.rank))
    return sorted(found, key=lambda one: (one.rank, one.name))


def _cut_area(ring: Points, view: View) -> list[Points]:
    """A ring within the picture and a little beyond: cut at one edge after the other (Sutherland, Hodgman
    1974).
    """
    low, high = -_BEYOND, np.array((view.width, view.height)) + _BEYOND
    for axis in (0, 1):
        ring = _cut_half(ring, axis, low, 1.0)
        ring = _cut_half(ring, axis, float(high[axis]), -1.0)
    return [ring] if len(ring) >= 3 else []


def _cut_half(ring: Points, axis: int, edge: float, sign: float) -> Points:
    """The part of a ring where sign · (coordinate − edge) ≥ 0."""
    if not len(ring):
        return ring
    distance = sign * (ring[:, axis] - edge)
    inside = distance >= 0
    if inside.all():
        return ring
    following, then = np.roll(ring, -1, axis=0), np.roll(distance, -1)
    crosses = inside != (then >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(crosses, distance / (distance - then), 0.0)
    crossing = ring + part[:, None] * (following - ring)
    both = np.stack((ring, crossing), axis=1).reshape(-1, 2)
    kept: Points = both[np.column_stack((inside, crosses)).reshape(-1)]
    return kept


def _cut_line(line: Points, view: View) -> list[Points]:
    """The pieces of a line whose segments come near the picture. They are not cut exactly: the drawing hides
    what is outside.
    """
    high = np.array((view.width, view.height)) + _BEYOND
    first, second = line[:-1], line[1:]
    near = ((np.maximum(first, second) >= -_BEYOND) & (np.minimum(first, second) <= high)).all(axis=1)
    if near.all():
        return [line]
    ends = np.flatnonzero(np.diff(np.concatenate(([False], near, [False])).astype(np.int8)))
    return [line[int(start) : int(end) + 1] for start, end in ends.reshape(-1, 2)]


def _simplified(parts: list[Points]) -> list[Points]:
    """To a tenth of a unit, without points that repeat the one before; nothing of a shape that is smaller
    than a unit.
    """
    found: list[Points] = []
    for part in parts:
        rounded: Points = part.clip(-_FAR, _FAR).round(1)
        differs = np.abs(np.diff(rounded, axis=0)).max(axis=1) >= 0.6
        kept = rounded[np.concatenate(([True], differs))]
        if len(kept) >= 2:
            found.append(kept)
    return found


def _path(parts: list[Points], is_area: bool) -> str:
    end = "Z" if is_area else ""
    return "".join(
        "M" + "L".join(f"{x:g} {y:g}" for x, y in part.tolist()) + end
        for part in parts
        if not is_area or len(part) >= 3
    )


_MAJOR: Final = frozenset({"motorway", "trunk", "primary", "secondary", "highway", "major_road"})
_RAILS: Final = frozenset({"rail", "railway", "subway", "tram", "light_rail", "transit", "narrow_gauge"})
_GREENS: Final = frozenset(
    {
        *("park", "garden", "forest", "wood", "grass", "grassland", "meadow", "cemetery", "scrub", "heath"),
        *("nature_reserve", "national_park", "recreation_ground", "village_green", "farmland", "golf_course"),
        *("orchard", "vineyard", "allotments", "wetland"),
    }
)
_WATERS: Final = frozenset(
    {"water", "bay", "lake", "river", "riverbank", "ocean", "reservoir", "basin", "dock"}
)


_TAG: Final = re.compile(r"<[^>]*>")


def plain_credit(given: Any) -> str:
    """Whom a file names as the source of its data, without the HTML around it."""
    return " ".join(html.unescape(_TAG.sub("", given)).split())[:300] if isinstance(given, str) else ""


def ground_of(layer: str, properties: Mapping[str, Any], is_area: bool) -> Ground | None:
    """The ground of a feature, by the words of OpenStreetMap and of the usual schemes of tiles (Protomaps,
    OpenMapTiles). `layer` is empty in GeoJSON. None for what a map of sites leaves out.
    """
    words = {str(given).removesuffix("_link") for given in _told(properties)}
    if layer in ("water", "ocean", "waterway") or words & _WATERS or properties.get("waterway"):
        return Ground.WATER if is_area else Ground.STREAM
    if layer in ("building", "buildings") or properties.get("building"):
        return Ground.BUILDING if is_area else None
    if words & _GREENS:
        return Ground.GREEN if is_area else None
    if is_area:
        return Ground.OUTLINE if not layer else Ground.LAND if layer in ("earth", "land") else None
    if words & _RAILS or properties.get("railway"):
        return Ground.RAIL
    if layer in ("roads", "transportation") or properties.get("highway"):
        return Ground.ROAD if words & _MAJOR else Ground.PATH
    return Ground.BORDER if layer in ("", "boundary", "boundaries") else None


def _told(properties: Mapping[str, Any]) -> Iterable[Any]:
    names = ("natural", "water", "landuse", "leisure", "highway", "railway", "kind", "class", "pmap:kind")
    return (properties[name] for name in names if properties.get(name))
