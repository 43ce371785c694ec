"""Every kind of database error, at every table of the path of a message: an ingestor waits for what passes,
refuses the one message that cannot be stored, and never stops its shard.

A trigger raises the error. The judge reads the tables alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, cast

import psycopg
import pytest

from ingest.aside import LONG_PATIENCE_S, PATIENCE_S
from ingest.books import DatabaseBooks
from ingest.budget import Budget
from ingest.http import Answer, Post, Taker
from ingest.ports import Spoken
from ingest.worker import Pace, Worker
from insitu.clock import SYSTEM
from insitu.errors import InsituError, RunMigrate
from insitu.model import Message
from insitu.times import to_us
from store import access, shards
from store.database import Connection, connect
from store.ledger import recount
from store.rejects import Quota
from tests.examples import some_of
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_posts import digest
from tests.stack import Stack, stamp, wait_until

KNOWN = sorted(
    {
        str(error.sqlstate)
        for error in vars(psycopg.errors).values()
        if isinstance(error, type) and issubclass(error, psycopg.Error) and getattr(error, "sqlstate", None)
    }
)
STRANGE = ["ZZ001", "99999", "P9999"]
"""Codes that nobody has given a meaning."""
QUICK = [
    "22012",
    "23514",
    "54000",
    "08006",
    "25006",
    "53100",
    "57P01",
    "58030",
    "40001",
    "40P01",
    "53200",
    "55P03",
    "57014",
    "53400",
    "55000",
    "0A000",
    "42P01",
    "42501",
    "P0001",
    "XX000",
    "ZZ001",
]
WAITS = ("08", "25006", "25P03", "25P04", "53000", "53100", "53300", "57000", "57P", "58")
"""Nothing can be stored at the moment."""
WAITS_ALONE = ("40", "53200", "55006", "55P03", "57014")
"""This statement cannot run at the moment; others may."""
TABLES = {
    "observation": "NEW.datastream_id IN (SELECT datastream_id FROM datastream WHERE device_id = {b})",
    "datastream_latest": "NEW.datastream_id IN (SELECT datastream_id FROM datastream WHERE device_id = {b})",
    "boot_sequence": "NEW.device_id = {b}",
    "device_contact": "NEW.device_id = {b}",
    "ledger": "NEW.device = 'b'",
    "ledger_reason": "NEW.device = 'b'",
    "reject": "NEW.device = 'b'",
}
"""Table → the rows that come from messages of device `b`."""


class FakeTime:
    """Passes only while somebody sleeps. `then` is called at each sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.then: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


class Session:
    """A session of the broker: what it has not acknowledged is there."""

    fatal: InsituError | None = None

    def __init__(self, time: FakeTime) -> None:
        self.time, self.new = time, list[Message]()
        self.acknowledged = list[Message]()
        self.heard = list[bytes]()

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait_granted(self, seconds: float) -> bool:
        return True

    def take(self, most: int, *, gather_s: float, wait_s: float) -> list[Message]:
        taken, self.new = self.new[:most], self.new[most:]
        if not taken:
            self.time.sleep(wait_s)
        return taken

    def ahead(self, most: int) -> Sequence[Message]:
        return ()

    def ack(self, messages: Sequence[Message]) -> None:
        self.acknowledged += messages

    def publish(self, messages: Sequence[Spoken]) -> None:
        self.heard += [payload for _, payload in messages]


class Receiver:
    """Answers the books between batches."""

    heard_at = connected_since = problem = connection = None
    pending = 0

    def beat(self) -> None: ...

    def take_dropped(self) -> int:
        return 0

    take_disconnects = take_dropped


