"""How long a batch waits for more messages."""

from __future__ import annotations

import threading
import time

from ingest.mqtt import BrokerAddress, Receiver
from insitu.clock import SYSTEM
from insitu.model import Message

NOWHERE = BrokerAddress("127.0.0.1", 1, "u", "p")
LONG_S = 30.0


def receiver_with(messages: int) -> Receiver:
    """As if these had just arrived."""
    receiver = Receiver(NOWHERE, client_id="c", filters=[], window=64, clock=SYSTEM, granted=())
    for number in range(messages):
        receiver._queue.put(Message("t", b"", number))
    return receiver


def test_a_full_batch_does_not_wait() -> None:
    began = time.monotonic()
    assert len(receiver_with(9).take(8, gather_s=LONG_S, wait_s=0)) == 8
    assert time.monotonic() - began < LONG_S / 2


def test_a_quarter_of_a_batch_does_not_wait_when_no_more_come() -> None:
    began = time.monotonic()
    assert len(receiver_with(2).take(8, gather_s=LONG_S, wait_s=0)) == 2
    assert time.monotonic() - began < LONG_S / 2


def test_less_than_a_quarter_waits_for_its_time() -> None:
    began = time.monotonic()
    assert len(receiver_with(1).take(8, gather_s=0.2, wait_s=0)) == 1
    assert time.monotonic() - began >= 0.2


def test_what_comes_meanwhile_belongs_to_the_batch() -> None:
    receiver = receiver_with(1)

    def send() -> None:
        for number in range(7):
            time.sleep(0.01)
            receiver._queue.put(Message("t", b"", number))

    sender = threading.Thread(target=send)
    sender.start()
    taken = receiver.take(32, gather_s=LONG_S, wait_s=0)
    sender.join()
    assert len(taken) == 8
