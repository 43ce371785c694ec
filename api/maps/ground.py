"""The ground below the sites: from the lab's file (INSITU_MAP_FILE), else the outlines that come with
Insitu.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

from api.maps.geojson import MOST_BYTES, read_geojson
from api.maps.shapes import Drawn
from api.maps.tiles import MAGIC, Archive
from api.maps.view import View
from insitu.errors import CorrectInput
from insitu.settings import Settings

OUTLINE: Final = Path(__file__).parents[1] / "static" / "ile-de-france.geojson"
_MOST_KEPT: Final = 64
"""Drawings; each has some hundred kB at most."""


class Source(Protocol):
    """A file that draws the ground of any view. `credit`: the source of its data, to name below the map."""

    credit: str

    def draw(self, view: View) -> Drawn: ...


class Grounds:
    """Draws, and keeps the views that were asked for last. Several threads may call it at once."""

    def __init__(self, source: Source) -> None:
        self._source, self.credit = source, source.credit
        self._lock = threading.Lock()
        self._kept: OrderedDict[View, Drawn] = OrderedDict()

    def draw(self, view: View) -> Drawn:
        with self._lock:
            if view in self._kept:
                self._kept.move_to_end(view)
                return self._kept[view]
        drawn = self._source.draw(view)
        with self._lock:
            self._kept[view] = drawn
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return drawn


def open_ground(settings: Settings) -> Grounds:
    """Raises CorrectInput that names the setting, where its file cannot be read."""
    if settings.map_file is None:
        return Grounds(read_geojson(OUTLINE, OUTLINE.read_bytes()))
    return Grounds(_source(settings.map_file))


def _source(path: Path) -> Source:
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                return Archive(path)
        if path.stat().st_size > MOST_BYTES:
            raise CorrectInput(
                f"INSITU_MAP_FILE: {path} has more than {MOST_BYTES >> 20} MiB of GeoJSON: take a PMTiles "
                "archive, which is read in parts."
            )
        return read_geojson(path, path.read_bytes())
    except OSError as error:
        raise CorrectInput(f"INSITU_MAP_FILE: cannot read {path}: {error.strerror}.") from None
