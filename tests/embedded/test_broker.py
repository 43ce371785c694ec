from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from insitu.embedded.broker import Broker
from insitu.embedded.logs import Tail
from insitu.embedded.process import Process, is_running
from insitu.embedded.users import BrokerUser, hash_token, probe_token, subject
from insitu.errors import FreePort, InsituError
from insitu.wire import PROBE


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="insitu bröker ") as name:
        yield Path(name)


@pytest.fixture
def broker(folder: Path) -> Iterator[Broker]:
    server = Broker(data_dir=folder)
    server.start()
    yield server
    server.stop()


def device(name: str, token: str) -> BrokerUser:
    below = f"insitu/v1/t/{name}"
    return BrokerUser(
        f"t.{name}", hash_token(token), (f"{below}/obs", f"{below}/status"), (f"{below}/receipt",)
    )


class Client:
    """A paho client that records the messages it receives."""

    def __init__(
        self, broker: Broker, username: str, password: str, client_id: str, clean: bool = True
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.connected = threading.Event()
        self.refused = threading.Event()
        self.cut = threading.Event()
        self.paho = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean)
        self.paho.username_pw_set(username, password)
        self.paho.on_connect = lambda *a: (self.refused if a[3].is_failure else self.connected).set()
        self.paho.on_disconnect = lambda *_: self.cut.set()
        self.paho.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload))
        self.paho.connect(broker.host, broker.port)
        self.paho.loop_start()

    def publish(self, topic: str, payload: bytes = b"x") -> mqtt.MQTTMessageInfo:
        return self.paho.publish(topic, payload, qos=1)

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def service(broker: Broker, client_id: str = "shard", clean: bool = False) -> Client:
    return Client(broker, broker.service_username, broker.service_password, client_id, clean)


def eventually(condition: object, timeout_s: float = 10) -> bool:
    limit = time.monotonic() + timeout_s
    while time.monotonic() < limit:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_a_filter_becomes_a_subject() -> None:
    assert subject("insitu/v1/+/a.b/#") == "insitu.v1.*.a//b.>"


def test_a_device_publishes_below_its_own_name_only(broker: Broker) -> None:
    broker.apply([device("a", "secret-a"), device("b", "secret-b")])
    ingestor = service(broker)
    assert ingestor.connected.wait(5)
    ingestor.paho.subscribe("insitu/v1/+/+/obs", 1)
    time.sleep(0.3)
    a = Client(broker, "t.a", "secret-a", "a")
    assert a.connected.wait(5)
    a.publish("insitu/v1/t/b/obs", b"forged")
    time.sleep(0.3)
    b = Client(broker, "t.b", "secret-b", "b")
    assert b.connected.wait(5)
    b.publish("insitu/v1/t/b/obs", b"own")
    assert eventually(lambda: ingestor.heard)
    time.sleep(0.3)
    assert ingestor.heard == [("insitu/v1/t/b/obs", b"own")]
    for client in (a, b, ingestor):
        client.close()


def test_a_wrong_password_is_refused(broker: Broker) -> None:
    broker.apply([device("a", "secret-a")])
    client = Client(broker, "t.a", "wrong", "a")
    assert client.refused.wait(5)
    client.close()


def test_a_removed_device_is_cut_off(broker: Broker) -> None:
    broker.apply([device("a", "secret-a")])
    client = Client(broker, "t.a", "secret-a", "a")
    assert client.connected.wait(5)
    broker.apply([])
    assert client.cut.wait(5)
    client.close()


def test_nothing_acknowledged_is_lost_when_the_broker_is_killed_while_the_ingestor_is_away(
    broker: Broker,
) -> None:
    broker.apply([device("a", "secret-a")])
    first = service(broker)
    assert first.connected.wait(5)
    first.paho.subscribe("insitu/v1/+/+/obs", 1)
    time.sleep(0.3)
    first.close()
    a = Client(broker, "t.a", "secret-a", "a")
    assert a.connected.wait(5)
    sent = [a.publish("insitu/v1/t/a/obs", str(n).encode()) for n in range(500)]
    for info in sent:
        info.wait_for_publish(10)
    a.close()
    broker.kill()
    broker.start()
    again = service(broker)
    assert eventually(lambda: len(again.heard) >= 500)
    assert [payload for _, payload in again.heard] == [str(n).encode() for n in range(500)]
    again.close()


