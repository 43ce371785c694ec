"""While a day is packed: readers see each result once, writers of the same days wait or try again, and a kill
at any statement leaves everything as it was.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from insitu.errors import ReportDefect
from insitu.model import Observation
from insitu.times import to_us
from store.corrections import Correction, correct
from store.database import Connection, connect
from store.erasures import Scope, erase
from store.gate import Cursor
from store.observations import count, merge, series
from store.packed.checking import find_wrong_days
from store.packed.packing import may_pack, pack, packable
from store.quality import save_flags, take_turn
from store.read.streams import count_by_day
from tests.fix_catalogue import START, SmallTrial
from tests.ingest.test_two_writers import Writer, two_writers
from tests.store.packed.test_twins import pack_all, raw

DAY = timedelta(days=1)
LATER = START + 30 * DAY
FIRST = to_us(START)
QUARTER = 900_000_000


def grid(stream: int, days: int, *, first: int = 0) -> list[Observation]:
    times = range(FIRST + first * QUARTER, FIRST + days * 96 * QUARTER, QUARTER)
    return [Observation(stream, t, t % 1009 / 10, t + 1_000_000, 0) for t in times]


@pytest.fixture
def streams(conn: Connection, catalogue: SmallTrial) -> list[int]:
    """Two datastreams with four days of results."""
    numbers = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    for number in numbers:
        merge(conn, grid(number, 4))
        conn.commit()
    return numbers


def pack_once(conn: Connection) -> None:
    if may_pack(conn, "t"):
        pack(conn, packable(conn, "t", LATER), most=10**9)


def two_batches(numbers: list[int]) -> list[Observation]:
    """Repeats, a conflict, new results between old ones, before all and after all."""
    a, b = numbers
    again = grid(a, 4)[5:300:40]
    other = [again[0]._replace(time_us=again[0].time_us + QUARTER, result=-1.0)]
    between = [
        Observation(s, FIRST + at * QUARTER + 7, 3.0, FIRST, 0) for s in (a, b) for at in (3, 200, 380)
    ]
    return [*again, *other, *between, Observation(b, FIRST - 9, 1.0, FIRST, 0), *grid(a, 5, first=384)]


def unique(rows: list[tuple[Any, ...]]) -> bool:
    return len({row[:2] for row in rows}) == len(rows)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("who", ["packer", "writer"])
def test_a_writer_and_the_packer_may_meet_at_any_statement(
    conn: Connection, database_url: str, streams: list[int], steps: int, who: str
) -> None:
    """One goes some statements, then the other as far as it can, then both to the end."""
    batch = two_batches(streams)
    before = raw(conn)
    conn.rollback()

    def write(its: Connection) -> None:
        merge(its, batch)

    with two_writers(database_url, pack_once, write) as (packer, writer):
        ahead, behind = (packer, writer) if who == "packer" else (writer, packer)
        for _ in range(steps):
            ahead.advance()
        behind.finish()
    pack_all(conn, LATER)
    after = raw(conn)
    assert unique(after)
    first = {(one.datastream_id, one.time_us): one.result for one in reversed(batch)}
    assert {row[:2]: row[2] for row in after} == first | {row[:2]: row[2] for row in before}
    assert find_wrong_days(conn) == []


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_batch_that_starts_a_datastream_meets_the_packer(
    conn: Connection, database_url: str, catalogue: SmallTrial, steps: int
) -> None:
    """Two writers start it, and what the first brought is packed before the second goes on."""
    batch = grid(catalogue.datastreams["a", "pm25"], 4)

    def write(its: Connection) -> None:
        merge(its, batch)

    with two_writers(database_url, write, pack_once) as (late, _):
        for _ in range(steps):
            late.advance()
        with connect(database_url, application="first") as first:
            merge(first, batch)
            first.commit()
            pack_all(first, LATER)
    rows = raw(conn)
    assert unique(rows)
    assert len(rows) == len(batch)


def changes(its: Connection, numbers: list[int], kind: str) -> None:
    a = numbers[0]
    now = START + 40 * DAY
    if kind == "correct":
        rows = [one._replace(result=9.0) for one in grid(a, 4)[3::50]]
        correct(its, rows, correction=Correction("t", "lab", "zero", "f.csv", "00"), now=now)
    elif kind == "erase":
        erase(its, Scope("t", "a", START + DAY / 3, START + 2.5 * DAY), login="lab", reason="asked", now=now)
    else:
        take_turn(its, "t")
        found = series(its, [a], START, LATER)[a]
        flags = found.flag.copy()
        flags[::9] = 4
        save_flags(
            its,
            datastream_id=a,
            times_us=found.time_us,
            flags=flags,
            by_check={},
            checks=[],
            ran=[],
            parameters="",
            sha256="",
            now=now,
            received_before=now,
        )


@pytest.mark.parametrize("kind", ["correct", "erase", "flags"])
@pytest.mark.parametrize("steps", [0, 3, 6])
@pytest.mark.parametrize("who", ["packer", "changer"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_change_and_the_packer_may_meet_at_any_statement(
    conn: Connection, database_url: str, streams: list[int], steps: int, who: str, kind: str, is_packed: bool
) -> None:
    changes(conn, streams, kind)
    wanted = [row[:5] for row in raw(conn)]
    conn.rollback()
    if is_packed:
        pack_all(conn, START + 2 * DAY)

    def change(its: Connection) -> None:
        changes(its, streams, kind)

    with two_writers(database_url, pack_once, change) as (packer, changer):
        ahead, behind = (packer, changer) if who == "packer" else (changer, packer)
        for _ in range(steps):
            ahead.advance()
        behind.finish()
    assert [row[:5] for row in raw(conn)] == wanted
    pack_all(conn, LATER)
    assert [row[:5] for row in raw(conn)] == wanted
    assert find_wrong_days(conn) == []


def test_readers_see_each_result_once_while_days_are_packed_and_unpacked(
    conn: Connection, database_url: str, streams: list[int], catalogue: SmallTrial
) -> None:
    def looked() -> tuple[Any, ...]:
        found = series(conn, streams, START, LATER)
        days = count_by_day(conn, list(catalogue.devices.values()), START, LATER)
        rows = count(conn), [(n, one.time_us.tolist(), one.result.tolist()) for n, one in found.items()], days
        conn.rollback()
        return rows

    before = looked()
    with connect(database_url, application="watcher", autocommit=True) as watcher:
        for work in (pack_once, lambda its: correct_nothing(its, streams)):
            writer = Writer(database_url, watcher, work)
            while writer.advance():
                assert looked() == before
            writer.close()
            assert writer.error is None
            assert looked() == before
    assert conn.execute("SELECT count(*) FROM packed_day").fetchone() == (5,)


def correct_nothing(its: Connection, numbers: list[int]) -> None:
    """Unpacks a day, changes it and changes it back."""
    old = grid(numbers[0], 4)[100]
    for digits, result in (("01", -1.0), ("02", old.result)):
        correction = Correction("t", "lab", "zero", "f.csv", digits)
        correct(its, [old._replace(result=result)], correction=correction, now=START)


def kill_at(url: str, statement: int, what: str) -> int:
    """Does it in another process, which is killed before that statement; returns its exit status."""
    process = os.fork()
    if process == 0:
        with suppress(BaseException):
            count_down(statement)
            with connect(url, application="killed") as conn:
                killed(conn, what)
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def count_down(left: int) -> None:
    numbers = iter(range(left, -1, -1))

    def counted(method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if next(numbers) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*arguments, **named)

        return call

    for kind in (Connection, Cursor):
        for name in ("execute", "commit", "copy"):
            if hasattr(kind, name):
                setattr(kind, name, counted(getattr(kind, name)))


def killed(conn: Connection, what: str) -> None:
    if what == "pack":
        pack_once(conn)
        conn.commit()
    else:
        number = conn.execute("SELECT min(datastream_id) FROM packed_day").fetchall()[0][0]
        changes(conn, [number], "correct")
        conn.rollback()  # unpacked, changed, and given up: nothing may remain


@pytest.mark.parametrize("what", ["pack", "unpack"])
def test_a_kill_at_any_statement_loses_and_doubles_nothing(
    conn: Connection, database_url: str, streams: list[int], what: str
) -> None:
    if what == "unpack":
        pack_all(conn, LATER)
    before, statement = raw(conn), 0
    conn.rollback()
    while True:
        status = kill_at(database_url, statement, what)
        assert raw(conn) == before
        conn.rollback()
        if status == 0:
            break
        assert status == -signal.SIGKILL
        statement += 1
    assert statement > 8
    assert conn.execute("SELECT count(*) > 0 FROM packed_day").fetchone() == (True,)
    assert find_wrong_days(conn) == []


def test_an_erasure_that_cuts_a_packed_day_is_refused_by_the_database(
    conn: Connection, streams: list[int]
) -> None:
    """A caller of the function of the database past Insitu does not erase half of what it names."""
    pack_all(conn, LATER)
    with pytest.raises(ReportDefect, match="lies partly"):
        conn.execute(
            "SELECT erase(now(), 'lab', 'asked', 't', 'a', %s, NULL, '{results}')", (START + DAY / 2,)
        )


@pytest.mark.parametrize("steps", range(1, 14))
def test_a_result_that_comes_past_every_lock_is_neither_lost_nor_packed_unseen(
    conn: Connection, database_url: str, streams: list[int], steps: int
) -> None:
    """As by SQL of one's own, between any two statements of the packer: it takes out what it read, or
    nothing.
    """
    late = FIRST + 100 * QUARTER + 7
    insert = "INSERT INTO observation VALUES (%s, to_timestamp(%s / 1e6), 5, now(), 0, 2)"
    before = raw(conn)
    conn.rollback()
    with connect(database_url, application="watcher", autocommit=True) as watcher:
        packer = Writer(database_url, watcher, pack_once)
        for _ in range(steps):
            packer.advance()
        is_new = not packer.is_over
        if is_new:
            watcher.execute(insert, (streams[0], late))
        packer.finish()
        packer.close()
        assert packer.error is None
    after = raw(conn)
    assert unique(after)
    assert len(after) == len(before) + is_new
    pack_all(conn, LATER)
    assert raw(conn) == after
    assert find_wrong_days(conn) == []


def test_a_step_of_many_datastreams_takes_as_many_statements_as_one_of_two(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round trip for each datastream would cost more than its day."""
    for number in catalogue.datastreams.values():
        merge(conn, grid(number, 4))
    conn.commit()
    executed: list[bytes] = []
    execute = Connection.execute

    def counted(its: Connection, query: bytes, *rest: Any, **named: Any) -> Any:
        executed.append(query)
        return execute(its, query, *rest, **named)

    monkeypatch.setattr(Connection, "execute", counted)
    steps = []
    for some in (slice(1), slice(None)):
        assert may_pack(conn, "t")
        todo = packable(conn, "t", LATER)[some]
        executed.clear()
        steps.append((pack(conn, todo, most=10**9), len(executed)))
        conn.rollback()
    (alone, statements), (together, as_many) = steps
    assert len(together.seen) > 2
    assert together.moved == len(together.seen) * alone.moved
    assert statements == as_many < 12
