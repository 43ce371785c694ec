"""Vector tiles and archives for tests, encoded byte by byte after the specifications, with no code of the
reader.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from pathlib import Path

from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

Ring = Sequence[tuple[int, int]]


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def zigzag(number: int) -> int:
    return number << 1 ^ number >> 63 if number >= 0 else ((-number) << 1) - 1


def geometry(parts: Sequence[Ring], kind: int) -> list[int]:
    """Commands of chapter 4.3: move to, line to, close."""
    out, x, y = [], 0, 0
    for part in parts:
        out.append(1 << 3 | 1)
        out += [zigzag(part[0][0] - x), zigzag(part[0][1] - y)]
        x, y = part[0]
        if kind == 1:
            continue
        out.append(len(part) - 1 << 3 | 2)
        for px, py in part[1:]:
            out += [zigzag(px - x), zigzag(py - y)]
            x, y = px, py
        if kind == 3:
            out.append(1 << 3 | 7)
    return out


def layer(name: str, features: Sequence[tuple[int, Sequence[Ring], dict[str, str | int]]]) -> bytes:
    """(kind of geometry, parts, properties) of each feature."""
    keys: list[str] = []
    values: list[str | int] = []
    encoded = []
    for kind, parts, properties in features:
        tags = []
        for key, value in properties.items():
            keys, values = [*keys, key], [*values, value]
            tags += [len(keys) - 1, len(values) - 1]
        packed = b"".join(map(varint, tags)), b"".join(map(varint, geometry(parts, kind)))
        encoded.append(field(2, packed[0]) + field(3, kind) + field(4, packed[1]))
    said = field(15, 2) + field(1, name.encode())
    said += b"".join(field(2, one) for one in encoded)
    said += b"".join(field(3, key.encode()) for key in keys)
    for value in values:
        said += field(4, field(5, value) if isinstance(value, int) else field(1, value.encode()))
    return field(3, said + field(5, 4096))


def write_archive(
    path: Path,
    tiles: dict[tuple[int, int, int], bytes],
    *,
    compression: Compression = Compression.GZIP,
    kind: TileType = TileType.MVT,
) -> Path:
    with path.open("wb") as file:
        writer = Writer(file)  # type: ignore[no-untyped-call]
        for place in sorted(tiles, key=lambda one: int(zxy_to_tileid(*one))):
            content = gzip.compress(tiles[place]) if compression is Compression.GZIP else tiles[place]
            writer.write_tile(zxy_to_tileid(*place), content)  # type: ignore[no-untyped-call]
        header = {
            "tile_type": kind,
            "tile_compression": compression,
            "min_zoom": min(z for z, _, _ in tiles),
            "max_zoom": max(z for z, _, _ in tiles),
            "min_lon_e7": 0,
            "min_lat_e7": 0,
            "max_lon_e7": 0,
            "max_lat_e7": 0,
            "center_zoom": 0,
            "center_lon_e7": 0,
            "center_lat_e7": 0,
        }
        said = {"attribution": "<a href=''>&copy; OpenStreetMap</a>"}
        writer.finalize(header, said)  # type: ignore[no-untyped-call]
    return path


def tile_of(latitude: float, longitude: float, z: int) -> tuple[int, int, int]:
    """The tile that holds a place, by the formula of the OpenStreetMap wiki."""
    n = 2.0**z
    x = int((longitude + 180.0) / 360.0 * n)
    angle = math.radians(latitude)
    y = int((1.0 - math.log(math.tan(angle) + 1 / math.cos(angle)) / math.pi) / 2 * n)
    return z, x, y