class Bench:
    """A worker with real books, whose messages come from the test."""

    def __init__(self, conn: Connection, url: str, catalogue: SmallTrial) -> None:
        self.conn, self.catalogue = conn, catalogue
        shards.ensure_shards(conn)
        shards.keep_leases(conn, "holder", "test")
        conn.execute("UPDATE shard SET lease_until = 'infinity'")
        conn.commit()
        self.time = FakeTime()
        self.session = Session(self.time)
        (shard,) = shards.layout(conn).shards
        conn.rollback()
        self.books = DatabaseBooks(
            url,
            clock=SYSTEM,
            shard=shard,
            holder="holder",
            receiver=cast("Any", Receiver()),
            window=100,
            budget=Budget(10**9, 10**9),
            quota=Quota(10**9, 10**9),
        )
        self.worker = Worker(self.session, self.books, pace=Pace(100, 0), time=self.time)
        self.sent = 0

    def inject(self, table: str, code: str, condition: str = "") -> None:
        rows = (condition or TABLES[table]).format(b=self.catalogue.devices["b"])
        self.conn.execute(
            f"""CREATE OR REPLACE FUNCTION injected() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF {rows} THEN RAISE EXCEPTION 'injected' USING ERRCODE = '{code}'; END IF; RETURN NEW;
                END $$""".encode()
        )
        self.conn.execute(
            f"CREATE OR REPLACE TRIGGER injected BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE "
            "FUNCTION injected()".encode()
        )
        self.conn.commit()

    def mend(self, table: str) -> None:
        self.conn.execute(f"DROP TRIGGER IF EXISTS injected ON {table}".encode())
        self.conn.commit()

    def mend_after(self, table: str, *, sleeps: int) -> None:
        left = [None] * sleeps

        def then() -> None:
            if left:
                left.pop()
            else:
                self.mend(table)

        self.time.then = then

    def send(self, device: str, *, good: bool = True) -> Message:
        self.sent += 1
        at = datetime.now(UTC) - timedelta(seconds=self.sent)
        results = {"pm25": self.sent} if good else {"nobody": self.sent}
        document = {"boot": "b", "seq": self.sent, "time": at.isoformat(), "results": results}
        message = Message(
            f"insitu/v1/t/{device}/obs",
            json.dumps(document).encode(),
            to_us(datetime.now(UTC)),
            qos=1,
            mid=1 + self.sent % 60_000,
        )
        self.session.new.append(message)
        return message

    def work(self, seconds: float, *, until: int | None = None) -> None:
        """As if so much time had passed; ends early once `until` messages are acknowledged."""
        end = self.time.now + seconds
        while self.time.now < end and len(self.session.acknowledged) != until:
            self.worker.step()

    def stored(self) -> set[float]:
        found = {result for (result,) in self.conn.execute("SELECT result FROM observation")}
        self.conn.rollback()
        return found

    def refused(self) -> dict[bytes, str]:
        found = dict(self.conn.execute("SELECT payload, reason FROM reject").fetchall())
        self.conn.rollback()
        return found

    def is_kept(self, message: Message) -> bool:
        """A row, or a refusal with its bytes."""
        return json.loads(message.payload)["seq"] in self.stored() or message.payload in self.refused()


@pytest.fixture
def bench(conn: Connection, database_url: str, catalogue: SmallTrial) -> Iterator[Bench]:
    made = Bench(conn, database_url, catalogue)
    yield made
    made.books.close()


def walk(bench: Bench, table: str, codes: Sequence[str]) -> None:
    for code in codes:
        bench.inject(table, code)
        passes = code.startswith((*WAITS, *WAITS_ALONE)) and code != "53400"
        if passes:
            bench.mend_after(table, sleeps=4)
        before = len(bench.session.acknowledged)
        good = [bench.send("a") for _ in range(3)]
        bad = bench.send("b", good=table not in ("ledger_reason", "reject"))
        good += [bench.send("a") for _ in range(3)]
        bench.work(PATIENCE_S, until=before + 7)
        bench.time.then = lambda: None
        seqs = {json.loads(one.payload)["seq"] for one in good}
        assert seqs <= bench.stored(), (table, code)
        acknowledged = bench.session.acknowledged[before:]
        assert len(acknowledged) == 7, (table, code)
        for message in [*good, bad]:
            assert message in acknowledged, (table, code)
            assert bench.is_kept(message), (table, code)
        if not passes:
            assert bad.payload in bench.refused(), (table, code)
        if passes and table not in ("ledger_reason", "reject"):
            assert json.loads(bad.payload)["seq"] in bench.stored(), (table, code)
        bench.mend(table)
    assert recount(bench.conn) == []
    bench.conn.rollback()


@pytest.mark.parametrize("table", some_of(list(TABLES), every=2))
def test_an_error_of_one_message_costs_that_message_alone(bench: Bench, table: str) -> None:
    walk(bench, table, QUICK)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("table", TABLES)
def test_every_error_that_postgresql_knows_costs_one_message_alone(bench: Bench, table: str) -> None:
    walk(bench, table, [*KNOWN, *STRANGE])


