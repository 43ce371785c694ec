"""A table that is read block by block is the one that is read at once, and so is its first error."""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insitu.errors import CorrectInput
from insitu.model import Flag
from trials.package import rows
from trials.package.columns import Columns, read_plain, written_rows
from trials.package.contents import OnDisk
from trials.package.rows import read_observations
from trials.package.strict import NotCanonical

HEADER = b"datastream,phenomenon_time,result,flag\n"


def table(draw: random.Random) -> bytes:
    rows = [
        f"{device}/pm25,2026-03-{day:02}T00:{minute:02}:00Z,{draw.choice([1.5, -0.25, 1e300, 7.0])!r},"
        f"{draw.choice([1, 3, 4])}\n"
        for device in ("a", "b", "b-2")
        for day in range(1, 4)
        for minute in range(draw.randrange(4))
    ]
    return HEADER + "".join(rows).encode()


def mutated(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content))
    lines = content.splitlines(keepends=True)
    match draw.randrange(6):
        case 0:
            return content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]
        case 1:
            return content[:at]
        case 2:
            return content[:at] + draw.choice([b"\n", b'"', b",", b"\xff", b"\r\n", b""]) + content[at:]
        case 3:
            draw.shuffle(lines)
            return b"".join(lines)
        case 4:
            return b"".join([*lines, lines[draw.randrange(len(lines))]])
        case _:
            return content


def outcome(content: bytes | OnDisk, block_bytes: int) -> object:
    try:
        found = read_observations("observations.csv", content, block_bytes=block_bytes)
    except NotCanonical as error:
        return str(error)
    return {key: (c.time_us.tolist(), c.result.tolist(), c.flag.tolist()) for key, c in found.items()}


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_blocks_of_any_size_read_the_same_and_refuse_the_same(first: int) -> None:
    for seed in range(first, first + 50):
        read_in_blocks(seed)


def read_in_blocks(seed: int) -> None:
    draw = random.Random(seed)
    content = mutated(table(draw), draw)
    at_once = outcome(content, 1 << 30)
    by_block = [outcome(content, size) for size in (1, 33, 100, 512)]
    if isinstance(at_once, str):
        # with two faults, the first in the file may be told instead of the first kind of fault
        assert all(isinstance(one, str) for one in by_block), (seed, at_once, by_block)
    else:
        assert by_block == [at_once] * 4, seed


def test_the_line_of_a_fault_is_counted_from_the_head_of_the_file_in_every_block() -> None:
    rows = [f"a/pm25,2026-03-01T00:{minute:02}:00Z,{minute}.5,1\n".encode() for minute in range(50)]
    for line in (2, 3, 27, 51):
        for fault, words in (
            (b"a/pm25,2026-03-01T00:00:00,1.5,1\n", "is not a time in UTC"),
            (b"a/pm25,2026-03-01T00:00:00Z,1.50,1\n", "is not written as"),
            (b"a/pm25,2026-03-01T00:00:00Z,1.5\n", "3 cells instead of 4"),
            (b"\xff\n", "it is not UTF-8"),
            (b'a/pm25,"2026-03-01T00:00:00Z",1.5,1\n', "canonical form"),
        ):
            content = HEADER + b"".join([*rows[: line - 2], fault, *rows[line - 1 :]])
            for size in (1, 200, 1 << 22):
                told = outcome(content, size)
                assert isinstance(told, str)
                assert f", line {line}: " in told, (line, fault, size, told)
                assert words in told


def test_rows_are_compared_across_the_edge_of_a_block() -> None:
    row = b"a/pm25,2026-03-01T00:00:00Z,1.5,1\n"
    for size in (1, 34, 1 << 22):
        assert outcome(HEADER + row + row, size) == (
            "observations.csv, line 3: a/pm25 2026-03-01T00:00:00 is there twice."
        )


def on_disk(folder: Path, content: bytes) -> OnDisk:
    path = folder / "observations.csv"
    path.write_bytes(content)
    return OnDisk(path, len(content), sha256(content).hexdigest())


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
def test_a_table_that_stays_on_disk_reads_and_is_refused_as_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, chunk: int
) -> None:
    monkeypatch.setattr("trials.package.contents._CHUNK", chunk)
    draw = random.Random(seed)
    content = mutated(table(draw), draw)
    for size in (1, 100, 1 << 22):
        assert outcome(on_disk(tmp_path, content), size) == outcome(content, size)


def test_a_table_that_changes_between_two_readings_is_refused(tmp_path: Path) -> None:
    content = table(random.Random(1))
    there = on_disk(tmp_path, content)
    there.path.write_bytes(content.replace(b",1.5,", b",7.0,"))
    with pytest.raises(CorrectInput, match=r"observations\.csv changed while it was read: let nobody write"):
        read_observations("observations.csv", there)
    there.path.unlink()
    with pytest.raises(CorrectInput, match=r"observations\.csv cannot be read"):
        read_observations("observations.csv", there)


