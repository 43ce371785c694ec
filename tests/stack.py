"""Broker, database and ingestor of a test's own, each a real process that can be killed and started again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cli.brokers import rights_of
from ingest.acts.enrolling import give_credential
from insitu.embedded.broker import Broker
from insitu.embedded.child import Child
from store import access, ledger, shards
from store.catalogue.devices import find_device
from store.database import Connection
from tests.forked import ForkedChild

NOW = datetime.now(UTC)


def wait_until(ready: Callable[[], bool], what: str, patience_s: float = 30) -> None:
    """Asks ever less often: after 20 ms first, after a tenth of a second at last."""
    began = time.monotonic()
    while not ready():
        waited = time.monotonic() - began
        assert waited < patience_s, f"{what} did not happen within {patience_s} s"
        time.sleep(min(max(0.02, waited / 20), 0.1))


class Stack:
    """`conn` is the test's own connection; `login` enrols devices."""

    def __init__(self, folder: Path, conn: Connection, database_url: str, broker: Broker) -> None:
        self.folder, self.conn, self.database_url, self.broker = folder, conn, database_url, broker
        self.tokens: dict[str, tuple[str, str]] = {}
        self.starts = 0
        self.ingestor: Child | None = None
        shards.ensure_shards(conn)
        conn.commit()

    # -- the ingestor

    def start(self, **environment: str) -> Child:
        """Start the ingestor and wait until its subscriptions exist."""
        child = self.launch(**environment)
        wait_until(self._ready, "the ingestor's subscription")
        return child

    def launch(self, **environment: str) -> Child:
        """Start the ingestor."""
        login = f"{quote(self.broker.service_username)}:{quote(self.broker.service_password)}"
        self.starts += 1
        self.ingestor = ForkedChild(
            ["ingest"],
            log=self.folder / f"ingest-{self.starts}.log",
            env={
                **os.environ,
                "INSITU_DATABASE_URL": self.database_url,
                "INSITU_MQTT_URL": f"mqtt://{login}@{self.broker.host}:{self.broker.port}",
                "INSITU_BROKER_LIFE_FILE": str(self.broker.life_file),
                "INSITU_MQTT_LOG": str(self.broker.log_file),
                "INSITU_BROKER_MONITOR_FILE": str(self.broker.monitor_file),
                **environment,
            },
        )
        self.ingestor.start()
        return self.ingestor

    def _ready(self) -> bool:
        assert self.ingestor is not None
        assert self.ingestor.poll() in (None, -9), self.ingestor.last_words(10)
        ready = shards.shards_ready(self.conn)
        self.conn.rollback()
        return ready

    def stop(self) -> None:
        if self.ingestor is not None:
            self.ingestor.stop()

    # -- devices

    def enrol(self, trial: str, device: str) -> None:
        """Gives a device a credential that is in force at the broker."""
        found = find_device(self.conn, trial, device)
        login = give_credential(self.conn, device_id=found.device_id, trial=trial, device=device, now=NOW)
        self.tokens[f"{trial}/{device}"] = (login.username, login.token)
        self.conn.commit()
        self.reload()

    def reload(self) -> None:
        """Hand the broker the credentials and rights of now."""
        users = [rights_of(c, c.nats_hash) for c in access.active_credentials(self.conn, NOW)]
        self.conn.rollback()
        self.broker.apply(users)

    def device(self, name: str) -> DeviceClient:
        return DeviceClient(self.broker, name, *self.tokens[name])

    # -- what became of it

    def received(self) -> int:
        """Number of messages in the ledger."""
        total = sum(line.received for line in ledger.totals(self.conn, None))
        self.conn.rollback()
        return total

    def wait_for(self, messages: int, patience_s: float = 30) -> None:
        wait_until(
            lambda: self.received() >= messages,
            f"{messages} messages in the ledger ({self.received()} so far)",
            patience_s,
        )

    def wait_for_each(self, messages: int, patience_s: float = 30) -> None:
        """The same without repeats: after a crash a repeat may come before the last message."""

        def arrived() -> int:
            found = sum(line.received - line.repeated for line in ledger.totals(self.conn, None))
            self.conn.rollback()
            return found

        wait_until(lambda: arrived() >= messages, f"{messages} messages ({arrived()} so far)", patience_s)

    def wait_acknowledged(self, patience_s: float = 30) -> None:
        """Until the broker has the acknowledgements of all that is in the ledger now: a heartbeat sent after
        them has come back.
        """
        seen: set[object] = set()

        def heard() -> bool:
            seen.update(self.rows("SELECT heartbeat_at FROM shard WHERE heartbeat_at IS NOT NULL"))
            return len(seen) > 3 * self.rows("SELECT count(*) FROM shard")[0][0]

        wait_until(heard, "three further heartbeats", patience_s)

    def rows(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        found = self.conn.execute(text, parameters).fetchall()
        self.conn.rollback()
        return found

    def reasons(self) -> list[str]:
        return [reason for (reason,) in self.rows("SELECT reason FROM reject ORDER BY reject_id")]


class DeviceClient:
    """A device with a paho client that hears its own receipts and refusals."""

    def __init__(self, broker: Broker, name: str, username: str, token: str) -> None:
        self.name, self.heard = name, list[tuple[str, dict[str, Any]]]()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, username.replace(".", ":"))
        self.client.username_pw_set(username, token)
        self.client.on_message = lambda _c, _d, m: self.heard.append(
            (m.topic.rpartition("/")[2], json.loads(m.payload))
        )
        self.client.max_inflight_messages_set(500)
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        wait_until(self.client.is_connected, f"{name} at the broker")
        for suffix in ("receipt", "rejected"):
            self.client.subscribe(f"insitu/v1/{name}/{suffix}", 0)

    def send(self, payload: bytes | dict[str, Any] | list[Any], suffix: str = "obs") -> None:
        """Publishes at QoS 1; returns when the broker has acknowledged it."""
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.client.publish(f"insitu/v1/{self.name}/{suffix}", content, qos=1).wait_for_publish(10)

    def send_all(self, payloads: Iterable[dict[str, Any]]) -> int:
        """Publishes many messages as fast as the window allows; returns their number when the last is
        acknowledged.
        """
        sent = [
            self.client.publish(f"insitu/v1/{self.name}/obs", json.dumps(p).encode(), qos=1) for p in payloads
        ]
        for one in sent:
            one.wait_for_publish(60)
        return len(sent)

    def hears(self, suffix: str, patience_s: float = 10) -> dict[str, Any]:
        """Returns the next message on a topic of the device."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [document for heard, document in self.heard if heard == suffix]
            return bool(found)

        wait_until(there, f"a message on …/{suffix}", patience_s)
        self.heard = [(heard, document) for heard, document in self.heard if document is not found[0]]
        return found[0]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def stamp(minutes_ago: float) -> str:
    """The time stamp of that many minutes ago, RFC 3339."""
    return (NOW - timedelta(minutes=minutes_ago)).isoformat()
