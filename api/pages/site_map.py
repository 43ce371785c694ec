"""The sites on a map: one mark for each or for several that lie together, with labels inside the map that do
not overlap. Places are in percent of the drawing, so that marks and letters keep their size on any screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from api.maps.ground import Grounds
from api.maps.view import Bar, Line, View, around

_LETTER: Final = 7.6
"""Largest width of a letter of a label."""
_LINE: Final = 18.0
_TOGETHER: Final = 40.0
"""Marks that are nearer to each other become one."""
_MOST_NAMED: Final = 40
_LONGEST: Final = 26


@dataclass(frozen=True, slots=True)
class Spot:
    """A site to draw; degrees WGS84. `rank`: 0 for the worst state. `number`: its number in the table."""

    code: str
    name: str
    state: str
    rank: int
    words: str
    href: str
    latitude: float
    longitude: float
    number: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """`count`: how many sites it stands for. Places in percent; `right`: the label is to the right of it."""

    name: str
    short: str
    state: str
    words: str
    href: str
    x: float
    y: float
    label_x: float
    label_y: float
    right: bool
    count: int
    number: str


@dataclass(frozen=True, slots=True)
class Named:
    """The name of a place of the ground, in percent."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class SiteMap:
    """`paths`: kind and content of the SVG attribute `d`."""

    view: View
    paths: list[tuple[str, str]]
    names: list[Named]
    marks: list[Mark]
    meridians: list[Line]
    parallels: list[Line]
    bar: Bar
    credit: str


Closer = Callable[[View, Sequence[Spot]], str]
"""The address that shows several sites apart from each other."""


def view_of(spots: Sequence[Spot], width: float, height: float) -> View:
    """The view of all spots; of the origin without any."""
    places = [(one.latitude, one.longitude) for one in spots]
    return around(places, width, height) if places else View(0.0, 0.0, 1.0, width, height)


def draw(spots: Sequence[Spot], grounds: Grounds, view: View, closer: Closer) -> SiteMap:
    """The map of a view, with the spots that lie in it."""
    drawn = grounds.draw(view)
    placed = [(one, *view.place_of(one.latitude, one.longitude)) for one in spots]
    within = [one for one in placed if 0 <= one[1] <= view.width and 0 <= one[2] <= view.height]
    taken: list[_Box] = []
    marks = _marks(_grouped(within), view, closer, taken)
    names: list[Named] = []
    for label in drawn.labels:
        half = len(label.name) * _LETTER / 2
        box = _Box(label.x - half, label.x + half, label.y)
        if len(names) < _MOST_NAMED and box.is_within(view) and not any(map(box.touches, taken)):
            taken.append(box)
            names.append(Named(label.name, *_percent(view, label.x, label.y)))
    return SiteMap(
        view, drawn.paths, names, marks, view.meridians(), view.parallels(), view.bar(), grounds.credit
    )


@dataclass(frozen=True, slots=True)
class _Box:
    """The room of a label, by its left and right end and its baseline."""

    left: float
    right: float
    baseline: float

    def touches(self, other: _Box) -> bool:
        apart = self.right < other.left or self.left > other.right
        return not apart and abs(self.baseline - other.baseline) < _LINE

    def is_within(self, view: View) -> bool:
        return self.left >= 4 and self.right <= view.width - 4 and 16 <= self.baseline <= view.height - 44


_Placed = tuple[Spot, float, float]


def _grouped(placed: Sequence[_Placed]) -> list[list[_Placed]]:
    """Spots that lie together, around the worst of them; from north to south."""
    groups: list[list[_Placed]] = []
    for one in sorted(placed, key=lambda one: (one[0].rank, one[0].code)):
        near = (group for group in groups if math.dist(one[1:], group[0][1:]) < _TOGETHER)
        group = next(near, None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return sorted(groups, key=lambda group: group[0][2])


def _marks(groups: Sequence[list[_Placed]], view: View, closer: Closer, taken: list[_Box]) -> list[Mark]:
    """A label that would touch another one moves down, or up at the lower edge."""
    taken += [_Box(group[0][1] - 15, group[0][1] + 15, group[0][2] + 5) for group in groups]
    marks = []
    for group in groups:
        worst, x, y = group[0]
        name = worst.name if len(group) == 1 else f"{worst.name} +{len(group) - 1}"
        short = name if len(name) <= _LONGEST else name[: _LONGEST - 5] + "…" + name[-4:]
        long = len(short) * _LETTER
        right = x + 20 + long <= view.width - 4
        left_edge = x + 20 if right else max(4.0, x - 20 - long)
        own = _Box(x - 15, x + 15, y + 5)
        others = [one for one in taken if one != own]
        baseline = _free(left_edge, left_edge + long, min(max(y + 5, 16.0), view.height - 24.0), others, view)
        taken.append(_Box(left_edge, left_edge + long, baseline))
        label = _percent(view, left_edge if right else left_edge + long, baseline)
        href = worst.href if len(group) == 1 else closer(view, [one[0] for one in group])
        number = str(worst.number) if len(group) == 1 else f"×{len(group)}"
        marks.append(
            Mark(
                "; ".join(one[0].name for one in group[:12]) + ("; …" if len(group) > 12 else ""),
                short,
                worst.state,
                worst.words,
                href,
                *_percent(view, x, y),
                *label,
                right,
                len(group),
                number,
            )
        )
    return marks


def _percent(view: View, x: float, y: float) -> tuple[float, float]:
    return round(100 * x / view.width, 2), round(100 * y / view.height, 2)


def _free(left: float, right: float, wanted: float, taken: Sequence[_Box], view: View) -> float:
    """The nearest free baseline to `wanted`; `wanted` itself if the map is full."""
    for step in sorted(range(-16, 17), key=abs):
        y = wanted + step * _LINE / 2
        if 14 <= y <= view.height - 20 and not any(map(_Box(left, right, y).touches, taken)):
            return y
    return wanted
