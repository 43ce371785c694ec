"""Whatever part dies at whatever moment, every acknowledged message is one row or one refusal."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from insitu.embedded.broker import Broker
from insitu.embedded.postgres import Postgres
from store.database import connect, migrate
from tests.examples import some_of
from tests.fix_catalogue import enter_small_trial
from tests.stack import NOW, Stack, wait_until

pytestmark = pytest.mark.long

COUNT = 3000


def messages(count: int = COUNT) -> list[dict[str, object]]:
    return [
        {
            "boot": "b",
            "seq": i + 1,
            "time": (NOW - timedelta(seconds=count - i)).isoformat(),
            "results": {"pm25": i / 8},
        }
        for i in range(count)
    ]


def results(stack: Stack) -> list[float]:
    return [result for (result,) in stack.rows("SELECT result FROM observation ORDER BY phenomenon_time")]


@pytest.mark.parametrize(
    ("point", "times"),
    some_of([("before_commit", 3), ("before_commit", 1), ("after_commit", 1), ("after_commit", 3)], every=2),
)
def test_an_ingestor_killed_around_its_commit_loses_and_doubles_nothing(
    stack: Stack, point: str, times: int
) -> None:
    stack.stop()
    child = stack.start(INSITU_FAILPOINT=f"{point}:{times}", INSITU_BATCH_MESSAGES="200")
    device = stack.device("t/a")
    device.send_all(messages())
    wait_until(lambda: child.poll() is not None, "the kill")
    stack.start()
    wait_until(lambda: len(results(stack)) == COUNT, "every row", 40)
    assert results(stack) == [i / 8 for i in range(COUNT)]
    assert stack.rows(
        "SELECT sum(received) = sum(accepted + partly + rejected + repeated), sum(stored) FROM ledger"
    ) == [(True, COUNT)]
    assert stack.reasons() == []
    device.close()


def test_a_broker_killed_while_devices_publish_keeps_what_it_acknowledged(stack: Stack) -> None:
    device = stack.device("t/a")
    acknowledged: set[int] = set()
    device.client.on_publish = lambda _c, _d, mid, *_: acknowledged.add(mid)
    sent = {
        device.client.publish("insitu/v1/t/a/obs", payload, qos=1).mid: i
        for i, payload in enumerate(encoded())
    }
    wait_until(lambda: len(acknowledged) > 300, "some acknowledgements")
    stack.broker.kill()
    time.sleep(0.2)
    stack.broker.start()
    wait_until(lambda: len(acknowledged) == COUNT, "every acknowledgement", 60)
    wait_until(lambda: len(results(stack)) == COUNT, "every row", 60)
    assert results(stack) == [i / 8 for i in sorted(sent.values())]
    device.close()


def encoded() -> list[bytes]:
    import json

    return [json.dumps(one).encode() for one in messages()]


@pytest.fixture
def own_database() -> Iterator[Postgres]:
    """A server of this test's own, with fsync on, which it may kill."""
    with TemporaryDirectory(prefix="insitu-faults-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(data_dir=Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def durable(own_database: Postgres, broker: Broker, tmp_path: Path) -> Iterator[Stack]:
    with connect(own_database.url, application="tests") as conn:
        migrate(conn)
        enter_small_trial(conn)
        stack = Stack(tmp_path, conn, own_database.url, broker)
        stack.start()
        stack.enrol("t", "a")
        yield stack
        stack.stop()


def test_a_database_killed_while_messages_come_is_waited_for(durable: Stack, own_database: Postgres) -> None:
    device = durable.device("t/a")
    sender = threading.Thread(target=device.send_all, args=(messages(),))
    sender.start()
    wait_until(lambda: durable.received() > 100, "the first batches")
    durable.conn.close()
    assert own_database.pid is not None
    os.kill(own_database.pid, signal.SIGKILL)
    wait_until(lambda: own_database.poll() is not None, "the end of the server")
    time.sleep(1)
    own_database.start()
    sender.join(60)
    with connect(own_database.url, application="tests") as conn:
        durable.conn = conn
        wait_until(lambda: len(results(durable)) == COUNT, "every row", 60)
        assert results(durable) == [i / 8 for i in range(COUNT)]
        assert durable.reasons() == []
    device.close()


def test_a_database_that_hangs_delays_and_loses_nothing(durable: Stack, own_database: Postgres) -> None:
    device = durable.device("t/a")
    device.send_all(messages(1500)[:500])
    durable.wait_for(500)
    backends = [
        pid
        for (pid,) in durable.rows(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'insitu ingest'"
        )
    ]
    assert backends
    os.kill(backends[0], signal.SIGSTOP)
    try:
        device.send_all(messages(1500)[500:])
        time.sleep(3)
    finally:
        os.kill(backends[0], signal.SIGCONT)
    wait_until(lambda: durable.received() >= 1500, "the rest", 60)
    assert results(durable) == [i / 8 for i in range(1500)]
    assert durable.reasons() == []
    device.close()


def test_a_database_without_space_is_waited_for_also_between_batches(stack: Stack) -> None:
    """PostgreSQL's error when a table cannot grow: in turn for the batch, signs of life and leases."""
    stack.conn.execute(
        "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END$$"
    )
    for table in ("shard", "ledger"):
        stack.conn.execute(
            f"CREATE TRIGGER no_space BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION no_space()".encode()
        )
    stack.conn.commit()
    device = stack.device("t/a")
    device.send_all(messages(300))
    time.sleep(6)
    assert stack.ingestor is not None
    assert stack.ingestor.poll() is None, stack.ingestor.last_words(3)
    assert stack.received() == 0
    stack.conn.execute("DROP FUNCTION no_space CASCADE")
    stack.conn.commit()
    stack.wait_for_each(300)
    assert results(stack) == [i / 8 for i in range(300)]
    assert stack.reasons() == []
    device.close()


def pause_all(server: Postgres, signal_number: int) -> None:
    """Every process of the server."""
    assert server.pid is not None
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text("ascii").split()
    for pid in (server.pid, *map(int, children)):
        os.kill(pid, signal_number)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("busy", some_of([True, False], every=2))
def test_an_ingestor_ends_within_ten_seconds_of_its_signal_while_the_database_hangs(
    durable: Stack, own_database: Postgres, busy: bool
) -> None:
    device = durable.device("t/a")
    device.send_all(messages(300)[:100])
    durable.wait_for(100)
    assert durable.ingestor is not None
    pause_all(own_database, signal.SIGSTOP)
    try:
        if busy:
            device.send_all(messages(300)[100:])
            time.sleep(2)  # by then the batch and the leases wait for the database
        began = time.monotonic()
        durable.ingestor.terminate()
        wait_until(
            lambda: durable.ingestor is not None and durable.ingestor.poll() is not None, "the end", 15
        )
        assert time.monotonic() - began < 10
        assert durable.ingestor.poll() == 0
    finally:
        pause_all(own_database, signal.SIGCONT)
    if busy:
        durable.start()
        wait_until(lambda: len(results(durable)) == 300, "every row", 60)
    device.close()


def test_an_ingestor_waits_for_a_database_that_is_not_there_yet(
    durable: Stack, own_database: Postgres
) -> None:
    durable.stop()
    durable.conn.close()
    own_database.stop()
    child = durable.launch()
    time.sleep(3)
    assert child.poll() is None, child.last_words(3)
    own_database.start()
    with connect(own_database.url, application="tests") as conn:
        durable.conn = conn
        device = durable.device("t/a")
        device.send_all(messages(100))
        wait_until(lambda: len(results(durable)) == 100, "every row", 60)
        device.close()
