"""Two writers bring copies of the same messages, as while a trial moves between sessions: the result is one
row each, in every order of their statements.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, product
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.at_once import AtOnce
from ingest.booking import book
from ingest.prepared import Prepared
from ingest.reading import prepare
from insitu.errors import RetryLater
from insitu.model import Message
from store.binary import register_columns
from store.catalogue.snapshot import load_snapshot
from store.database import Connection, connect
from store.ledger import recount
from store.mapping import new_mapping
from store.mappings import mappings_of_trial, replace_mappings
from store.rejects import Quota
from tests.examples import examples
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_batch import T0, message
from tests.stack import wait_until

_numbers = count(1)


class Stepped(psycopg.Connection[tuple[Any, ...]]):
    """Calls `gate` before each statement and before the commit; `gate` blocks for as long as it likes."""

    gate: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        register_columns(self)

    def execute(self, *arguments: Any, **named: Any) -> Any:
        self.gate()
        return super().execute(*arguments, **named)

    def commit(self) -> None:
        self.gate()
        super().commit()


class Writer:
    """Work in a thread with a connection of its own, statement by statement."""

    def __init__(self, url: str, watcher: Connection, work: Callable[[Connection], None]) -> None:
        self._conn, self._watcher = Stepped.connect(url), watcher
        self._pid = self._conn.info.backend_pid
        self._waits, self._go = threading.Event(), threading.Event()
        self._conn.gate = self._gate
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._settle()

    def _gate(self) -> None:
        self._waits.set()
        assert self._go.wait(60)
        self._go.clear()

    def _run(self) -> None:
        try:
            while True:
                try:
                    self._work(self._conn)
                    self._conn.commit()
                    return
                except RetryLater:  # a deadlock: tries again, as an ingestor does
                    self._conn.rollback()
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.error = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    @property
    def is_held_up(self) -> bool:
        """Whether it waits for a lock of the other writer."""
        statement = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s"
        return self._watcher.execute(statement, (self._pid,)).fetchall() == [("Lock",)]

    def _settle(self) -> None:
        limit = time.monotonic() + 30
        while not (self._waits.wait(0.001) or self.is_over or self.is_held_up):
            assert time.monotonic() < limit, "the writer neither goes on nor waits for the other"

    def advance(self) -> bool:
        """Runs one statement; False if it cannot, because it is over or the other must go on first."""
        if self.is_over or not self._waits.is_set():
            return False
        self._waits.clear()
        self._go.set()
        self._settle()
        return True

    def finish(self) -> None:
        """Runs as far as it can."""
        while self.advance():
            pass

    def close(self) -> None:
        self._conn.close()


@contextmanager
def two_writers(
    url: str, first: Callable[[Connection], None], second: Callable[[Connection], None]
) -> Iterator[tuple[Writer, Writer]]:
    with connect(url, application="tests", autocommit=True) as watcher:
        one, two = Writer(url, watcher, first), Writer(url, watcher, second)
        yield one, two

        def both_over() -> bool:
            one.finish()
            two.finish()
            return one.is_over and two.is_over

        wait_until(both_over, "the end of both writers")
        assert (one.error, two.error) == (None, None)
        one.close()
        two.close()


def bring(
    name: str,
    messages: Sequence[Message],
    mark: Callable[[Prepared], Prepared] = lambda item: item,
    *,
    at_once: bool = False,
) -> Callable[[Connection], None]:
    """`at_once`: tries to write refusals by one statement."""

    def work(conn: Connection) -> None:
        items = [mark(item) for item in prepare(messages, load_snapshot(conn))]
        way = AtOnce(Quota()) if at_once else None
        book(conn, items, client_id=name, now_us=T0, quota=Quota(), at_once=way)

    return work


def copy(boot: str, number: int, writer: int) -> Message:
    """Message `number`, with boot and seq but no time, as writer `writer` received it: at a time and with a
    delivery of its own.
    """
    document = {"boot": f"{boot}-{number // 3}", "seq": number % 3, "results": {"pm25": float(number)}}
    return message(document, at=T0 + next(_numbers) * 1000, mid=writer * 1000 + number)


def framed(item: Prepared) -> Prepared:
    """As from a radio network: known by its frame, not by a seq."""
    return item._replace(sequences=(), frame=hashlib.sha256(item.message.payload).digest())


def stored(conn: Connection) -> list[tuple[float, int]]:
    found = conn.execute("SELECT result, count(*) FROM observation GROUP BY 1 ORDER BY 1").fetchall()
    conn.rollback()
    return [(result, rows) for result, rows in found]


@pytest.mark.parametrize("known_by", ["seq", "frame"])
def test_wherever_one_writer_stands_the_copy_of_the_other_is_no_second_row(
    conn: Connection, catalogue: SmallTrial, database_url: str, known_by: str
) -> None:
    mark = framed if known_by == "frame" else lambda item: item
    for behind in count():
        conn.execute("TRUNCATE observation")
        conn.execute("TRUNCATE ledger, datastream_latest")
        conn.commit()
        numbers, boot = (0, 1, 4), f"walk{behind}"
        one = bring("one", [copy(boot, n, 1) for n in numbers], mark)
        two = bring("two", [copy(boot, n, 2) for n in reversed(numbers)], mark)
        with two_writers(database_url, one, two) as (first, second):
            went = sum(first.advance() for _ in range(behind))
            second.finish()
        assert stored(conn) == [(float(n), 1) for n in numbers], f"the first had run {behind} statements"
        assert recount(conn) == []
        if went < behind:
            assert behind > 8, "the walk went through all of keep"
            return


@settings(
    max_examples=examples(quick=12, nightly=25),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    one=st.lists(st.integers(0, 7), min_size=1, max_size=6),
    two=st.lists(st.integers(0, 7), min_size=1, max_size=6),
    turns=st.lists(st.booleans(), max_size=24),
)
def test_however_two_writers_take_turns_each_message_is_one_row(
    conn: Connection,
    catalogue: SmallTrial,
    database_url: str,
    one: list[int],
    two: list[int],
    turns: list[bool],
) -> None:
    for statement in ("TRUNCATE observation", "TRUNCATE ledger, datastream_latest"):
        conn.execute(statement.encode())
    conn.commit()
    boot = f"turns{next(_numbers)}"
    with two_writers(
        database_url,
        bring("one", [copy(boot, n, 1) for n in one]),
        bring("two", [copy(boot, n, 2) for n in two]),
    ) as writers:
        for turn in turns:
            writers[turn].advance()
    assert stored(conn) == [(float(n), 1) for n in sorted({*one, *two})]
    received = conn.execute("SELECT sum(received) FROM ledger").fetchall()
    assert received == [(len(one) + len(two),)]
    assert recount(conn) == []


def test_the_same_refusal_by_two_writers_is_one_reject(
    conn: Connection, catalogue: SmallTrial, database_url: str
) -> None:
    """Each may write it at once, or by single statements."""
    for behind, (one, two) in product(range(1, 14, 4), product((False, True), repeat=2)):
        boot = f"refused{behind}{one}{two}"
        timed = [
            message({"boot": boot, "seq": n, "time": (T0 - n * 1000) / 1e6, "results": {"nox": 1.0}})
            for n in range(3)
        ]
        works = bring("one", timed, at_once=one), bring("two", timed, at_once=two)
        with two_writers(database_url, *works) as (first, second):
            for _ in range(behind):
                first.advance()
            second.finish()
        assert conn.execute(
            "SELECT count(*) FROM reject WHERE payload LIKE %s", (f"%{boot}%".encode(),)
        ).fetchall() == [(3,)]
        assert recount(conn) == []


def test_of_two_that_enter_mappings_at_once_the_later_ones_stand_alone(
    conn: Connection, catalogue: SmallTrial, database_url: str
) -> None:
    def enter(field: str) -> Callable[[Connection], None]:
        wanted = [new_mapping(conn, field=field, property="pm25", devices="z*")]
        return lambda conn: void(replace_mappings(conn, "t", wanted))

    for behind in range(8):
        with two_writers(database_url, enter("mass"), enter("dust")) as (first, second):
            for _ in range(behind):
                first.advance()
            second.finish()
        assert [mapping.field for mapping in mappings_of_trial(conn, "t")] in (["mass"], ["dust"])
        conn.rollback()


def void(_: object) -> None:
    return None
