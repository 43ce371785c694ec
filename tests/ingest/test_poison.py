"""A poisonous message, which the database cannot hold or on which we fail, never affects its neighbours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ingest.decode import DECODERS, Decoded, Unreadable
from ingest.ingestor import run_ingestor
from ingest.mqtt import BrokerAddress
from insitu.clock import SYSTEM
from insitu.settings import Settings
from store.ledger import recount
from tests.stack import Stack, stamp, wait_until


def defective(payload: bytes, _received_us: int) -> Decoded | Unreadable:
    raise OverflowError(f"cannot count to {len(payload)}")


@contextmanager
def ingesting(stack: Stack) -> Iterator[None]:
    """An ingestor in this process, so that a test can give it a broken decoder."""
    broker = stack.broker
    address = BrokerAddress(broker.host, broker.port, broker.service_username, broker.service_password)
    ended: list[BaseException] = []
    stop = threading.Event()

    def run() -> None:
        try:
            run_ingestor(Settings(), database_url=stack.database_url, broker=address, clock=SYSTEM, stop=stop)
        except BaseException as error:
            ended.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(40)
    assert ended == []


def test_a_message_on_which_we_fail_is_kept_and_its_neighbours_are_stored(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.stop()
    device = stack.device("t/a")
    for n in range(40):
        device.send({"boot": "b", "seq": n, "time": stamp(100 - n), "results": {"pm25": n}})
        if n in (3, 17, 18):
            device.send(f"air pm25={n}".encode(), "influx")
    with monkeypatch.context() as patched, ingesting(stack):
        patched.setitem(DECODERS, "influx", defective)
        stack.wait_for(43)
    assert stack.rows("SELECT count(*) FROM observation") == [(40,)]
    assert stack.reasons() == ["internal_error"] * 3
    assert stack.rows("SELECT detail, payload, trial, device FROM reject ORDER BY reject_id")[0] == (
        "Insitu failed on this message: OverflowError('cannot count to 10')",
        b"air pm25=3",
        "t",
        "a",
    )
    assert device.hears("rejected")["reason"] == "internal_error"
    assert recount(stack.conn) == []
    with ingesting(stack):
        device.send({"boot": "b", "seq": 40, "time": stamp(1), "results": {"pm25": 40}})
        stack.wait_for(44)
    device.close()


def test_a_row_that_the_database_cannot_hold_is_refused_alone_and_its_seq_is_accounted_for(
    stack: Stack,
) -> None:
    stack.conn.execute("ALTER TABLE observation ADD CHECK (result <> 17)")
    stack.conn.commit()
    device = stack.device("t/a")
    for n in range(40):
        device.client.publish(
            "insitu/v1/t/a/obs",
            f'{{"boot":"b","seq":{n},"time":"{stamp(100 - n)}","results":{{"pm25":{n}}}}}',
            qos=1,
        )
    stack.wait_for(40)
    assert stack.rows("SELECT count(*) FROM observation") == [(39,)]
    assert stack.reasons() == ["database_refused"]
    assert recount(stack.conn) == []
    wait_until(lambda: ("receipt", {"boot": "b", "seq": 39, "missing": []}) in device.heard, "the receipt")
    device.close()


def test_numbers_at_the_edge_of_what_can_be_held_stop_nobody(stack: Stack) -> None:
    """A `seq` whose successor is not a bigint, and status times outside every calendar."""
    device = stack.device("t/a")
    device.send({"boot": "k", "seq": 2**63 - 1, "results": {"pm25": 1}})
    device.send({"boot": "k", "seq": 2**63 - 2, "time": stamp(3), "results": {"pm25": 1}})
    device.send({"state": "online", "time": -90_000_000_000}, "status")
    device.send({"state": "online", "time": "0001-01-01T00:00:00+23:59"}, "status")
    device.send({"time": -90_000_000_000, "results": {"pm25": 1}})
    device.send([{"n": "pm25", "v": 1, "t": -99_999_999_999}], "senml")
    stack.wait_for(6)
    assert stack.reasons() == ["invalid_shape", "clock_out_of_range", "clock_out_of_range"]
    assert stack.rows("SELECT count(*) FROM observation") == [(1,)]
    assert stack.rows("SELECT count(*) FROM device_status WHERE at < '2000-01-01'") == [(0,)]
    assert recount(stack.conn) == []
    device.close()
