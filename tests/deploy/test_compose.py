"""deploy/compose.yaml: everything it names exists and agrees, and every service's command runs with the files
and rights it is given.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from cli.rooms import ROOMS
from ingest.acts.enrolling import give_credential
from ingest.ingestor import STOP_TIMEOUT_S
from insitu.embedded.broker import free_port
from insitu.embedded.broker_program import wheel_binary
from store.database import Connection
from tests.deploy.containers import Host, compose, health_check, is_possible, seconds
from tests.deploy.own_servers import DEPLOY, running, send
from tests.deploy.test_mosquitto import ready, stored
from tests.fix_catalogue import SmallTrial
from tests.stack import NOW, wait_until

pytestmark = pytest.mark.long


def test_the_image_of_the_broker_is_the_version_of_the_wheel() -> None:
    said = subprocess.run(
        [str(wheel_binary()), "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert compose()["services"]["broker"]["image"] == f"nats:{said.split('v')[-1].strip()}-alpine"


def test_the_image_has_every_room_and_an_account_for_which_the_compose_file_writes() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE)) == {"insitu", *ROOMS}
    assert "--uid 10001" in text
    assert compose()["services"]["broker"]["user"] == "10001:10001"


def test_everything_a_service_names_is_there() -> None:
    read = compose()
    for name, service in read["services"].items():
        for kind in ("secrets", "configs"):
            named = {entry["source"] if isinstance(entry, dict) else entry for entry in service.get(kind, [])}
            assert named <= set(read[kind]), name
        volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(read["volumes"]), name
        for other, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "test" in read["services"][other]["healthcheck"], f"{name} waits for {other}"


def test_nothing_is_killed_before_it_may_have_ended() -> None:
    grace = {
        name: seconds(service.get("stop_grace_period", "10s"))
        for name, service in compose()["services"].items()
    }
    assert grace["ingest"] > 2 * STOP_TIMEOUT_S  # time for its workers, then its leases
    assert grace["serve"] > 3 + 20  # time that uvicorn gives its readers; the longest statement
    assert grace["work"] >= 120
    assert grace["database"] >= 120
    assert grace["broker"] >= 60


SERVICE = "service_of_compose"


@pytest.fixture
def service(database_server: str) -> Iterator[None]:
    """An account with the service's rights; `insitu_service` itself may not sign in at every test server."""
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {SERVICE} LOGIN PASSWORD '{SERVICE}' IN ROLE insitu_service")
        yield
        admin.execute(f"DROP ROLE {SERVICE}")


@pytest.fixture
def host(database_url: str, service: None) -> Iterator[Host]:
    """Secrets and ports for the host. The database of the test is reached by its socket, whose folder is
    closed to other accounts.
    """
    if not is_possible():
        pytest.skip("needs root that may make mount namespaces")
    facts = psycopg.conninfo.conninfo_to_dict(database_url)
    place, port = str(facts["host"]), facts.get("port", "5432")
    if place.startswith("/"):
        (Path(place) / f".s.PGSQL.{port}").chmod(0o777)  # its folder stays closed
    with TemporaryDirectory(prefix="insitu-compose-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        socket = f".s.PGSQL.{port}"
        found = Host(
            folder,
            {number: free_port("127.0.0.1") for number in (8883, 8080, 8222, 4222)},
            {f"/run/database/{socket}": Path(place) / socket} if place.startswith("/") else {},
        )
        (folder / "deploy").mkdir()
        url = psycopg.conninfo.make_conninfo(
            database_url, host="/run/database" if place.startswith("/") else place
        )
        shutil.copytree(DEPLOY / "nats", folder / "deploy" / "nats")
        conf = folder / "deploy" / "nats" / "nats.conf"
        conf.write_text(found.moved(conf.read_text("utf-8")), "utf-8")
        (folder / "deploy" / "tls").mkdir(mode=0o755)
        secrets = folder / "deploy" / "secrets"
        secrets.mkdir(mode=0o700)
        service = psycopg.conninfo.make_conninfo(url, user=SERVICE, password=SERVICE)
        for secret, content in (
            ("owner_database_url", url),
            ("database_url", service),
            ("mqtt_url", f"mqtts://insitu-ingest:secret@broker:{found.ports[8883]}"),
        ):
            (secrets / secret).write_text(content + "\n", "utf-8")
            (secrets / secret).chmod(0o400)
            os.chown(secrets / secret, 10001, 10001)
        yield found


def once(host: Host, service: str, *arguments: str, entrypoint: list[str] | None = None) -> str:
    done = subprocess.run(
        host.command(service, *arguments, entrypoint=entrypoint), capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def healthy(host: Host, service: str, words: list[str]) -> bool:
    command = [sys.executable if word == "python" else word for word in words]
    return (
        subprocess.run(
            host.command(service, *command[1:], entrypoint=command[:1]), capture_output=True, timeout=30
        ).returncode
        == 0
    )


def test_every_command_runs_with_the_files_account_and_rights_of_its_service(
    host: Host, conn: Connection, catalogue: SmallTrial, tmp_path: Path
) -> None:
    once(host, "certificate", "broker", "localhost")
    tls = host.folder / "deploy" / "tls"
    assert {path.name: path.stat().st_uid for path in tls.iterdir()} == {
        "ca.key": 0,
        "ca.crt": 10001,
        "server.crt": 10001,
        "server.key": 10001,
    }
    assert "The schema is current." in once(host, "migrate")
    once(host, "credentials")
    with ExitStack() as stack:
        started = {}
        for name in ("broker", "ingest", "serve", "work"):
            log = tmp_path / f"{name}.log"
            started[name] = stack.enter_context(running(host.command(name), log))
            if name == "broker":
                check = compose()["services"]["broker"]["healthcheck"]["test"]
                assert check[:2] == ["CMD", "wget"]
                wait_until(
                    lambda words=check[1:]: healthy(host, "broker", words), "the broker's health check", 60
                )
        wait_until(lambda: ready(conn), "the ingestor's subscription", 60)
        login = give_credential(conn, device_id=catalogue.devices["a"], trial="t", device="a", now=NOW)
        conn.commit()
        once(host, "credentials")
        started["broker"].send_signal(signal.SIGHUP)
        wait_until(
            lambda: "Reloaded: authorization" in (tmp_path / "broker.log").read_text("utf-8"),
            "the broker's reload",
            20,
        )
        content = {"boot": "b", "seq": 1, "time": NOW.isoformat(), "results": {"pm25": 12.5}}
        send(host.ports[8883], tls / "ca.crt", login.username, login.token, "insitu/v1/t/a/obs", content)
        wait_until(lambda: stored(conn) == [(12.5,)], "the row", 30)
        wait_until(lambda: healthy(host, "serve", health_check()), "the health check of the pages", 60)
        said = once(host, "ingest", "check")
        assert "ok   broker keeps devices apart" in said
        assert "ok   rights of the service" in said
        assert "ok   rows that pages may read" in said
        assert "BAD" not in said
        assert started["work"].poll() is None, (tmp_path / "work.log").read_text("utf-8")
        for name in reversed(started):
            asked = time.monotonic()
            started[name].terminate()
            assert started[name].wait(60) in (
                0,
                1 if name == "broker" else 0,
                -signal.SIGTERM if name == "serve" else 0,
            ), name
            assert time.monotonic() - asked < seconds(compose()["services"][name]["stop_grace_period"])
        assert not [
            line for line in (tmp_path / "ingest.log").read_text("utf-8").splitlines() if "Traceback" in line
        ]
