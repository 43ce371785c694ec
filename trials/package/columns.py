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
_YEAR_1_S, _YEAR_10000_S = -62_135_596_800, 253_402_300_800
_COMMA, _LINE_END = ord(","), ord("\n")
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


def written_rows(cell: bytes, columns: Columns) -> Iterator[bytes]:
    """The rows of a datastream, `STEP` of them at once. `cell`: the datastream as a cell, with its comma."""
    for low in range(0, len(columns.time_us), STEP):
        some = columns.at(slice(low, low + STEP))
        results, seconds = written_results(some.result), some.time_us // _SECOND_US
        is_plain = (seconds * _SECOND_US == some.time_us) & (seconds >= _YEAR_1_S) & (seconds < _YEAR_10000_S)
        if is_plain.all():
            yield _joined_rows(cell, seconds, results, some.flag)
        else:
            texts = results.decode().split(",")
            rows = zip(written_times(some.time_us), texts, some.flag.tolist(), strict=True)
            yield b"".join([cell + f"{time},{result},{flag}\n".encode() for time, result, flag in rows])


def _joined_rows(cell: bytes, seconds: Ints, results: bytes, flag: NDArray[np.int8]) -> bytes:
    """The rows, each part of all of them put into its place at once."""
    texts = np.frombuffer(results, np.uint8)
    cuts = np.flatnonzero(texts == _COMMA)
    lengths = np.diff(cuts, prepend=-1, append=len(texts)) - 1
    ends = np.cumsum(len(cell) + len(_TEMPLATE) + lengths + len(",,1\n"))
    rows = np.empty(int(ends[-1]), np.uint8)
    after = ends - len(",1\n")  # the results
    times = after - lengths - 1 - len(_TEMPLATE)
    for first, part in ((times - len(cell), np.frombuffer(cell, np.uint8)), (times, _digits_of(seconds))):
        rows[first[:, None] + np.arange(part.shape[-1])] = part
    rows[after - lengths - 1] = rows[after] = _COMMA
    rows[after + 1], rows[after + 2] = ord("0") + flag, _LINE_END
    rows[_between(after - lengths, after, len(rows))] = texts[texts != _COMMA]
    return rows.tobytes()


def _digits_of(seconds: Ints) -> Bytes:
    """Times as texts, one row each."""
    day, second = np.divmod(seconds, _DAY_S)
    month = day.astype("datetime64[D]").astype("datetime64[M]")
    year = month.astype(np.int64) // 12 + 1970
    fields = [
        *np.divmod(year, 100),
        month.astype(np.int64) % 12 + 1,
        day - month.astype("datetime64[D]").astype(np.int64) + 1,
        second // 3600,
        second // 60 % 60,
        second % 60,
    ]
    texts = np.repeat(_TEMPLATE[None, :], len(seconds), axis=0)
    texts[:, _DIGITS[::2]] += np.stack([field // 10 for field in fields], axis=1).astype(np.uint8)
    texts[:, _DIGITS[1::2]] += np.stack([field % 10 for field in fields], axis=1).astype(np.uint8)
    return texts


def _between(low: Ints, high: Ints, number: int) -> NDArray[np.bool_]:
    """Which of `number` places lie in any of `[low, high)`, which follow each other with gaps."""
    inside = np.zeros(number + 1, np.int8)
    inside[low], inside[high] = 1, -1
    return np.cumsum(inside[:-1], dtype=np.int8).astype(np.bool_)


# -- reading


def read_plain(block: bytes, flags: Sequence[int]) -> Block | None:
    """The rows of a block of whole lines, with times in whole seconds; None if any may be in another form
    than the one it must have. `flags`: those that a row may have; none: rows have no flag.
    """
    if b'"' in block or b"\r" in block:
        return None
    content = np.frombuffer(block, np.uint8)
    ends, commas = np.flatnonzero(content == _LINE_END), np.flatnonzero(content == _COMMA)
    number, cells = len(ends), 3 if not flags else 4
    if len(commas) != number * (cells - 1):
        return None
    starts, cuts = np.append(0, ends[:-1] + 1), commas.reshape(number, cells - 1)
    if not ((cuts[:, 0] >= starts).all() and (cuts[:, -1] < ends).all()):
        return None
    times = _read_times(content, cuts[:, 0] + 1, cuts[:, 1])
    if times is None:
        return None
    results = _read_results(content, cuts[:, 1] + 1, ends if not flags else cuts[:, 2])
    stretches = _read_stretches(block, content, starts, cuts[:, 0])
    if results is None or stretches is None:
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
    cells = content[_between(low, high + 1, len(content))]
    cells[cells == _LINE_END] = _COMMA
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