@pytest.mark.parametrize(
    "code", some_of(["53100", "P0001", "40001", "42P01", "42501", "XX001", "0A000", "53400"], every=2)
)
def test_an_error_on_every_message_is_waited_for_and_refuses_few(bench: Bench, code: str) -> None:
    bench.inject("observation", code, "true")
    if code == "53100":  # the batch waits in one place, and nothing is refused
        bench.mend_after("observation", sleeps=20)
    messages = [bench.send("a") for _ in range(100)]
    bench.work(2 * PATIENCE_S)
    refused = len(bench.refused())
    assert refused <= 20
    if code in ("53100", "40001"):
        assert refused == 0
    if code != "53100":
        (problem,) = bench.conn.execute("SELECT problem FROM shard").fetchone() or (None,)
        bench.conn.rollback()
        assert "messages wait, since the database fails on them" in problem
    bench.mend("observation")
    bench.work(PATIENCE_S)
    assert len(bench.session.acknowledged) == 100
    assert all(bench.is_kept(message) for message in messages)
    assert len(bench.stored()) == 100 - refused
    assert recount(bench.conn) == []
    assert bench.conn.execute("SELECT problem FROM shard").fetchone() == (None,)


def test_a_lone_message_is_refused_in_the_end(bench: Bench) -> None:
    """No other message tells whether it or the database is to blame."""
    bench.inject("observation", "P0001", "true")
    message = bench.send("a")
    bench.work(PATIENCE_S - 2)
    assert bench.refused() == {}
    bench.work(4)
    assert bench.refused() == {message.payload: "internal_error"}
    bench.inject("observation", "40001", "true")
    other = bench.send("a")
    bench.work(LONG_PATIENCE_S - 4)
    assert len(bench.refused()) == 1
    bench.work(8)
    assert bench.refused()[other.payload] == "internal_error"
    assert bench.session.acknowledged == [message, other]


@pytest.mark.long
@pytest.mark.parametrize(
    ("times", "point"),
    some_of(list(product([1, 2, 4, 7], ["before_commit", "after_commit"])), every=3),
)
def test_killed_while_a_batch_is_halved_each_message_is_one_row_or_one_refusal(
    stack: Stack, point: str, times: int
) -> None:
    stack.stop()
    stack.conn.execute(
        "CREATE FUNCTION injected() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.result IN (3, 17) THEN RAISE EXCEPTION 'injected' USING ERRCODE = 'ZZ001'; END IF; "
        "RETURN NEW; END $$"
    )
    stack.conn.execute(
        "CREATE TRIGGER injected BEFORE INSERT ON observation FOR EACH ROW EXECUTE FUNCTION injected()"
    )
    stack.conn.commit()
    child = stack.start(INSITU_FAILPOINT=f"{point}:{times}")
    device = stack.device("t/a")
    device.send_all(
        {"boot": "b", "seq": n, "time": stamp(100 - n), "results": {"pm25": n}} for n in range(40)
    )
    wait_until(lambda: child.poll() is not None, "the kill")
    stack.start()
    wait_until(lambda: len(stack.reasons()) == 2, "the refusals", 60)
    wait_until(lambda: len(stack.rows("SELECT FROM observation")) == 38, "the rows", 60)
    assert stack.reasons() == ["internal_error"] * 2
    assert {json.loads(payload)["seq"] for (payload,) in stack.rows("SELECT payload FROM reject")} == {3, 17}
    assert recount(stack.conn) == []
    device.close()


def test_a_strange_error_over_http_costs_one_post_alone(
    bench: Bench, conn: Connection, database_url: str, catalogue: SmallTrial
) -> None:
    for code in ("a", "b"):
        access.add_credential(
            conn,
            device_id=catalogue.devices[code],
            username=code,
            token_sha256=digest(code),
            nats_hash="",
            mosquitto_hash="",
            now=datetime.now(UTC),
        )
    conn.commit()

    @contextmanager
    def open_one() -> Iterator[Connection]:
        with connect(database_url, application="tests") as own:
            yield own
            own.commit()

    taker = Taker(open_one, SYSTEM)
    for code, kind in (("ZZ001", Answer), ("53400", Answer), ("42P01", RunMigrate)):
        bench.inject("observation", code)
        posts = [Post("t", who, digest(who), bench.send(who)) for who in ("a", "a", "b", "a")]
        answers = taker.take(posts)
        assert [type(one) for one in answers] == [Answer, Answer, kind, Answer]
        assert [one.stored for one in answers if isinstance(one, Answer)] == (
            [1, 1, 0, 1] if kind is Answer else [1, 1, 1]
        )
        assert (posts[2].message.payload in bench.refused()) == (kind is Answer)
    assert recount(conn) == []
