"""An ingestor whose client id everybody knows: no device can take its session, so no acknowledged message is
lost. The attackers are plain paho clients.
"""

from __future__ import annotations

import threading
import time

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.mqtt import BrokerAddress
from ingest.policy import Probe
from ingest.takeover import prove_ids
from insitu.embedded.broker import Broker
from insitu.embedded.users import BrokerUser, device_user, hash_token
from insitu.errors import InsituError
from store.ledger import recount
from tests.stack import Stack, stamp, wait_until


class Attack:
    """Signs in with one client id, again and again, with and without a clean session."""

    def __init__(self, broker: Broker, username: str, token: str, client_id: str) -> None:
        self._broker, self._login, self._client_id = broker, (username, token), client_id
        self._stop = threading.Event()
        self.tries = self.let_in = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            for clean in (True, False):
                self.tries += 1
                self._try(clean=clean)

    def _try(self, *, clean: bool) -> None:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self._client_id, clean_session=clean, reconnect_on_failure=False
        )
        client.username_pw_set(*self._login)
        answered = threading.Event()
        codes: list[bool] = []

        def on_connect(_c: object, _d: object, _f: object, code: object, _p: object) -> None:
            codes.append(code.is_failure)  # type: ignore[attr-defined]
            answered.set()

        client.on_connect = on_connect
        client.on_disconnect = lambda *_: answered.set()
        try:
            client.connect(self._broker.host, self._broker.port)
        except OSError:
            time.sleep(0.05)
            return
        client.loop_start()
        answered.wait(5)
        self.let_in += codes == [False]
        client.disconnect()
        client.loop_stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("crash", [False, True])
def test_a_hundred_of_a_hundred_messages_are_rows_although_devices_attack_the_ingestor(
    stack: Stack, crash: bool
) -> None:
    ((client_id,),) = stack.rows("SELECT client_id FROM shard")
    attacks = [Attack(stack.broker, *stack.tokens["t/b"], client_id) for _ in range(2)]
    device = stack.device("t/a")
    try:
        for number in range(100):
            if crash and number == 50:
                assert stack.ingestor is not None
                stack.ingestor.kill()
                stack.broker.kill()
                stack.broker.start()
                stack.launch()
                wait_until(device.client.is_connected, "the device at the broker again")
            device.send({"boot": "b", "seq": number, "time": stamp(number), "results": {"pm25": number}})
        stack.wait_for_each(100)
    finally:
        for attack in attacks:
            attack.stop()
        device.close()
    assert min(attack.tries for attack in attacks) >= 5
    assert [attack.let_in for attack in attacks] == [0, 0]
    assert stack.rows("SELECT count(*), count(DISTINCT result) FROM observation") == [(100, 100)]
    assert recount(stack.conn) == []
    (disconnects,) = stack.rows("SELECT sum(disconnects)::int FROM shard")
    assert crash or disconnects == (0,)
    said = "".join(path.read_text("utf-8", "replace") for path in stack.folder.glob("ingest-*.log"))
    assert client_id not in said
    seen = stack.rows("SELECT username, kind, last_topic FROM broker_event")
    assert all(client_id not in last for _, _, last in seen)


@pytest.mark.long
def test_check_finds_nothing_at_our_own_broker(broker: Broker) -> None:
    first, second = probes()
    broker.apply(users())
    for _ in range(3):  # it leaves nothing behind that disturbs the next time
        assert "can neither end" in prove_ids(address(broker), address(broker), first, second)


@pytest.mark.long
def test_check_finds_a_broker_that_asks_nobody_whose_an_id_is(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("insitu.embedded.client_ids.ClientIds.claim", lambda *_, **__: None)
    first, second = probes()
    broker.apply(users())
    with pytest.raises(InsituError) as found:
        prove_ids(address(broker), address(broker), first, second)
    for hole in (
        "end the connection",
        "wait for another device",
        "wait for the ingestor",
        "Bind each client id",
    ):
        assert hole in str(found.value)


def probes() -> tuple[Probe, Probe]:
    return Probe("a", "check.a", "token-a"), Probe("b", "check.b", "token-b")


def users() -> list[BrokerUser]:
    return [device_user(f"check.{d}", hash_token(f"token-{d}"), "check", d) for d in "ab"]


def address(broker: Broker) -> BrokerAddress:
    return BrokerAddress(broker.host, broker.port, broker.service_username, broker.service_password)