def test_a_full_store_takes_no_more_but_drains(folder: Path) -> None:
    server = Broker(data_dir=folder, max_file_store=20_000_000)
    server.start()
    try:
        server.apply([device("a", "secret-a")])
        first = service(server)
        assert first.connected.wait(5)
        first.paho.subscribe("insitu/v1/+/+/obs", 1)
        time.sleep(0.3)
        assert server.protect_store()
        first.close()
        a = Client(server, "t.a", "secret-a", "a")
        assert a.connected.wait(5)
        acknowledged = 0
        for _ in range(400):
            info = a.publish("insitu/v1/t/a/obs", bytes(100_000))
            try:
                info.wait_for_publish(1.5)
            except RuntimeError:
                break
            if not info.is_published():
                break
            acknowledged += 1
        assert 100 < acknowledged < 400
        a.close()
        again = service(server)
        assert eventually(lambda: len(again.heard) >= acknowledged, 30)
        again.close()
    finally:
        server.stop()


def test_a_taken_port_is_named(broker: Broker, folder: Path) -> None:
    with TemporaryDirectory() as other:
        second = Broker(data_dir=Path(other), listen=("127.0.0.1", broker.port))
        with pytest.raises(FreePort, match=str(broker.port)):
            second.start()


# -- starts with users, in private, and what is known of a start


def run(steps: Iterator[None]) -> int:
    """Runs all steps; returns their number."""
    count = 0
    for _ in steps:
        count += 1
        time.sleep(0.005)
    return count


def test_a_device_that_tries_all_the_time_is_never_refused_by_a_broker_that_starts(folder: Path) -> None:
    """Many firmwares take one "not authorised" as final."""
    broker = Broker(data_dir=folder)
    answers: list[int] = []
    stop = threading.Event()

    def knock() -> None:
        connect = b"\x10\x1c\x00\x04MQTT\x04\xc2\x00\x0a\x00\x01d\x00\x03t.a\x00\x08secret-a"
        while not stop.is_set():
            try:
                with socket.create_connection((broker.host, broker.port), timeout=2) as link:
                    link.sendall(connect)
                    answer = link.recv(4)
                    if len(answer) == 4:
                        answers.append(answer[3])
            except OSError:
                continue

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        for _ in range(3):
            run(broker.starting([device("a", "secret-a")]))
            before = len(answers)
            assert eventually(lambda before=before: len(answers) > before + 3)
            broker.kill()
    finally:
        stop.set()
        thread.join()
        broker.stop()
    assert set(answers) == {0}


def test_a_private_start_listens_elsewhere_and_lets_in_the_service_and_the_probe_only(folder: Path) -> None:
    broker = Broker(data_dir=folder)
    public = (broker.host, broker.port)
    run(broker.starting([device("a", "secret-a")], private=True))
    try:
        assert broker.address[0] == "127.0.0.1"
        assert broker.address != public
        assert not broker.secure
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(public, timeout=1).close()
        broker.port = broker.address[1]  # the clients of this test connect there
        probe = Client(broker, PROBE, probe_token(broker.service_password), "p")
        ingestor = service(broker)
        stranger = Client(broker, "t.a", "secret-a", "a")
        assert probe.connected.wait(5)
        assert ingestor.connected.wait(5)
        assert stranger.refused.wait(5)
        for client in (probe, ingestor, stranger):
            client.close()
        broker.port = public[1]
        broker.stop()
        run(broker.starting([device("a", "secret-a")]))
        assert broker.address == public
        guest = Client(broker, "t.a", "secret-a", "a")
        assert guest.connected.wait(5)
        guest.close()
    finally:
        broker.stop()


