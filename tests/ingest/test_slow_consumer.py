"""However large the messages are, the embedded broker never treats the ingestor as a slow consumer."""

from __future__ import annotations

import time

import pytest

from store import ledger
from tests.stack import Stack, wait_until

pytestmark = pytest.mark.long


def test_a_window_of_large_messages_that_wait_for_the_database_does_not_end_the_connection(
    stack: Stack,
) -> None:
    """80 MB wait: more than the ingestor reads ahead, and more than the 64 MB that NATS itself holds for a
    client.
    """
    stack.stop()
    stack.start(INSITU_DEVICE_BURST_BYTES="1000000000")
    stack.conn.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
    device = stack.device("t/a")
    for number in range(400):
        device.send(b"\xff" + number.to_bytes(4, "big") + bytes(200_000))
    time.sleep(12)  # longer than the ten seconds after which NATS drops a client that does not read
    stack.conn.rollback()
    wait_until(
        lambda: stack.rows("SELECT coalesce(sum(received - repeated), 0) FROM ledger") == [(400,)],
        "every message in the ledger",
        120,
    )
    device.close()
    assert stack.rows("SELECT disconnects FROM shard") == [(0,)]
    log = (stack.broker._folder / "server.log").read_text("utf-8")
    assert "Slow Consumer" not in log
    assert ledger.recount(stack.conn) == []
