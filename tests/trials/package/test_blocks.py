"""A table that is read block by block is the one that is read at once, and so is its first error."""

from __future__ import annotations

import random

import pytest

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


def outcome(content: bytes, block_bytes: int) -> object:
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
