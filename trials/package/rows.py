"""The tables of a package as typed columns, each cell in its one way of writing."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from insitu.arrays import Ints
from insitu.model import Flag
from trials.evaluation import RejectSummary
from trials.package.columns import Block, Columns, Stretch, read_plain, written_times
from trials.package.contents import OnDisk
from trials.package.strict import BLOCK_BYTES, NotCanonical, read_block, read_blocks, read_table
from trials.package.tables import FIELDS, KEYS

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")
_FLAGS: Final = frozenset(str(int(flag)) for flag in Flag if flag is not Flag.MISSING)
_YEAR_1_US, _YEAR_10000_US = -62_135_596_800_000_000, 253_402_300_800_000_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class FlagRow(NamedTuple):
    datastream: str
    time_us: int
    check: str
    flag: int


def read_observations(
    path: str, content: bytes | OnDisk, *, block_bytes: int = BLOCK_BYTES
) -> dict[str, Columns]:
    """By datastream. NotCanonical names the line that is not in the one form."""
    return _by_stream(path, content, "observations", Flag.PASS, block_bytes=block_bytes)


def read_surroundings(path: str, content: bytes) -> dict[str, Columns]:
    """By datastream, with flag 0: nobody compares theirs."""
    return _by_stream(path, content, "surroundings", None)


def read_receipts(path: str, content: bytes) -> dict[str, dict[int, int]]:
    """By datastream: time → receipt, µs."""
    rows = _rows(path, content, "receipts")
    times, receipts = (_times_us(path, rows, column).tolist() for column in (1, 2))
    _require_sorted(path, [_chronological(row[0], row[1]) for row in rows])
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


def _chronological(key: str, time: str) -> tuple[str, str]:
    """A time without a fraction comes before the same second with one."""
    return (key, time.removesuffix("Z"))


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
    content: bytes | OnDisk,
    table: str,
    best: Flag | None,
    *,
    block_bytes: int = BLOCK_BYTES,
) -> dict[str, Columns]:
    """Block by block: the arrays take a tenth of the rows as texts. `best`: the lowest flag of a row; None:
    rows have none.
    """
    parts: dict[str, list[Columns]] = {}
    last: list[tuple[str, str]] = []
    names = [name for name, _ in FIELDS[table]]
    flags = [] if best is None else [int(flag) for flag in Flag if best <= flag is not Flag.MISSING]
    for first, block in read_blocks(path, content, names, block_bytes=block_bytes):
        stretches, columns = (
            read_plain(block, flags)
            or _at_once(block, best)
            or _cell_by_cell(path, read_block(path, block, names, first), best, first)
        )
        ends = [(key, at) for key, low, high in stretches for at in {low: 0, high - 1: 0}]
        edges = _chronologically(ends, columns.time_us)
        if not (_is_sorted([*last, *edges]) and _is_in_order(columns.time_us, stretches)):
            every = [(key, at) for key, low, high in stretches for at in range(low, high)]
            keys = [*last, *_chronologically(every, columns.time_us)]
            _require_sorted(path, keys, second=first + 1 - len(last))
        last = edges[-1:]
        for key, low, high in stretches:
            parts.setdefault(key, []).append(columns.at(slice(low, high)))
    return {key: Columns.joined(parts.pop(key)) for key in list(parts)}


def _chronologically(rows: Sequence[tuple[str, int]], time_us: Ints) -> list[tuple[str, str]]:
    """(datastream, time) of some rows, given as (datastream, row)."""
    times = written_times(time_us[[at for _, at in rows]])
    return [_chronological(key, time) for (key, _), time in zip(rows, times, strict=True)]


def _at_once(block: bytes, best: Flag | None) -> Block | None:
    """The rows, also with fractions of a second; None if something may be in another form than the one it
    must have. It is in that form if it is the same when it is written again.
    """
    width = 3 if best is None else 4
    try:
        cells = block.decode().replace("\n", ",\n,").split(",")[:-1]
    except UnicodeDecodeError:
        return None
    number = len(cells) // (width + 1)
    # No cell is quoted, and each line has as many as it must.
    if b'"' in block or b"\r" in block or cells[width :: width + 1] != ["\n"] * number:
        return None
    keys, times, results, *flags = (cells[column :: width + 1] for column in range(width))
    if not {time[16:17] + time[19:20] for time in times} <= {":Z", ":."}:
        return None  # NumPy would read an offset, and warn
    try:
        moments = np.array([time.removesuffix("Z") for time in times], "datetime64[us]").astype(np.int64)
        numbers = np.array(list(map(float, results)), np.float64)
    except (ValueError, UserWarning):
        return None
    if not (moments.min() >= _YEAR_1_US and moments.max() < _YEAR_10000_US and np.isfinite(numbers).all()):
        return None
    if written_times(moments) != times or list(map(repr, numbers.tolist())) != results:
        return None
    if best is None:
        return Block(_stretches(keys), Columns(moments, numbers, np.zeros(number, np.int8)))
    if not set(flags[0]) <= {flag for flag in _FLAGS if int(flag) >= best}:
        return None
    columns = Columns(moments, numbers, np.array(list(map(int, flags[0])), np.int8))
    return Block(_stretches(keys), columns)


def _cell_by_cell(path: str, rows: Sequence[Sequence[str]], best: Flag | None, first: int) -> Block:
    """The same; NotCanonical names the first line with a cell that is in another form."""

    def check(row: Sequence[str]) -> None:
        _result(row[2])
        if best is not None:
            _flag(row[3], best=best)

    _each(path, rows, check, first=first)
    times = _times_us(path, rows, 1, first=first)
    results = np.array([float(row[2]) for row in rows], np.float64)
    flags = np.array([0 if best is None else int(row[3]) for row in rows], np.int8)
    return Block(_stretches([row[0] for row in rows]), Columns(times, results, flags))


def _is_sorted(keys: Sequence[tuple[str, str]]) -> bool:
    return all(one < after for one, after in itertools.pairwise(keys))


def _is_in_order(times_us: Ints, stretches: Sequence[Stretch]) -> bool:
    """Whether the times of each datastream grow."""
    grows = np.append(times_us[1:] > times_us[:-1], True)
    grows[[high - 1 for _, _, high in stretches]] = True
    return bool(grows.all())


def _stretches(keys: Sequence[str]) -> list[Stretch]:
    found, low = [], 0
    for key, some in itertools.groupby(keys):
        high = low + sum(1 for _ in some)
        found.append((key, low, high))
        low = high
    return found


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
