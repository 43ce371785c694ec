"""The tables of a package as typed columns, each cell in its one way of writing."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats, Ints
from insitu.model import Flag
from trials.evaluation import RejectSummary
from trials.package.strict import BLOCK_BYTES, NotCanonical, read_blocks, read_table
from trials.package.tables import FIELDS, KEYS

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")
_FLAGS: Final = frozenset(str(int(flag)) for flag in Flag if flag is not Flag.MISSING)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Columns:
    """A datastream's rows in order of time (µs since 1970)."""

    time_us: Ints
    result: Floats
    flag: NDArray[np.int8]

    @classmethod
    def none(cls) -> Columns:
        return cls(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int8))


class FlagRow(NamedTuple):
    datastream: str
    time_us: int
    check: str
    flag: int


def read_observations(path: str, content: bytes, *, block_bytes: int = BLOCK_BYTES) -> dict[str, Columns]:
    """By datastream. NotCanonical names the line that is not in the one form."""

    def check(row: Sequence[str]) -> None:
        _result(row[2])
        _flag(row[3], best=Flag.PASS)

    return _by_stream(path, content, "observations", check, block_bytes=block_bytes)


def read_surroundings(path: str, content: bytes) -> dict[str, Columns]:
    """By datastream, with flag 0: nobody compares theirs."""
    return _by_stream(path, content, "surroundings", lambda row: _result(row[2]))


def read_receipts(path: str, content: bytes) -> dict[str, dict[int, int]]:
    """By datastream: time → receipt, µs."""
    rows = _rows(path, content, "receipts")
    times, receipts = (_times_us(path, rows, column).tolist() for column in (1, 2))
    _require_sorted(path, [_chronological(row) for row in rows])
    found: dict[str, dict[int, int]] = {}
    for number, (row, time, receipt) in enumerate(zip(rows, times, receipts, strict=True), 2):
        if receipt >= time:
            raise NotCanonical(f"{path}, line {number}: it was received after its time, so it is not listed.")
        found.setdefault(row[0], {})[time] = receipt
    return found


def read_flags(path: str, content: bytes) -> list[FlagRow]:
    """In the order of the file."""
    rows = _rows(path, content, "flags")
    _each(path, rows, lambda row: _flag(row[3], best=Flag.NOT_EVALUATED))
    times = _times_us(path, rows, 1).tolist()
    _require_sorted(path, [tuple(row[: len(KEYS["flags"])]) for row in rows])
    return [FlagRow(row[0], time, row[2], int(row[3])) for row, time in zip(rows, times, strict=True)]


def read_rejects(path: str, content: bytes, *, sorted_: bool) -> list[RejectSummary]:
    """`sorted_`: as format 2 has them; before, the order was that of the database."""
    rows = _rows(path, content, "rejects")
    keys = [tuple(row[:2]) for row in rows]
    if len(set(keys)) != len(keys):
        raise NotCanonical(f"{path}: a device and reason are there twice.")
    if sorted_:
        _require_sorted(path, keys)
    found: list[RejectSummary] = []

    def reject(row: Sequence[str]) -> None:
        messages, results = (_count(text) for text in row[2:4])
        found.append(
            RejectSummary(
                device=_disarmed(row[0]), reason=_disarmed(row[1]), messages=messages, results=results
            )
        )

    _each(path, rows, reject)
    return found


def safe_cell(cell: object) -> object:
    """Puts a quote before text that a spreadsheet would run as a formula; numbers stay as they are."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in _FORMULA else cell


def _disarmed(cell: str) -> str:
    """The text that `safe_cell` wrote."""
    text = cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell
    if safe_cell(text) != cell:
        raise ValueError(f"{cell!r} would run as a formula")
    return text


def _rows(path: str, content: bytes, table: str) -> list[list[str]]:
    return read_table(path, content, [name for name, _ in FIELDS[table]])


def _chronological(row: Sequence[str]) -> tuple[str, ...]:
    """A time without a fraction comes before the same second with one."""
    return (row[0], row[1].removesuffix("Z"))


def _require_sorted(path: str, keys: Sequence[tuple[str, ...]], *, second: int = 3) -> None:
    """`second`: the line of the second of them."""
    for number, (one, after) in enumerate(itertools.pairwise(keys), second):
        if one == after:
            raise NotCanonical(f"{path}, line {number}: {' '.join(after)} is there twice.")
        if one > after:
            raise NotCanonical(f"{path}, line {number}: {' '.join(after)} is not where sorted rows have it.")


def _each(
    path: str, rows: Sequence[Sequence[str]], read: Callable[[Sequence[str]], object], *, first: int = 2
) -> None:
    """`first`: the line of the first of them."""
    for number, row in enumerate(rows, first):
        try:
            read(row)
        except ValueError as error:
            raise NotCanonical(f"{path}, line {number}: {error}.") from error


def _by_stream(
    path: str,
    content: bytes,
    table: str,
    check: Callable[[Sequence[str]], object],
    *,
    block_bytes: int = BLOCK_BYTES,
) -> dict[str, Columns]:
    """Block by block: the arrays take a tenth of the rows as texts."""
    parts: dict[str, list[Columns]] = {}
    last: list[tuple[str, ...]] = []
    names = [name for name, _ in FIELDS[table]]
    for first, rows in read_blocks(path, content, names, block_bytes=block_bytes):
        _each(path, rows, check, first=first)
        times = _times_us(path, rows, 1, first=first)
        keys = [*last, *(_chronological(row) for row in rows)]
        _require_sorted(path, keys, second=first + 1 - len(last))
        last = keys[-1:]
        results = np.array([float(row[2]) for row in rows], np.float64)
        flags = np.array([int(row[3]) if len(row) > 3 else 0 for row in rows], np.int8)
        for key, low, high in _stretches(rows):
            parts.setdefault(key, []).append(Columns(times[low:high], results[low:high], flags[low:high]))
    return {
        key: Columns(
            np.concatenate([one.time_us for one in some]),
            np.concatenate([one.result for one in some]),
            np.concatenate([one.flag for one in some]),
        )
        for key, some in parts.items()
    }


def _stretches(rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, int, int]]:
    """(datastream, first row, row after the last) of each."""
    low = 0
    for high in range(1, len(rows) + 1):
        if high == len(rows) or rows[high][0] != rows[low][0]:
            yield rows[low][0], low, high
            low = high


def _times_us(path: str, rows: Sequence[Sequence[str]], column: int, *, first: int = 2) -> Ints:
    _each(path, rows, lambda row: _require_time(row[column]), first=first)
    texts = [row[column].removesuffix("Z") for row in rows]
    try:
        found: Ints = np.array(texts, "datetime64[us]").astype(np.int64)
    except ValueError:
        _each(path, rows, lambda row: np.datetime64(row[column].removesuffix("Z"), "us"), first=first)
        raise
    return found


def _require_time(text: str) -> None:
    if not _TIME.fullmatch(text) or text.endswith(".000000Z") or text.startswith("0000"):
        raise ValueError(f"{text!r} is not a time in UTC, as in 2026-03-01T00:00:00Z")


def _result(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    if repr(number) != text:
        raise ValueError(f"{text!r} is not written as {number!r}")
    return number


def _flag(text: str, *, best: Flag) -> Flag:
    flag = Flag(int(text))
    if text not in _FLAGS or flag < best:
        raise ValueError(f"{text!r} is not a flag that a row here can have")
    return flag


def _count(text: str) -> int:
    number = int(text)
    if number < 0 or str(number) != text:
        raise ValueError(f"{text!r} is not a count")
    return number
