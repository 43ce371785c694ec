"""The bytes of a packed day: columns of whole numbers, each as differences in as few bytes as hold them all,
then deflated. Every bit comes back.

A record is, little-endian, one byte VERSION, four bytes of CRC-32 over what follows, and a raw deflate stream
(RFC 1951) of this: `n` u32; kind of results u8; decimals u8; scale f64; shift f64; for each of the six
columns mode u8, width u8, base u64, step u64; then the planes of each column in turn.

A column holds `u`, unsigned numbers of `width` bytes, as `width` planes of one byte a number, the least
significant first. Modulo 2⁶⁴, mode 0 means vᵢ = base + uᵢ; mode 1 means v₀ = base and vᵢ = vᵢ₋₁ + step + uᵢ,
so it has one number less. The columns are: time, µs since 1970; result; time of receipt − time, µs; flag;
quality of the clock; number of the import, −1 if there is none. Results of kind 0 are the bits of a double;
of kind 1 they are v / 10^decimals · scale + shift, each step rounded as IEEE 754 says.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Bools, Floats, Ints
from insitu.errors import InsituError

VERSION: Final = 1
_LEVEL: Final = 6
_HEAD: Final = struct.Struct("<IBBdd" + "BBQQ" * 6)
_SEAL: Final = struct.Struct("<BI")
_BITS, _DECIMAL = 0, 1
_OFFSET, _STEPS = 0, 1
_MOST_DECIMALS: Final = 9
_EXACT: Final = 2.0**53
_POWERS: Final = [10.0**k for k in range(_MOST_DECIMALS + 1)]
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
    width: int
    base: int
    step: int
    planes: bytes


def encode(columns: Columns, *, scale: float = 1.0, shift: float = 0.0) -> bytes:
    """The record of at least one result, in order of time. `scale`, `shift`: from the number that the device
    sent to the result; a guess, which only makes the record smaller.
    """
    kind, decimals, scale, shift, numbers = _result(columns.result, scale, shift)
    packed = (
        _whole(columns.time_us),
        _floats(columns.result) if kind == _BITS else _whole(numbers),
        _whole(columns.received_us - columns.time_us),
        *(_whole(column.astype(np.int64)) for column in columns[3:]),
    )
    fields = [value for one in packed for value in one[:4]]
    head = _HEAD.pack(len(columns.time_us), kind, decimals, scale, shift, *fields)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    body = deflate.compress(head + b"".join(one.planes for one in packed)) + deflate.flush()
    return _SEAL.pack(VERSION, zlib.crc32(body)) + body


def decode(record: bytes | memoryview) -> Columns:
    """Raises Damaged if the record is not whole."""
    data, n, (kind, decimals, scale, shift), fields = _opened(record)
    at, columns = _HEAD.size, []
    for mode, width, base, step in zip(*(fields[first::4] for first in range(4)), strict=True):
        numbers, at = _unpacked(data, at, n, mode, width, base, step)
        columns.append(numbers)
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
    _, _, (_, _, scale, shift), _ = _opened(record)
    return scale, shift


def _opened(record: bytes | memoryview) -> tuple[bytes, int, Any, Any]:
    """(what was deflated, number of results, kind and scale of the results, fields of the columns)."""
    body = record[_SEAL.size :]
    if len(record) <= _SEAL.size or zlib.crc32(body) != _SEAL.unpack_from(record)[1]:
        raise Damaged("A packed day is damaged: its checksum differs.")
    if record[0] != VERSION:
        raise Damaged(f"A packed day has format {record[0]}; this version of Insitu reads format {VERSION}.")
    data = zlib.decompress(body, -15)
    n, *fields = _HEAD.unpack_from(data)
    return data, n, fields[:4], fields[4:]


# -- whole numbers


def _whole(numbers: Ints) -> _Packed:
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        return _Packed(_OFFSET, 0, low % 2**64, 0, b"")
    steps = np.diff(numbers)
    least = int(steps.min())
    widest = (int(steps.max()) - least) % 2**64
    if widest < high - low:
        width = (widest.bit_length() + 7) // 8
        planes = _planes((steps - least).view(np.uint64), width)
        return _Packed(_STEPS, width, int(numbers[0]) % 2**64, least % 2**64, planes)
    width = ((high - low).bit_length() + 7) // 8
    return _Packed(_OFFSET, width, low % 2**64, 0, _planes((numbers - low).view(np.uint64), width))


def _planes(numbers: Unsigned, width: int) -> bytes:
    split = numbers.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    return split[:, :width].T.tobytes()


def _unpacked(data: bytes, at: int, n: int, mode: int, width: int, base: int, step: int) -> tuple[Ints, int]:
    """(numbers, where the next column begins)."""
    count = n - mode
    if width:
        split = np.zeros((count, 8), np.uint8)
        planes = np.frombuffer(data, np.uint8, count * width, at).reshape(width, count)
        split[:, :width] = planes.T
        unsigned = split.view("<u8").ravel().astype(np.uint64, copy=False)
    else:
        unsigned = np.zeros(count, np.uint64)
    if mode == _OFFSET:
        return (unsigned + np.uint64(base)).view(np.int64), at + width * count
    numbers = np.empty(n, np.uint64)
    numbers[0] = base
    np.add(unsigned, np.uint64(step), out=numbers[1:])
    return np.cumsum(numbers, out=numbers).view(np.int64), at + width * count


# -- results


def _floats(results: Floats) -> _Packed:
    return _Packed(_OFFSET, 8, 0, 0, _planes(results.view(np.uint64), 8))


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
        if not np.all(np.abs(rounded) < _EXACT):
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
