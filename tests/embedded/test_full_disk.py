"""After a full disk has room again, everything goes on and every acknowledged message is there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from insitu.embedded.broker import Broker
from insitu.embedded.configuration import store_limit
from insitu.embedded.postgres import Postgres
from insitu.errors import FreeSpace
from tests.embedded.small_disk import SmallDisk, small_disk
from tests.embedded.test_broker import Client, device, eventually, service
from tests.embedded.test_interrupted import folder

__all__ = ["folder"]


@pytest.fixture
def disk(folder: Path) -> Iterator[SmallDisk]:
    with small_disk(folder / "disk", megabytes=64) as place:
        yield place


def with_session(broker: Broker) -> None:
    """An ingestor that was connected once and is away: the broker keeps messages for it."""
    ingestor = service(broker)
    assert ingestor.connected.wait(5)
    subscribed = []
    ingestor.paho.on_subscribe = lambda *_: subscribed.append(1)
    ingestor.paho.subscribe("insitu/v1/+/+/obs", 1)
    assert eventually(lambda: subscribed)
    ingestor.close()


def publish(broker: Broker, count: int, *, size: int = 20_000, patience_s: float = 2.0) -> list[bytes]:
    """Publishes until a message is not acknowledged; returns the acknowledged ones."""
    client = Client(broker, "t.a", "secret-a", "a")
    acknowledged = []
    if client.connected.wait(5):
        for _ in range(count):
            payload = os.urandom(size)
            info = client.publish("insitu/v1/t/a/obs", payload)
            try:
                info.wait_for_publish(patience_s)
            except RuntimeError:
                break
            if not info.is_published():
                break
            acknowledged.append(payload)
    client.close()
    return acknowledged


def heard(broker: Broker, count: int) -> set[bytes]:
    ingestor = service(broker)
    assert ingestor.connected.wait(10)
    eventually(lambda: len(ingestor.heard) >= count, 10)
    found = {payload for _, payload in ingestor.heard}
    ingestor.close()
    return found


def test_a_broker_keeps_the_write_error_of_a_full_disk_says_so_and_a_new_one_has_all_that_was_acknowledged(
    disk: SmallDisk,
) -> None:
    broker = Broker(data_dir=disk.folder / "data")
    users = [device("a", "secret-a")]
    for _ in broker.starting(users):
        time.sleep(0.01)
    try:
        with_session(broker)
        acknowledged = publish(broker, 20)
        assert len(acknowledged) == 20
        assert broker.write_error() is None
        disk.fill(leave=200_000)
        acknowledged += publish(broker, 100)
        assert len(acknowledged) < 120
        assert eventually(lambda: "no space left" in (broker.write_error() or ""))
        disk.empty()
        time.sleep(1)
        assert publish(broker, 1) == []  # NATS never recovers by itself
        broker.stop()
        for _ in broker.starting(users):
            time.sleep(0.01)
        assert broker.write_error() is None
        more = publish(broker, 5)
        assert len(more) == 5
        assert heard(broker, len(acknowledged) + 5) >= {*acknowledged, *more}
    finally:
        broker.stop()


def test_what_a_broker_says_on_a_disk_without_a_byte_is_still_read(disk: SmallDisk) -> None:
    broker = Broker(data_dir=disk.folder / "data")
    broker.start()
    try:
        broker.apply([device("a", "secret-a")])
        with_session(broker)
        for _ in range(200):  # the log grows beyond the size reserved at the start
            with (disk.folder / "data" / "broker" / "server.log").open("a") as log:
                log.write("[INF] " + "x" * 2000 + "\n")
        broker.bound_log()
        disk.fill()
        broker.bound_log()  # finds no room, and does not complain
        publish(broker, 100)
        assert eventually(lambda: broker.write_error() is not None)
        broker.apply([])  # a credential ends without any space
        assert broker.poll() is None
    finally:
        broker.stop()


def test_a_broker_that_is_started_on_a_full_disk_asks_for_space_and_starts_when_there_is_some(
    disk: SmallDisk,
) -> None:
    broker = Broker(data_dir=disk.folder / "data")
    broker.start()
    broker.apply([device("a", "secret-a")])
    with_session(broker)
    acknowledged = publish(broker, 10)
    broker.stop()
    disk.fill()
    for _ in range(2):
        with pytest.raises(FreeSpace):
            broker.start()
        assert broker.poll() is not None
    disk.empty()
    broker.start()
    try:
        assert len(acknowledged) == 10
        assert heard(broker, 10) >= set(acknowledged)
    finally:
        broker.stop()


@pytest.mark.parametrize("leave", [600_000, 3_000_000])
def test_a_restart_on_a_nearly_full_disk_keeps_its_store_and_lets_the_ingestor_drain_it(
    disk: SmallDisk, leave: int
) -> None:
    """With a cap below the stored bytes the broker lets nobody in; with one below the stream's own cap it
    refuses to change the stream.
    """
    broker = Broker(data_dir=disk.folder / "data")
    broker.start()
    broker.apply([device("a", "secret-a")])
    with_session(broker)
    assert broker.protect_store()
    acknowledged = publish(broker, 500)
    assert len(acknowledged) > 400
    broker.stop()
    disk.fill(leave=leave)
    broker.start()
    try:
        assert broker.protect_store()
        assert heard(broker, len(acknowledged)) >= set(acknowledged)
        disk.empty()
    finally:
        broker.stop()
    broker.start()
    try:
        assert broker.protect_store()
        assert len(publish(broker, 20)) == 20
    finally:
        broker.stop()


def test_a_store_may_hold_what_it_holds_and_a_third_of_what_is_free(disk: SmallDisk) -> None:
    store = disk.folder / "store"
    store.mkdir()
    (store / "block").write_bytes(b"x" * 8_000_000)
    held = (store / "block").stat().st_blocks * 512
    assert store_limit(store, 10**12) == held + disk.free() // 3
    assert store_limit(store, 9_000_000) == 9_000_000
    assert store_limit(store, 1_000_000) == held
    disk.fill()
    assert store_limit(store, 10**12) == held


def test_postgres_on_a_disk_that_was_full_starts_again_with_all_that_was_committed(folder: Path) -> None:
    with small_disk(folder / "large", megabytes=300) as disk:
        server = Postgres(data_dir=disk.folder / "data")
        server.start()
        with psycopg.connect(server.url) as conn:
            conn.execute("CREATE TABLE kept (n int)")
            conn.execute("INSERT INTO kept VALUES (7)")
        server.stop()
        (disk.folder / "data" / "pg" / "postmaster.opts").unlink(missing_ok=True)
        disk.fill()
        for _ in range(2):
            with pytest.raises(FreeSpace):
                server.start()
            assert server.poll() is not None
        disk.empty()
        server.start()
        with psycopg.connect(server.url) as conn:
            assert conn.execute("SELECT n FROM kept").fetchone() == (7,)
        server.stop()


@pytest.mark.parametrize("free", [3, 30, 50, 65])
def test_a_first_start_on_a_disk_that_is_too_small_asks_for_space_and_goes_on_when_there_is_some(
    folder: Path, free: int
) -> None:
    """The disk fills up while the programs are copied, while initdb writes, or while the server starts."""
    with small_disk(folder / "large", megabytes=300) as disk:
        disk.fill(leave=free * 1_000_000)
        server = Postgres(data_dir=disk.folder / "data", durable=False)
        with pytest.raises(FreeSpace):
            server.start()
        disk.empty()
        server.start()
        with psycopg.connect(server.url) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
        server.stop()
        assert not list((disk.folder / "data").glob("pg.*-*"))