CELLS = {
    1: [
        "2026-03-01T00:00:00Z",
        "2026-03-01T00:00:00.000001Z",
        "2026-03-01T00:00:00.000000Z",
        "2026-03-01",
        "0000-03-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-03-01T00:00+01Z",
        "2026-03-01T00:00:00+01:00",
        "2026-03-01 00:00:00Z",
        "2026-03-01T00:00:00.1+01:00",
        "2026-03-01T24:00:00Z",
        "",
        "Z",
        "-001-03-01T00:00:00Z",
        "NaT",
    ],
    2: ["1.5", "-0.0", "1e300", "1", "1.50", "nan", "inf", "1e400", "", "1_0.0", " 1.5", "١.5", "5e-324"],
    3: ["1", "2", "3", "4", "9", "0", "", "01", "１", "x"],
}


@pytest.mark.parametrize("column", CELLS)
def test_a_cell_is_accepted_at_once_only_if_it_is_accepted_alone(column: int) -> None:
    for cell in CELLS[column]:
        row = ["a/pm25", "2026-03-01T00:00:00Z", "1.5", "1"]
        row[column] = cell
        for best in (Flag.PASS, None):
            cells = row[: 3 if best is None else 4]
            try:
                alone = rows._cell_by_cell("o.csv", [cells], best, 2)
            except NotCanonical:
                alone = None
            quick = rows._at_once((",".join(cells) + "\n").encode(), best)
            assert (quick is None) == (alone is None), cell
            assert quick is None or tuple(quick) == tuple(alone or ()), cell
            plain = read_plain((",".join(cells) + "\n").encode(), [] if best is None else [1, 2, 3, 4])
            assert (plain is None) == (alone is None or "." in cells[1]), cell
            assert plain is None or tuple(plain) == tuple(alone or ()), cell


@pytest.mark.parametrize("seed", range(100))
def test_a_block_that_is_read_at_once_is_one_that_is_read_cell_by_cell(seed: int) -> None:
    draw = random.Random(seed)
    block = mutated(table(draw), draw)[len(HEADER) :]
    try:
        every = rows.read_block("o.csv", block, ["datastream", "phenomenon_time", "result", "flag"], 2)
        alone = rows._cell_by_cell("o.csv", every, Flag.PASS, 2) if every else None
    except NotCanonical:
        alone = None
    whole = block if block.endswith(b"\n") else b""
    for quick in (rows._at_once(whole, Flag.PASS), read_plain(whole, [1, 2, 3, 4])) if whole else (None,):
        assert (quick is None) == (alone is None)
        if quick is not None and alone is not None:
            assert quick.stretches == alone.stretches
            for one, other in zip(vars_of(quick.columns), vars_of(alone.columns), strict=True):
                assert one == other


def vars_of(columns: Columns) -> list[list[float]]:
    return [columns.time_us.tolist(), columns.result.tolist(), columns.flag.tolist()]


@settings(deadline=None, max_examples=200)
@given(
    times=st.lists(st.integers(-62_135_596_800, 253_402_300_799), min_size=1, max_size=9, unique=True),
    results=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=9, max_size=9),
    fraction=st.sampled_from([0, 0, 0, 1, 999_999]),
    key=st.text(st.characters(codec="utf-8", exclude_characters=',"\r\n'), max_size=5),
)
def test_rows_are_written_as_python_and_csv_write_them_and_read_again(
    times: list[int], results: list[float], fraction: int, key: str
) -> None:
    """The oracle writes one cell after the other, by `datetime`, `repr` and `csv`."""
    micros = [time * 1_000_000 + fraction for time in sorted(times)]
    count = len(times)
    columns = Columns(np.array(micros), np.array(results[:count]), np.ones(count, np.int8))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    stamps = [(epoch + timedelta(microseconds=one)).isoformat().replace("+00:00", "Z") for one in micros]
    file = io.StringIO(newline="")
    cells = zip([key] * count, stamps, results, [1] * count, strict=False)
    csv.writer(file, lineterminator="\n").writerows(cells)
    text = b"".join(written_rows(f"{key},".encode(), columns)).decode()
    assert text == file.getvalue()
    plain = read_plain(text.encode(), [1, 2, 3, 4])
    assert (plain is None) == (fraction != 0)
    if plain is not None:
        assert plain.stretches == [(key, 0, count)]
        assert plain.columns.time_us.tolist() == micros
        assert plain.columns.result.tobytes() == columns.result.tobytes()
