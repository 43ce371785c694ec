"""One device floods with 200 kB messages as fast as it can; another one hardly notices, and memory and disk
stay bounded.

It lasts five seconds, and ten at night; with INSITU_FLOOD_S=60 and -s it prints the figures of a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cli.brokers import rights_of
from store import access, ledger, shards
from store.database import connect
from tests.fix_catalogue import SmallTrial
from tests.ingest.flooder import KINDS
from tests.pulse import stretch
from tests.stack import NOW, Stack, wait_until

pytestmark = pytest.mark.long

SECONDS = float(os.environ.get("INSITU_FLOOD_S", "5"))
REJECT_BYTES = 1_048_576


@contextmanager
def broker_owner(stack: Stack) -> Iterator[None]:
    """Hands changed credentials to the broker, as `insitu up` does."""
    over = threading.Event()

    def look_after() -> None:
        with connect(stack.database_url, application="tests owner") as conn:
            expiry = None
            while not over.wait(0.2):
                state, now = access.broker_state(conn), datetime.now(UTC)
                if state.wanted != state.applied or (expiry is not None and now >= expiry):
                    found = access.active_credentials(conn, now)
                    stack.broker.apply([rights_of(c, c.nats_hash) for c in found])
                    access.broker_applied(conn, version=state.wanted, at=now)
                    expiry = access.next_expiry(conn, now)
                conn.commit()

    thread = threading.Thread(target=look_after, daemon=True)
    thread.start()
    wait_until(
        lambda: bool(stack.rows("SELECT 1 FROM broker_state WHERE applied_at IS NOT NULL")),
        "the broker's users",
    )
    yield
    over.set()
    thread.join(30)


@dataclass(frozen=True)
class Steady:
    """Seconds from acknowledgement to row, in order of publishing."""

    latencies: np.ndarray
    acknowledge: np.ndarray


def steady(stack: Stack, datastream_id: int, seconds: float) -> Steady:
    """Device `t/b` publishes a small message every 50 ms; a connection of its own looks for each row."""
    acked: dict[int, float] = {}
    took: list[float] = []
    seen: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        with connect(stack.database_url, application="tests rows", autocommit=True) as conn:
            while not over.is_set() or (len(seen) < len(acked) and time.monotonic() < limit):
                statement = "SELECT result FROM observation WHERE datastream_id = %s AND result >= %s"
                for (number,) in conn.execute(statement, (datastream_id, max(seen, default=-1) + 1)):
                    seen[int(number)] = time.monotonic()
                time.sleep(0.005)

    limit = time.monotonic() + seconds + 60
    watcher = threading.Thread(target=look)
    watcher.start()
    device = stack.device("t/b")
    start = time.monotonic()
    for number in range(int(seconds / 0.05)):
        time.sleep(max(0.0, start + number * 0.05 - time.monotonic()))
        document = {"boot": "steady", "seq": number, "time": time.time(), "results": {"pm25": number}}
        began = time.monotonic()
        device.send(document)
        acked[number] = time.monotonic()
        took.append(acked[number] - began)
    over.set()
    watcher.join(90)
    device.close()
    assert sorted(seen) == sorted(acked), "every acknowledged message of the other device is a row"
    return Steady(np.array([seen[n] - acked[n] for n in sorted(acked)]), np.array(took))


def peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("seconds", [SECONDS, pytest.param(2 * SECONDS, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_flood_costs_its_own_device_only(
    stack: Stack, catalogue: SmallTrial, kind: str, seconds: float
) -> None:
    username, token = stack.tokens["t/a"]
    before = stretch()
    with broker_owner(stack):
        command = [
            sys.executable,
            "-m",
            "tests.ingest.flooder",
            stack.broker.host,
            str(stack.broker.port),
            username,
            token,
        ]
        loud = subprocess.Popen(
            [*command, "insitu/v1/t/a/obs", kind, str(seconds)], stdout=subprocess.PIPE, text=True
        )
        other = steady(stack, catalogue.datastreams["b", "pm25"], seconds)
        said = loud.communicate(timeout=60)[0].split()
        acknowledged = int(said[0])
        # Messages on their way when the connection was cut may have arrived without an acknowledgement.
        wait_until(lambda: settled(stack, acknowledged), "the end of the flood's backlog", 120)
    slower = max(before, stretch())
    assert stack.ingestor is not None
    assert stack.ingestor.pid is not None
    p50, p99, most = np.quantile(other.latencies, [0.5, 0.99, 1])
    memory = peak_mb(stack.ingestor.pid)
    ((kept, disk),) = stack.rows(
        "SELECT coalesce(sum(length(payload)), 0), pg_total_relation_size('reject') FROM reject"
    )
    suspended = stack.rows("SELECT suspensions, suspended_step FROM credential WHERE username = %s", username)
    ((disconnects,),) = stack.rows("SELECT disconnects FROM shard")
    sys.stdout.write(
        f"\n{kind}, {seconds:.0f} s: flood acknowledged {acknowledged}, connections {said[1]}, turned away "
        f"{said[2]}; other device "
        f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, max {most * 1000:.0f} ms, PUBACK p99 "
        f"{np.quantile(other.acknowledge, 0.99) * 1000:.0f} ms; ingestor peak {memory:.0f} MB; rejects "
        f"{kept} B kept, {disk} B on disk; "
        f"suspensions {suspended}, disconnects {disconnects}; reasons "
        f"{stack.rows('SELECT reason, messages FROM ledger_reason ORDER BY 1')}; "
        f"machine {slower:.1f} times as slow as alone; worst at {np.argsort(other.latencies)[-12:] * 0.05}\n"
    )
    assert p99 < 1.0 * slower
    assert memory < 300
    assert kept <= REJECT_BYTES
    assert disk < 8 * REJECT_BYTES
    assert disconnects == 0, "the broker never takes the ingestor for a slow consumer"
    assert suspended[0][0] >= 1
    assert ledger.recount(stack.conn) == []


def settled(stack: Stack, acknowledged: int) -> bool:
    """Every message of the flood is counted, and nothing waits."""
    found = shards.health(stack.conn)
    stack.conn.rollback()
    ((received,),) = stack.rows(
        "SELECT coalesce(sum(received), 0) FROM ledger WHERE device = 'a' AND reject_id = 0"
    )
    return received >= acknowledged and found.pending == 0


def test_a_refusal_beyond_the_quota_says_that_it_was_not_kept(stack: Stack) -> None:
    stack.stop()
    stack.start(INSITU_REJECT_BYTES_PER_HOUR="2000")
    device = stack.device("t/a")
    for _ in range(9):
        device.send(b"\xff" + b"x" * 999)
    stack.wait_for(9)
    assert stack.rows("SELECT count(*) FROM reject") == [(1,)]
    assert stack.rows("SELECT reason, messages, bytes FROM reject_overflow") == [("unparsable", 8, 8000)]
    assert ledger.recount(stack.conn) == []
    wait_until(lambda: sum("not kept" in json.dumps(said) for _, said in device.heard) == 8, "the refusals")
    device.close()
    assert stack.rows("SELECT first_at >= %s FROM reject_overflow", NOW) == [(True,)]
