"""A PMTiles archive of vector tiles as ground: one file that holds a city or a country, read where a view
needs it. Tiles are Mapbox Vector Tiles 2.1, in the scheme of Protomaps or of OpenMapTiles.
"""

from __future__ import annotations

import gzip
import math
import mmap
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from pmtiles.reader import Reader
from pmtiles.tile import Compression, MagicNumberNotFound, SpecVersionUnsupported, TileType

from api.maps.shapes import AREAS, Collected, Drawn, Ground, Label, draw, ground_of, plain_credit
from api.maps.view import Points, View
from insitu.errors import CorrectInput

MAGIC: Final = b"PMTiles"
_MOST_TILES: Final = 36
_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_MOVE, _CLOSE = 1, 7
_POINT, _AREA = 1, 3
_VALUES: Final = (
    ("string_value", 1, _FIELD.TYPE_STRING),
    ("float_value", 2, _FIELD.TYPE_FLOAT),
    ("double_value", 3, _FIELD.TYPE_DOUBLE),
    ("int_value", 4, _FIELD.TYPE_INT64),
    ("uint_value", 5, _FIELD.TYPE_UINT64),
    ("sint_value", 6, _FIELD.TYPE_SINT64),
    ("bool_value", 7, _FIELD.TYPE_BOOL),
)


