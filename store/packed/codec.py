"""The bytes of a packed day: columns of whole numbers, each as differences in as few bytes as hold them all,
then deflated. Every bit comes back.

A record is, little-endian, one byte VERSION, four bytes of CRC-32 over what follows, a raw deflate stream
(RFC 1951) of a head and planes, and planes as they are. The head: `n` u32; kind of results u8; decimals u8;
scale f64; shift f64; for each of the six columns mode u8, width u8, bare u8, base u64, step u64.

A column holds `u`, unsigned numbers of `width` bytes, as `width` planes of one byte a number, the least
significant first. Plane p of a column is deflated, or comes after the deflate stream if bit p of `bare` is
set; in both places the planes of the first column come first, in turn. Chance has no shorter form: the lower
bytes of a delay, or of a double.

Modulo 2⁶⁴, mode 0 means vᵢ = base + uᵢ; mode 1 means v₀ = base and vᵢ = vᵢ₋₁ + step + uᵢ, so it has one
number less. The columns are: time, µs since 1970; result; time of receipt − time, µs; flag; quality of the
clock; number of the import, −1 if there is none. Results of kind 0 are the bits of a double; of kind 1 they
are v / 10^decimals · scale + shift, each step rounded as IEEE 754 says.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Bools, Floats, Ints
from insitu.errors import InsituError

VERSION: Final = 1
_LEVEL: Final = 6
_HEAD: Final = struct.Struct("<IBBdd" + "BBBQQ" * 6)
_FIELDS: Final = 5
"""Of a column in the head."""
_SEAL: Final = struct.Struct("<BI")
_BITS, _DECIMAL = 0, 1
_OFFSET, _STEPS = 0, 1
_MOST_DECIMALS: Final = 9
_EXACT: Final = 2.0**53
_POWERS: Final = [10.0**k for k in range(_MOST_DECIMALS + 1)]
_TIMES_LOG: Final = np.arange(4096) * np.log2(np.maximum(np.arange(4096), 1))
"""n · log₂ n"""
_least, _most = np.minimum.reduce, np.maximum.reduce
Unsigned = NDArray[np.uint64]


class Damaged(InsituError):
    """A packed day is not as it was written. Restore it from a backup; `insitu check` names all of them."""


class Columns(NamedTuple):
    """Results of one datastream. `time_us`, `received_us`: µs since 1970; `import_id`: −1 if none."""

    time_us: Ints
    result: Floats
    received_us: Ints
    flag: NDArray[np.int8]
    quality: NDArray[np.int8]
    import_id: NDArray[np.int32]

    def at(self, which: NDArray[Any] | slice) -> Columns:
        return Columns._make(column[which] for column in self)


class _Packed(NamedTuple):
    mode: int
    base: int
    step: int
    planes: list[bytes]


def encode(columns: Columns, *, scale: float = 1.0, shift: float = 0.0) -> bytes:
    """The record of at least one result, in order of time. `scale`, `shift`: from the number that the device
    sent to the result; a guess, which only makes the record smaller.
    """
    kind, decimals, scale, shift, numbers = _result(columns.result, scale, shift)
    packed = (
        _whole(columns.time_us),
        _floats(columns.result) if kind == _BITS else _whole(numbers),
        _whole(columns.received_us - columns.time_us),
        _small(columns.flag),
        _small(columns.quality),
        _small(columns.import_id),
    )
    fields: list[int] = []
    deflated, bare = [], []
    for one in packed:
        which = 0
        for number, plane in enumerate(one.planes):
            if _is_chance(plane):
                which |= 1 << number
                bare.append(plane)
            else:
                deflated.append(plane)
        fields += (one.mode, len(one.planes), which, one.base, one.step)
    head = _HEAD.pack(len(columns.time_us), kind, decimals, scale, shift, *fields)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    body = b"".join([*_blocks(deflate, [head, *deflated]), deflate.flush(), *bare])
    return _SEAL.pack(VERSION, zlib.crc32(body)) + body


def _blocks(deflate: Any, planes: list[bytes]) -> Iterator[bytes]:
    """Each plane in a block of its own, because each has a code of its own."""
    for plane in planes:
        yield deflate.compress(plane)
        yield deflate.flush(zlib.Z_BLOCK)


def decode(record: bytes | memoryview) -> Columns:
    """Raises Damaged if the record is not whole."""
    data, rest, n, (kind, decimals, scale, shift), fields = _opened(record)
    at, at_bare, columns = _HEAD.size, 0, []
    for mode, width, bare, base, step in zip(
        *(fields[first::_FIELDS] for first in range(_FIELDS)), strict=True
    ):
        planes = []
        for number in range(width):
            if bare >> number & 1:
                planes.append(np.frombuffer(rest, np.uint8, n - mode, at_bare))
                at_bare += n - mode
            else:
                planes.append(np.frombuffer(data, np.uint8, n - mode, at))
                at += n - mode
        columns.append(_unpacked(planes, n, mode, base, step))
    time, result, delay, flag, quality, import_id = columns
    return Columns(
        time,
        result.view(np.float64) if kind == _BITS else _scaled(result, decimals, scale, shift),
        time + delay,
        flag.astype(np.int8),
        quality.astype(np.int8),
        import_id.astype(np.int32),
    )


def scale_of(record: bytes) -> tuple[float, float]:
    """(scale, shift) with which its results are kept, for `encode`."""
    *_, (_, _, scale, shift), _ = _opened(record)
    return scale, shift


def _opened(record: bytes | memoryview) -> tuple[bytes, bytes, int, Any, Any]:
    """(what was deflated, bare planes, number of results, kind and scale of the results, fields of the
    columns).
    """
    body = record[_SEAL.size :]
    if len(record) <= _SEAL.size or zlib.crc32(body) != _SEAL.unpack_from(record)[1]:
        raise Damaged("A packed day is damaged: its checksum differs.")
    if record[0] != VERSION:
        raise Damaged(f"A packed day has format {record[0]}; this version of Insitu reads format {VERSION}.")
    inflate = zlib.decompressobj(-15)
    data = inflate.decompress(body)
    n, *fields = _HEAD.unpack_from(data)
    return data, inflate.unused_data, n, fields[:4], fields[4:]


# -- whole numbers


def _whole(numbers: Ints) -> _Packed:
    low, high = int(_least(numbers)), int(_most(numbers))
    if low == high:
        return _Packed(_OFFSET, low % 2**64, 0, [])
    steps = numbers[1:] - numbers[:-1]
    least = int(_least(steps))
    widest = (int(_most(steps)) - least) % 2**64
    if widest < high - low:
        planes = _planes((steps - least).view(np.uint64), widest)
        return _Packed(_STEPS, int(numbers[0]) % 2**64, least % 2**64, planes)
    return _Packed(_OFFSET, low % 2**64, 0, _planes((numbers - low).view(np.uint64), high - low))


def _small(numbers: NDArray[Any]) -> _Packed:
    """Of a column that is nearly always one number."""
    data = numbers.tobytes()
    if data == data[: numbers.itemsize] * len(numbers):
        return _Packed(_OFFSET, int(numbers[0]) % 2**64, 0, [])
    return _whole(numbers.astype(np.int64))


def _planes(numbers: Unsigned, largest: int) -> list[bytes]:
    width = (largest.bit_length() + 7) // 8
    if not width:
        return []
    split = numbers.astype("<u8", copy=False).view(np.uint8)
    return [split[number::8].tobytes() for number in range(width)]


def _is_chance(plane: bytes) -> bool:
    """Whether Huffman's code of these bytes, with its table, would be no shorter than they."""
    counts = np.bincount(np.frombuffer(plane, np.uint8))
    is_small = len(plane) < len(_TIMES_LOG)
    logs = _TIMES_LOG[counts] if is_small else counts * np.log2(np.maximum(counts, 1))
    bits = len(plane) * math.log2(len(plane)) - float(np.add.reduce(logs))
    return bits + 4 * int(np.count_nonzero(counts)) >= 8 * len(plane)


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _unpacked(planes: list[NDArray[np.uint8]], n: int, mode: int, base: int, step: int) -> Ints:
    if not planes:  # all numbers, or all steps, are the same
        same = np.empty(n, np.int64)
        same.fill(_signed(step if mode == _STEPS else base))
        if mode == _STEPS:
            same[0] = _signed(base)
            np.cumsum(same, out=same)
        return same
    unsigned = planes[0].astype(np.uint64)
    for number, plane in enumerate(planes[1:], 1):
        unsigned |= plane.astype(np.uint64) << np.uint64(8 * number)
    if mode == _OFFSET:
        return (unsigned + np.uint64(base)).view(np.int64)
    numbers = np.empty(n, np.uint64)
    numbers[0] = base
    np.add(unsigned, np.uint64(step), out=numbers[1:])
    return np.cumsum(numbers, out=numbers).view(np.int64)