def test_sessions_are_noted_in_the_store_and_go_with_it(folder: Path) -> None:
    broker = Broker(data_dir=folder)
    assert broker.sessions() == frozenset()
    broker.start()
    broker.mark_sessions(["aa", "bb"])
    broker.kill()
    broker.start()
    assert broker.sessions() == {"aa", "bb"}
    broker.stop()
    shutil.rmtree(folder / "broker" / "store" / "jetstream")
    assert broker.sessions() == frozenset()
    broker.start()
    assert broker.sessions() == frozenset()
    broker.stop()


def test_each_process_of_the_broker_has_a_life_of_its_own_that_is_written_before_it_runs(
    folder: Path,
) -> None:
    broker = Broker(data_dir=folder)
    lives = []
    for end in (broker.kill, broker.stop, broker.stop):
        steps = broker.starting(())
        while broker.pid is None or broker.poll() is not None:
            next(steps, None)
        lives.append(broker.life_file.read_text())  # the process was started just now and is not ready
        run(steps)
        assert broker.life_file.read_text() == lives[-1]
        end()
    assert len(set(lives)) == 3
    assert all(len(life) == 32 for life in lives)


def test_a_list_that_the_server_refuses_leaves_the_old_one_in_force(broker: Broker) -> None:
    broker.apply([device("a", "secret-a")])
    with pytest.raises(InsituError, match="refuses the new credentials"):
        broker.apply([device("b", "secret-b"), device("b", "secret-b")])
    client = Client(broker, "t.a", "secret-a", "a")
    assert client.connected.wait(5)
    client.close()
    broker.apply([device("b", "secret-b")])
    client = Client(broker, "t.b", "secret-b", "b")
    assert client.connected.wait(5)
    client.close()


def test_a_halted_broker_holds_nobody_up_and_is_replaced(broker: Broker) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    begin = time.monotonic()
    for steps in (broker.applying([device("a", "secret-a")]), broker.protecting_store()):
        for _ in range(10):
            next(steps, None)
        steps.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begin < 3
    broker.stop(patience_s=0.5)
    assert time.monotonic() - begin < 6
    run(broker.starting([device("a", "secret-a")]))
    client = Client(broker, "t.a", "secret-a", "a")
    assert client.connected.wait(5)
    client.close()


def test_two_brokers_never_share_a_store(folder: Path) -> None:
    """The server of a killed supervisor may still be shutting down."""
    code = (
        "import sys, time; from pathlib import Path; from insitu.embedded.broker import Broker\n"
        "broker = Broker(data_dir=Path(sys.argv[1])); broker.start(); print(broker.pid, flush=True); "
        "time.sleep(60)"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    orphan = Process.of(int(supervisor.stdout.readline()))
    os.kill(orphan.pid, signal.SIGSTOP)
    supervisor.kill()
    supervisor.communicate()
    second = Broker(data_dir=folder)
    run(second.starting(()))  # lets the halted server run to its end
    assert not is_running(orphan)
    second.stop()


def test_a_restart_with_less_room_than_the_streams_cap_succeeds(folder: Path) -> None:
    broker = Broker(data_dir=folder)
    broker.start()
    ingestor = service(broker)
    assert ingestor.connected.wait(5)
    assert broker.protect_store()
    ingestor.close()
    broker.stop()
    smaller = Broker(data_dir=folder, max_file_store=20_000_000)
    smaller.start()
    try:
        assert smaller.protect_store()
        again = service(smaller)
        assert again.connected.wait(5)
        again.close()
    finally:
        smaller.stop()


def test_a_log_is_read_through_its_rotation(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    tail = Tail(path)
    assert tail.lines() == []
    path.write_text("one\nhal")
    assert tail.lines() == ["one"]
    with path.open("a") as file:
        file.write("f\nthree\n")
    path.rename(tmp_path / "server.log.2026.11.28")
    path.write_text("four\n")
    assert tail.lines() == ["half", "three", "four"]
    path.write_text("")
    assert tail.lines() == []
    with path.open("a") as file:
        file.write("five\n")
    assert tail.lines() == ["five"]
