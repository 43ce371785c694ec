"""Equal messages without time and `seq`: only their delivery distinguishes them, and it must never merge two
of them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.deliveries import BrokerLife, PacketIds, Turn, repeatable
from ingest.mqtt import BrokerAddress, Receiver
from insitu.clock import SYSTEM
from insitu.model import Message
from store.database import Connection
from store.deliveries import drop_deliveries
from store.shards import hold_for_batch
from tests.examples import some_of
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_batch import T0, ingest, message, sums
from tests.stack import DeviceClient, Stack, wait_until

pytestmark = pytest.mark.long

CONSTANT = {"results": {"pm25": 7.5}}
PART = 60


def constants(device: DeviceClient, count: int) -> None:
    device.send_all([CONSTANT] * count)


def rows(stack: Stack) -> int:
    return int(stack.rows("SELECT count(*) FROM observation")[0][0])


def settle(stack: Stack, at_least: int) -> int:
    """Number of rows, once everything that the broker keeps is committed."""
    wait_until(lambda: rows(stack) >= at_least, f"{at_least} rows ({rows(stack)} so far)", 30)
    before = -1
    while before != stack.received():
        before = stack.received()
        threading.Event().wait(2.5)  # longer than the broker's ack_wait: nothing more comes again
    return rows(stack)


# -- the broker's life


@pytest.mark.parametrize(
    ("end", "in_flight"), some_of([("kill", True), ("kill", False), ("stop", False), ("stop", True)], every=2)
)
def test_constant_values_before_and_after_a_broker_restart_are_all_stored(
    stack: Stack, end: str, in_flight: bool
) -> None:
    """Once with an ingestor that has committed and acknowledged everything, and once with one that is paused
    during a batch.
    """
    device = stack.device("t/a")
    constants(device, PART)
    stack.wait_for(PART)
    stack.wait_acknowledged()
    doubled = 0
    if in_flight:
        assert stack.ingestor is not None
        assert stack.ingestor.pid is not None
        os.kill(stack.ingestor.pid, signal.SIGSTOP)
        constants(device, PART)
        doubled = PART  # delivered but not acknowledged: these may come again as new
    device.close()
    getattr(stack.broker, end)()
    stack.broker.start()
    if in_flight:
        assert stack.ingestor is not None
        assert stack.ingestor.pid is not None
        os.kill(stack.ingestor.pid, signal.SIGCONT)
    after = stack.device("t/a")
    constants(after, PART)
    after.close()
    sent = PART * (3 if in_flight else 2)
    found = settle(stack, sent)
    assert sent <= found <= sent + doubled
    assert stack.reasons() == []


def test_constant_values_survive_many_lives_of_the_broker(stack: Stack) -> None:
    for _ in range(4):
        device = stack.device("t/a")
        constants(device, 30)
        stack.wait_for(30)
        device.close()
        stack.broker.kill()
        stack.broker.start()
    last = stack.device("t/a")
    constants(last, 30)
    last.close()
    # If the killed server had not recorded an acknowledgement, the message comes again as new.
    assert 150 <= settle(stack, 150) <= 300


@pytest.mark.parametrize(
    ("point", "times"),
    some_of([("before_commit", 2), ("before_commit", 1), ("after_commit", 1), ("after_commit", 2)], every=2),
)
def test_constant_values_through_a_kill_of_the_ingestor_are_exactly_stored(
    stack: Stack, point: str, times: int
) -> None:
    stack.stop()
    child = stack.start(INSITU_FAILPOINT=f"{point}:{times}", INSITU_BATCH_MESSAGES="40")
    device = stack.device("t/a")
    constants(device, 200)
    wait_until(lambda: child.poll() is not None, "the kill")
    stack.start()
    assert settle(stack, 200) == 200
    constants(device, 40)
    assert settle(stack, 240) == 240
    device.close()


def test_a_life_is_named_by_the_file_only_while_the_file_stays_the_same(tmp_path: Path) -> None:
    file = tmp_path / "life"
    life = BrokerLife(file)

    def connect(during: Callable[[], object] = lambda: None) -> str:
        life.before()
        during()
        return life.named()

    unknown = {connect() for _ in range(3)}
    file.write_text("one")
    assert connect() == connect() == "one"
    changed = connect(lambda: file.write_text("two"))
    assert len({*unknown, changed, "one", "two"}) == 6
    assert connect() == "two"
    file.write_text("")
    assert connect() != connect()


# -- the turn of the packet ids


def test_a_marked_repeat_is_one_only_in_its_life_and_before_its_id_can_come_round(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """The broker also marks a first delivery if an earlier try of its own failed: then only the scope
    decides.
    """
    ingest(conn, [message(CONSTANT, mid=9)], turn=Turn(1, 50))
    repeat = message(CONSTANT, mid=9, at=T0 + 1_000_000, repeat=True)
    ingest(conn, [repeat], turn=Turn(50, 50))
    assert (sums(conn).stored, sums(conn).repeated) == (1, 1)
    ingest(conn, [repeat._replace(life="another", received_us=T0 + 2_000_000)], turn=Turn(50, 50))
    assert sums(conn).stored == 2
    ingest(conn, [repeat._replace(received_us=T0 + 3_000_000)], turn=Turn(51, 50))
    assert (sums(conn).stored, sums(conn).repeated) == (3, 1)


def test_a_repeat_whose_id_may_come_round_at_once_is_never_known_again(
    conn: Connection, catalogue: SmallTrial
) -> None:
    near = message(CONSTANT, mid=9, repeat=True)._replace(life="x", is_far=False)
    for again, stored in (
        (0, 1),
        (0, 1),
        (1_000_000, 2),
        (2_000_000, 3),
    ):  # its own second try, then two of the broker's
        ingest(conn, [near._replace(received_us=T0 + again)], turn=Turn(1, 50))
        assert sums(conn).stored == stored


def test_how_far_an_id_is_from_coming_round() -> None:
    ids = PacketIds(window=4, ids=100)
    assert (
        repeatable(4, 100) == 44
    )  # an id is given again after 96 others; 4 of them before its commit, 4 after the last
    ids.begin("one")
    assert not ids.is_far(70, repeat=True)  # nothing is known of the others
    assert ids.is_far(50, repeat=False)
    assert ids.is_far(12, repeat=True)  # 62 ahead, 1 may have been given since: 61 >= 44 + 4 * 4
    assert not ids.is_far(11, repeat=True)  # 61 ahead, 2 since
    assert ids.is_far(49, repeat=True)
    ids.begin("one")
    assert ids.is_far(49, repeat=True)
    ids.begin("two")
    assert not ids.is_far(49, repeat=True)


def test_a_batch_whose_commit_was_not_answered_is_stored_once(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """The ingestor tries the batch again unchanged. The broker has not marked it, but it is the same message,
    since it was received once.
    """
    batch = [message(CONSTANT, mid=mid, at=T0 + mid * 1_000_000) for mid in (3, 4)]
    ingest(conn, batch, turn=Turn(2, 50))
    ingest(conn, batch, turn=Turn(4, 50))
    assert (sums(conn).stored, sums(conn).repeated) == (2, 2)
    ingest(conn, [batch[0]._replace(received_us=T0 + 60_000_000)], turn=Turn(5, 50))
    assert sums(conn).stored == 3


def test_deliveries_are_dropped_once_their_ids_may_have_come_round(
    conn: Connection, catalogue: SmallTrial
) -> None:
    for number in (10, 20, 30):
        ingest(conn, [message(CONSTANT, mid=number, at=T0 + number)], turn=Turn(number, 50))
    assert drop_deliveries(conn, "session", upto=20) == 2
    conn.rollback()


def test_the_count_of_a_session_grows_with_its_commits_only(conn: Connection) -> None:
    conn.execute("INSERT INTO shard (shard_id, client_id, filters, holder) VALUES (0, 'c', '{}', 'me')")
    assert [hold_for_batch(conn, "me", 0, messages=n) for n in (5, 0, 7)] == [5, 5, 12]
    conn.commit()
    assert hold_for_batch(conn, "me", 0, messages=9) == 21
    conn.rollback()
    assert hold_for_batch(conn, "me", 0, messages=1) == 13
    assert hold_for_batch(conn, "another", 0, messages=1) is None
    conn.rollback()


class UnkindBroker:
    """An MQTT server for one client: it has few packet ids and reuses them without waiting for
    acknowledgements.
    """

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._link: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._link, _ = self._server.accept()
        answers = {1: lambda _: b"\x20\x02\x00\x00", 8: lambda body: b"\x90\x04" + body[:2] + b"\x01\x01"}
        with self._link.makefile("rb") as stream:
            while head := stream.read(1):
                length, shift = 0, 0
                while True:
                    digit = stream.read(1)[0]
                    length |= (digit & 127) << shift
                    shift += 7
                    if digit < 128:
                        break
                body = stream.read(length)
                answer = answers.get(head[0] >> 4)
                if answer is not None:
                    self._link.sendall(answer(body))

    def publish(self, topic: str, payload: bytes, mid: int, *, repeat: bool) -> None:
        assert self._link is not None
        body = struct.pack(">H", len(topic)) + topic.encode() + struct.pack(">H", mid) + payload
        assert len(body) < 128
        self._link.sendall(bytes([0x32 | repeat << 3, len(body)]) + body)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._server.close()


@pytest.fixture
def unkind() -> Iterator[UnkindBroker]:
    broker = UnkindBroker()
    yield broker
    broker.close()


def test_a_broker_that_gives_an_id_again_before_our_acknowledgement_loses_no_message(
    unkind: UnkindBroker,
) -> None:
    address = BrokerAddress("127.0.0.1", unkind.port, "u", "p")
    receiver = Receiver(address, client_id="c", filters=["t"], window=64, clock=SYSTEM, granted=())
    receiver.start()
    assert receiver.wait_granted(10)
    for number in range(30):
        unkind.publish("insitu/v1/t/a/obs", json.dumps(CONSTANT).encode(), number % 3 + 1, repeat=False)
    unkind.publish("insitu/v1/t/a/obs", json.dumps(CONSTANT).encode(), 1, repeat=True)  # a copy of it
    unkind.publish("last", b"", 9, repeat=False)
    taken: list[Message] = []

    def last_came() -> bool:
        taken.extend(receiver.take(100, gather_s=0, wait_s=0.1))
        return bool(taken) and taken[-1].topic == "last"

    wait_until(last_came, "the last message")
    assert [message.mid for message in taken] == [n % 3 + 1 for n in range(30)] + [9]
    receiver.stop()