def _tile_class() -> Any:
    """The message of a tile; field numbers follow the specification (vector_tile.proto)."""
    file = descriptor_pb2.FileDescriptorProto(
        name="insitu/vector_tile.proto", package="insitu.vector_tile", syntax="proto2"
    )
    value = file.message_type.add(name="Value")
    for name, number, kind in _VALUES:
        value.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    feature = file.message_type.add(name="Feature")
    for name, number in (("tags", 2), ("geometry", 4)):
        field = feature.field.add(
            name=name, number=number, type=_FIELD.TYPE_UINT32, label=_FIELD.LABEL_REPEATED
        )
        field.options.packed = True
    feature.field.add(name="type", number=3, type=_FIELD.TYPE_UINT32, label=_FIELD.LABEL_OPTIONAL)
    layer = file.message_type.add(name="Layer")
    layer.field.add(name="name", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    layer.field.add(name="keys", number=3, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_REPEATED)
    layer.field.add(name="extent", number=5, type=_FIELD.TYPE_UINT32, label=_FIELD.LABEL_OPTIONAL)
    tile = file.message_type.add(name="Tile")
    for owner, name, number, kind in (
        (layer, "features", 2, "Feature"),
        (layer, "values", 4, "Value"),
        (tile, "layers", 3, "Layer"),
    ):
        owner.field.add(
            name=name,
            number=number,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".insitu.vector_tile.{kind}",
            label=_FIELD.LABEL_REPEATED,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("insitu.vector_tile.Tile"))


_TILE: Final = _tile_class()


class Tile(NamedTuple):
    z: int
    x: int
    y: int


class Archive:
    """Reads from its file what a view needs; the file stays open and is never read whole."""

    def __init__(self, path: Path) -> None:
        """Raises CorrectInput for a file that is no archive of vector tiles."""
        try:
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            reader: Any = Reader(  # type: ignore[no-untyped-call]
                lambda offset, length: content[offset : offset + length]
            )
            self._reader, self._header = reader, dict[str, Any](reader.header())
        except (MagicNumberNotFound, SpecVersionUnsupported):
            raise CorrectInput(
                f"INSITU_MAP_FILE: {path} is no PMTiles archive of version 3: "
                "convert it with `pmtiles convert`."
            ) from None
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise CorrectInput(
                f"INSITU_MAP_FILE: {path} is a broken PMTiles archive ({error}): copy it again."
            ) from None
        self.credit = plain_credit(_metadata(reader).get("attribution"))
        if self._header["tile_type"] != TileType.MVT:
            raise CorrectInput(
                f"INSITU_MAP_FILE: {path} holds no vector tiles (MVT), which Insitu draws, but pictures."
            )
        if self._header["tile_compression"] not in (Compression.GZIP, Compression.NONE):
            raise CorrectInput(
                f"INSITU_MAP_FILE: the tiles of {path} are compressed in another way than gzip: convert it."
            )

    def draw(self, view: View) -> Drawn:
        collected = Collected()
        labels: list[Label] = []
        for tile in self._tiles(view):
            content = self._load(tile)
            if content is not None:
                read_tile(content, tile, collected, labels)
        return draw(collected.parts(), labels, view)

    def _tiles(self, view: View) -> Iterator[Tile]:
        """Tiles of the view, of 512 to 1024 units; larger ones where the archive has no smaller."""
        least, most = int(self._header["min_zoom"]), int(self._header["max_zoom"])
        z = min(max(math.floor(view.zoom) - 1, least, 0), most)
        left, top, right, bottom = view.world()
        size = 2**z
        columns = range(max(0, math.floor(left * size)), min(size - 1, math.floor(right * size)) + 1)
        rows = range(max(0, math.floor(top * size)), min(size - 1, math.floor(bottom * size)) + 1)
        if len(columns) * len(rows) <= _MOST_TILES:
            yield from (Tile(z, x, y) for y in rows for x in columns)

    def _load(self, tile: Tile) -> Any:
        """The tile, decoded; None where the archive has none, or a broken one."""
        try:
            content = self._reader.get(*tile)
            if content is None:
                return None
            if self._header["tile_compression"] == Compression.GZIP:
                content = gzip.decompress(content)
            return _TILE.FromString(content)
        except (DecodeError, OSError, EOFError, zlib.error, ValueError, IndexError):
            return None  # a hole in the ground: the sites are still there


def _metadata(reader: Any) -> dict[str, Any]:
    """Facts of the archive about itself; empty if they are broken."""
    try:
        found = reader.metadata()
    except (OSError, EOFError, zlib.error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_tile(content: Any, tile: Tile, collected: Collected, labels: list[Label]) -> None:
    """Adds the shapes and names of a decoded tile, in points of the world."""
    for layer in content.layers:
        keys, values = list(layer.keys), [_value(one) for one in layer.values]
        extent = (layer.extent or 4096) * 2.0**tile.z
        offset = np.array((tile.x, tile.y)) / 2.0**tile.z
        grounds: list[Ground] = []
        lengths: list[int] = []
        points: list[tuple[int, int]] = []
        for feature in layer.features:
            tags = list(feature.tags)
            pairs = zip(tags[::2], tags[1::2], strict=False)
            properties = {keys[key]: values[value] for key, value in pairs}
            if feature.type == _POINT:
                labels += _names(layer.name, properties, list(feature.geometry), extent, offset)
                continue
            ground = ground_of(layer.name, properties, feature.type == _AREA)
            if ground is None or (ground in AREAS) != (feature.type == _AREA):
                continue
            for part in _parts(list(feature.geometry)):
                if len(part) >= 2:
                    grounds.append(ground)
                    lengths.append(len(part))
                    points += part
        if points:
            collected.add(grounds, lengths, np.array(points) / extent + offset)


def _value(one: Any) -> Any:
    fields = one.ListFields()
    return fields[0][1] if fields else None


def _parts(geometry: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
    """Rings or lines of a feature, from its commands (chapter 4.3 of the specification)."""
    x = y = place = 0
    part: list[tuple[int, int]] = []
    while place < len(geometry):
        command, count = geometry[place] & 7, geometry[place] >> 3
        place += 1
        if command == _CLOSE:
            continue
        for _ in range(count):
            if place + 1 >= len(geometry):
                break
            x += (geometry[place] >> 1) ^ -(geometry[place] & 1)
            y += (geometry[place + 1] >> 1) ^ -(geometry[place + 1] & 1)
            place += 2
            if command == _MOVE:
                if part:
                    yield part
                part = []
            part.append((x, y))
    if part:
        yield part


def _names(
    layer: str, properties: dict[str, Any], geometry: Sequence[int], extent: float, offset: Points
) -> Iterator[Label]:
    """The name of a town or a quarter; other points are left out."""
    name = properties.get("name")
    if layer not in ("places", "place") or not isinstance(name, str):
        return
    for part in _parts(geometry):
        x, y = np.array(part[0]) / extent + offset
        yield Label(name, float(x), float(y), _rank(properties))


def _rank(properties: dict[str, Any]) -> float:
    """By the zoom from which the scheme shows a place, or by its rank there."""
    for name in ("min_zoom", "pmap:min_zoom", "rank"):
        if isinstance(rank := properties.get(name), int | float):
            return float(rank)
    return 20.0
