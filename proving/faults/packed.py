"""Reads packed days for the oracle, one number after the other, by the description of their format alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_WHOLE = 2**64


class PackedResult(NamedTuple):
    """Times in µs since 1970; `import_id` −1: none."""

    time_us: int
    result: float
    received_us: int
    flag: int
    quality: int
    import_id: int


def read_packed(record: bytes) -> list[PackedResult]:
    """Raises ValueError if the record is damaged."""
    if record[0] != 1:
        raise ValueError(f"format {record[0]}")
    if zlib.crc32(record[5:]) != int.from_bytes(record[1:5], "little"):
        raise ValueError("checksum")
    inflate = zlib.decompressobj(wbits=-15)
    reader = iter(inflate.decompress(record[5:]))
    bare = iter(inflate.unused_data)
    n = _unsigned(reader, 4)
    kind, decimals = next(reader), next(reader)
    scale, shift = _double(reader), _double(reader)
    heads = [
        (next(reader), next(reader), next(reader), _unsigned(reader, 8), _unsigned(reader, 8))
        for _ in range(6)
    ]
    times, results, delays, flags, qualities, imports = (_column(reader, bare, n, *head) for head in heads)
    if [*reader, *bare]:
        raise ValueError("bytes are left")
    return [
        PackedResult(time, _result(value, kind, decimals, scale, shift), time + delay, flag, quality, number)
        for time, value, delay, flag, quality, number in zip(
            times, results, delays, flags, qualities, imports, strict=True
        )
    ]


def _unsigned(reader: Iterator[int], width: int) -> int:
    return sum(next(reader) << (8 * place) for place in range(width))


def _double(reader: Iterator[int]) -> float:
    (number,) = struct.unpack("<d", bytes(next(reader) for _ in range(8)))
    return float(number)


def _column(
    reader: Iterator[int],
    bare: Iterator[int],
    n: int,
    mode: int,
    width: int,
    which: int,
    base: int,
    step: int,
) -> list[int]:
    """Numbers with a sign."""
    kept = [0] * (n if mode == 0 else n - 1)
    for place in range(width):
        source = bare if which >> place & 1 else reader
        for at in range(len(kept)):
            kept[at] += next(source) << (8 * place)
    if mode == 0:
        return [_signed(base + one) for one in kept]
    numbers = [base]
    for one in kept:
        numbers.append(numbers[-1] + step + one)
    return [_signed(one) for one in numbers]


def _signed(number: int) -> int:
    number %= _WHOLE
    return number - _WHOLE if number >= _WHOLE // 2 else number


def _result(value: int, kind: int, decimals: int, scale: float, shift: float) -> float:
    if kind == 0:
        (number,) = struct.unpack("<d", (value % _WHOLE).to_bytes(8, "little"))
        return float(number)
    sent = float(value) / float(10**decimals)
    return sent if (scale, shift) == (1.0, 0.0) else sent * scale + shift
