"""Many rows of a table at once: as arrays, as bytes, and back.

`read_plain` takes a block of rows apart without an object for each cell. It accepts only rows in their one
way of writing, and leaves all others to `trials.package.rows`, which names what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats, Ints

Bytes = NDArray[np.uint8]
Stretch = tuple[str, int, int]
"""(datastream, its first row, the row after its last)."""
STEP: Final = 65_536
"""Rows that are written at once."""
_TEMPLATE: Final = np.frombuffer(b"0000-00-00T00:00:00Z", np.uint8)
_DIGITS: Final = np.flatnonzero(ord("0") == _TEMPLATE)
_SECOND_US, _DAY_S = 1_000_000, 86_400
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e15
"""Python writes other numbers with an exponent, in another way than JSON's writers do."""
_NUMBERS: Final = msgspec.json.Decoder(list[float])


@dataclass(frozen=True, slots=True)
class Columns:
    """A datastream's rows in order of time (µs since 1970)."""

    time_us: Ints
    result: Floats
    flag: NDArray[np.int8]

    def at(self, which: slice) -> Columns:
        return Columns(self.time_us[which], self.result[which], self.flag[which])

    @classmethod
    def none(cls) -> Columns:
        return cls(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int8))

    @classmethod
    def joined(cls, some: Sequence[Columns]) -> Columns:
        """One after the other; at least one."""
        return cls(
            np.concatenate([one.time_us for one in some]),
            np.concatenate([one.result for one in some]),
            np.concatenate([one.flag for one in some]),
        )


class Block(NamedTuple):
    """Rows that follow each other."""

    stretches: Sequence[Stretch]
    columns: Columns


# -- writing


def written_times(times_us: Ints | list[int]) -> list[str]:
    """As a package has them; a fraction of a second only where there is one."""
    times = np.asarray(times_us, np.int64)
    if not (times % _SECOND_US).any():
        whole = np.datetime_as_string(times.astype("datetime64[us]"), unit="s")
        return [time + "Z" for time in whole.tolist()]
    fine = np.datetime_as_string(times.astype("datetime64[us]"), unit="us")
    return [time.removesuffix(".000000") + "Z" for time in fine.tolist()]


def written_results(results: Floats) -> bytes:
    """The shortest digits that give each number again, as Python writes it, with commas between them."""
    sizes = np.abs(results)
    if bool(np.all((sizes == 0) | ((sizes >= _PLAIN_FROM) & (sizes < _PLAIN_TO)))):
        return msgspec.json.encode(results.tolist())[1:-1]
    return ",".join(map(repr, results.tolist())).encode()


def written_rows(cell: str, columns: Columns) -> Iterator[str]:
    """The rows of a datastream, `STEP` of them at once. `cell`: the datastream as a cell, with its comma."""
    for low in range(0, len(columns.time_us), STEP):
        some = columns.at(slice(low, low + STEP))
        results = written_results(some.result).decode().split(",")
        rows = zip(written_times(some.time_us), results, some.flag.tolist(), strict=True)
        yield "".join([f"{cell}{time},{result},{flag}\n" for time, result, flag in rows])


# -- reading


def read_plain(block: bytes, flags: Sequence[int]) -> Block | None:
    """The rows of a block of whole lines, with times in whole seconds; None if any may be in another form
    than the one it must have. `flags`: those that a row may have; none: rows have no flag.
    """
    if b'"' in block or b"\r" in block:
        return None
    content = np.frombuffer(block, np.uint8)
    ends, commas = np.flatnonzero(content == ord("\n")), np.flatnonzero(content == ord(","))
    number, cells = len(ends), 3 if not flags else 4
    if len(commas) != number * (cells - 1):
        return None
    starts, cuts = np.append(0, ends[:-1] + 1), commas.reshape(number, cells - 1)
    if not ((cuts[:, 0] >= starts).all() and (cuts[:, -1] < ends).all()):
        return None
    times = _read_times(content, cuts[:, 0] + 1, cuts[:, 1])
    results = _read_results(content, cuts[:, 1] + 1, ends if not flags else cuts[:, 2])
    stretches = _read_stretches(block, content, starts, cuts[:, 0])
    if times is None or results is None or stretches is None:
        return None
    if not flags:
        return Block(stretches, Columns(times, results, np.zeros(number, np.int8)))
    found = content[cuts[:, 2] + 1] - np.uint8(ord("0"))
    if not ((ends - cuts[:, 2] == 2).all() and np.isin(found, flags).all()):
        return None
    return Block(stretches, Columns(times, results, found.astype(np.int8)))


def _read_times(content: Bytes, low: Ints, high: Ints) -> Ints | None:
    """µs since 1970. Equal fields have one way of writing, so texts need not be compared."""
    if (high - low != len(_TEMPLATE)).any():
        return None
    texts = content[low[:, None] + np.arange(len(_TEMPLATE))]
    digits = texts[:, _DIGITS] - np.uint8(ord("0"))
    between = np.setdiff1d(np.arange(len(_TEMPLATE)), _DIGITS)
    if (digits > 9).any() or (texts[:, between] != _TEMPLATE[between]).any():
        return None
    tens = digits.astype(np.int64)
    fields = 10 * tens[:, ::2] + tens[:, 1::2]
    century, year, month, day, hour, minute, second = fields.T
    months = 12 * (100 * century + year - 1970) + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
    is_real = (100 * century + year > 0) & (month > 0) & (month < 13) & (day > 0)
    is_real &= (
        (hour < 24) & (minute < 60) & (second < 60) & (days.astype("datetime64[M]").astype(int) == months)
    )
    if not is_real.all():
        return None
    seconds = days.astype(np.int64) * _DAY_S + 3600 * hour + 60 * minute + second
    return np.asarray(seconds * _SECOND_US)


def _read_results(content: Bytes, low: Ints, high: Ints) -> Floats | None:
    """The numbers, if they are the same when they are written again."""
    inside = np.zeros(len(content) + 1, np.int8)
    inside[low], inside[high + 1] = 1, -1
    cells = content[np.cumsum(inside[:-1], dtype=np.int8).astype(bool)]
    cells[cells == ord("\n")] = ord(",")
    texts = cells[:-1].tobytes()
    try:
        numbers = np.array(_NUMBERS.decode(b"[%b]" % texts), np.float64)
    except msgspec.MsgspecError:
        return None
    return numbers if len(numbers) == len(low) and written_results(numbers) == texts else None


def _read_stretches(block: bytes, content: Bytes, low: Ints, high: Ints) -> list[Stretch] | None:
    """Rows whose datastream is that of the row before them stay together."""
    lengths = high - low
    alike = np.zeros(len(low), bool)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        texts = content[low[rows][:, None] + np.arange(length)]
        alike[rows[1:]] = (texts[1:] == texts[:-1]).all(axis=1) & (np.diff(rows) == 1)
    first = np.flatnonzero(~alike)
    try:
        keys = [block[low[at] : high[at]].decode() for at in first.tolist()]
    except UnicodeDecodeError:
        return None
    return list(zip(keys, first.tolist(), [*first[1:].tolist(), len(low)], strict=True))