# -- results


def _floats(results: Floats) -> _Packed:
    return _Packed(_OFFSET, 0, 0, _planes(results.view(np.uint64), 2**64 - 1))


def _result(results: Floats, scale: float, shift: float) -> tuple[int, int, float, float, Ints]:
    """(kind, decimals, scale, shift, whole numbers): as sent if that is exact, else as a decimal, else as
    bits.
    """
    guesses = [(1.0, 0.0)] if (scale, shift) == (1.0, 0.0) else [(scale, shift), (1.0, 0.0)]
    best: tuple[int, int, float, float, Ints] | None = None
    for times, plus in guesses:
        found = _decimals(results, times, plus)
        if found is not None and (best is None or found[0] < best[1]):
            best = (_DECIMAL, found[0], times, plus, found[1])
    return best or (_BITS, 0, 1.0, 0.0, np.zeros(0, np.int64))


def _decimals(results: Floats, scale: float, shift: float) -> tuple[int, Ints] | None:
    """The fewest decimals with which every result comes back, and the numbers without their point."""
    first = float(results[0])
    if not (math.isfinite(scale) and math.isfinite(shift) and scale):
        return None
    for k in range(_MOST_DECIMALS + 1):
        if _may_be_exact(first, k, scale, shift):
            numbers = _exact(results, k, scale, shift)
            if numbers is not None:
                return k, numbers
    return None


