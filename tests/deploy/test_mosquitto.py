"""deploy/mosquitto/mosquitto.conf unchanged, under the account of Debian's package, with the files of `cert`
and `broker-config`.
"""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ingest.acts.enrolling import give_credential
from insitu.embedded.broker import free_port
from store import shards
from store.database import Connection
from tests.deploy.own_servers import (
    DEPLOY,
    INSITU,
    as_account,
    bare_environment,
    insitu,
    program,
    running,
    says,
    send,
)
from tests.fix_catalogue import SmallTrial
from tests.stack import NOW, wait_until

pytestmark = pytest.mark.long

ACCOUNT = "mosquitto"


@dataclass(frozen=True)
class Place:
    folder: Path
    devices: int
    """Port with TLS."""
    service: int
    """Port for this machine only."""
    binary: str

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    @property
    def command(self) -> list[str]:
        return [*as_account(ACCOUNT), self.binary, "-c", str(self.folder / "mosquitto.conf"), "-v"]


@pytest.fixture
def place() -> Iterator[Place]:
    binary = program("mosquitto")
    if binary is None or os.geteuid() != 0:
        assert not (os.environ.get("CI") and os.geteuid() == 0), "CI installs mosquitto"
        pytest.skip("needs root, to become the account mosquitto, and Debian's package mosquitto")
    with TemporaryDirectory(prefix="insitu-mosquitto-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        state = folder / "var"
        state.mkdir()
        entry = pwd.getpwnam(ACCOUNT)
        os.chown(state, entry.pw_uid, entry.pw_gid)
        found = Place(folder, free_port("127.0.0.1"), free_port("127.0.0.1"), binary)
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text("utf-8")
        for old, new in (
            ("/etc/mosquitto/insitu/", f"{found.etc}/"),
            ("/var/lib/mosquitto/", f"{state}/"),
            ("file /var/log/mosquitto/mosquitto.log", f"file {state}/log\nlog_dest stderr"),
            ("listener 8883", f"listener {found.devices}"),
            ("listener 1883", f"listener {found.service}"),
        ):
            assert old in text
            text = text.replace(old, new)
        (folder / "mosquitto.conf").write_text(text, "utf-8")
        yield found


def environment(place: Place, database_url: str) -> dict[str, str]:
    return {
        "INSITU_DATABASE_URL": database_url,
        "INSITU_MQTT_URL": f"mqtt://insitu-ingest:secret@127.0.0.1:{place.service}",
        "INSITU_DATA_DIR": str(place.folder / "data"),
    }


def reload(process_id: int, log: Path) -> None:
    before = log.read_text("utf-8", "replace").count("Reloading config")
    os.kill(process_id, signal.SIGHUP)
    wait_until(
        lambda: log.read_text("utf-8", "replace").count("Reloading config") > before,
        "the broker's reload",
        10,
    )


def test_a_device_s_message_over_tls_becomes_a_row_and_check_is_green(
    place: Place, database_url: str, conn: Connection, catalogue: SmallTrial
) -> None:
    ours, log = environment(place, database_url), place.folder / "mosquitto.log"
    said = insitu("cert", "localhost", "--to", str(place.etc), "--owner", ACCOUNT, **ours)
    assert "the authority's key" in said
    said = insitu("broker-config", "mosquitto", "--to", str(place.etc), **ours)
    assert "They belong to mosquitto" in said
    owners = {path.name: (path.owner(), path.stat().st_mode & 0o777) for path in place.etc.iterdir()}
    assert owners == {
        "passwords": (ACCOUNT, 0o600),
        "acl": (ACCOUNT, 0o600),
        "server.key": (ACCOUNT, 0o600),
        "ca.key": ("root", 0o600),
        "server.crt": (ACCOUNT, 0o644),
        "ca.crt": (ACCOUNT, 0o644),
    }
    with running(place.command, log) as server:
        wait_until(lambda: says(log, "running") or server.poll() is not None, "mosquitto's start", 10)
        assert server.poll() is None, log.read_text("utf-8")
        with running([*INSITU, "ingest"], place.folder / "ingest.log", bare_environment(**ours)):
            wait_until(lambda: ready(conn), "the ingestor's subscription")
            login = give_credential(conn, device_id=catalogue.devices["a"], trial="t", device="a", now=NOW)
            conn.commit()
            insitu("broker-config", "mosquitto", "--to", str(place.etc), **ours)
            reload(server.pid, log)
            content = {"boot": "b", "seq": 1, "time": NOW.isoformat(), "results": {"pm25": 12.5}}
            send(
                place.devices, place.etc / "ca.crt", login.username, login.token, "insitu/v1/t/a/obs", content
            )
            wait_until(lambda: stored(conn) == [(12.5,)], "the row")
            wait_until(lambda: is_alive(conn), "the ingestor's own heartbeat")
            there = {
                "INSITU_MQTT_DEVICES": f"mqtts://localhost:{place.devices}",
                "INSITU_MQTT_CA": str(place.etc / "ca.crt"),
            }
            said = insitu("check", **there, **ours)
            assert "ok   broker keeps devices apart: a device may not publish" in said
            assert "ok   broker keeps client ids apart: a device can neither end" in said
            assert "BAD" not in said
            said = insitu("check", **ours)  # at the service's listener, which takes any client id
            assert "LOOK broker keeps client ids apart: at 127.0.0.1:" in said
            assert "set INSITU_MQTT_DEVICES to it" in said

            del ours["INSITU_MQTT_URL"]
            assert "--   broker keeps devices apart: set INSITU_MQTT_URL" in insitu("check", **ours)
            insitu("check", "--strict", expect=1, **ours)

            ours["INSITU_MQTT_URL"] = f"mqtt://insitu-ingest:wrong@127.0.0.1:{place.service}"
            assert "refuses the service's user 'insitu-ingest'" in insitu("check", expect=1, **ours)
            ours["INSITU_MQTT_URL"] = f"mqtts://insitu-ingest:secret@localhost:{place.devices}"
            assert "set INSITU_MQTT_CA" in insitu("check", expect=1, **ours)
            assert "ok   broker keeps" in insitu("check", INSITU_MQTT_CA=str(place.etc / "ca.crt"), **ours)

            forget_check_devices(place.etc / "passwords")
            reload(server.pid, log)
            said = insitu("check", expect=1, INSITU_MQTT_CA=str(place.etc / "ca.crt"), **ours)
            assert "write its files again with `insitu broker-config`" in said


def test_rules_that_let_a_device_speak_for_another_are_found_out(place: Place, database_url: str) -> None:
    ours, log = environment(place, database_url), place.folder / "mosquitto.log"
    insitu("cert", "localhost", "--to", str(place.etc), "--owner", ACCOUNT, **ours)
    insitu("broker-config", "mosquitto", "--to", str(place.etc), **ours)
    rules = place.etc / "acl"
    rules.write_text(
        rules.read_text("utf-8").replace("insitu/v1/check/insitu-a/", "insitu/v1/check/+/"), "utf-8"
    )
    with running(place.command, log):
        wait_until(lambda: says(log, "running"), "mosquitto's start", 10)
        said = insitu("check", expect=1, **ours)
    assert "BAD  broker keeps devices apart: the broker lets a device publish in another's name" in said


def forget_check_devices(passwords: Path) -> None:
    kept = [
        line
        for line in passwords.read_text("utf-8").splitlines(keepends=True)
        if not line.startswith("check.")
    ]
    passwords.write_text("".join(kept), "utf-8")


def ready(conn: Connection) -> bool:
    found = shards.shards_ready(conn)
    conn.rollback()
    return found


def is_alive(conn: Connection) -> bool:
    found = shards.health(conn).alive
    conn.rollback()
    return found


def stored(conn: Connection) -> list[tuple[float]]:
    found = conn.execute("SELECT result FROM observation").fetchall()
    conn.rollback()
    return found  # type: ignore[return-value]


def test_an_account_that_does_not_exist_or_cannot_pass_is_named(place: Place, database_url: str) -> None:
    ours = environment(place, database_url)
    assert "no such account" in insitu(
        "broker-config", "mosquitto", "--to", str(place.etc), "--owner", "nobody-at-all", expect=2, **ours
    )
    closed = place.folder / "closed"
    closed.mkdir(mode=0o700)
    said = insitu("broker-config", "mosquitto", "--to", str(closed / "etc"), expect=1, **ours)
    assert f"'mosquitto' cannot pass through {closed}" in said
    said = insitu("broker-config", "nats", "--to", str(place.folder / "n"), "--owner", "4242:4343", **ours)
    facts = (place.folder / "n" / "users.conf").stat()
    assert (facts.st_uid, facts.st_gid) == (4242, 4343)