def _may_be_exact(result: float, decimals: int, scale: float, shift: float) -> bool:
    """A quick look at one result before `_exact` looks at all."""
    try:
        number = round((result - shift) / scale * _POWERS[decimals])
        return float(number) / _POWERS[decimals] * scale + shift == result
    except (OverflowError, ValueError):  # beyond any number
        return False


def _exact(results: Floats, decimals: int, scale: float, shift: float) -> Ints | None:
    with np.errstate(all="ignore"):  # what overflows is not exact
        sent = results if (scale, shift) == (1.0, 0.0) else (results - shift) / scale
        rounded = np.rint(sent * _POWERS[decimals])
        if not (_most(rounded) < _EXACT and _least(rounded) > -_EXACT):  # nor for no number
            return None
        numbers = rounded.astype(np.int64)
        again = _scaled(numbers, decimals, scale, shift)
    return numbers if _same(again, results) else None


def _scaled(numbers: Ints, decimals: int, scale: float, shift: float) -> Floats:
    sent = numbers / _POWERS[decimals]
    return sent if (scale, shift) == (1.0, 0.0) else sent * scale + shift


def _same(some: Floats, others: Floats) -> bool:
    """True if every bit is the same, the sign of a zero too."""
    equal: Bools = some.view(np.uint64) == others.view(np.uint64)
    return bool(equal.all())
