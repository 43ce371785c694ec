"""Configuration files of machines: the servers themselves accept them, every verb in them exists, and they
agree with the code.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import bcrypt

from cli.brokers import PROFILES
from cli.verbs import VERBS
from ingest.mqtt import BrokerAddress
from insitu.embedded.broker_program import wheel_binary
from insitu.embedded.certificates import issue
from insitu.embedded.users import hash_token, mosquitto_hash
from insitu.settings import Settings
from store.access import Credential
from tests.deploy.containers import compose

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_nats_accepts_its_configuration_with_the_users_we_write(tmp_path: Path) -> None:
    place = tmp_path / "etc" / "nats"
    users = place / "users"
    users.mkdir(parents=True)
    issue(place / "tls", ["localhost"])
    credential = Credential("t.d", hash_token("x"), mosquitto_hash("x"), "t", "d")
    files = PROFILES["nats"].write([credential], BrokerAddress("broker", 8883, "insitu-service", "secret"))
    (users / "users.conf").write_text(files["users.conf"], "utf-8")
    text = (DEPLOY / "nats" / "nats.conf").read_text("utf-8")
    text = text.replace("/etc/nats/", f"{place}/").replace('"/data"', f'"{tmp_path / "data"}"')
    (place / "nats.conf").write_text(text, "utf-8")
    done = subprocess.run(
        [str(wheel_binary()), "-c", str(place / "nats.conf"), "-t"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_emqx_gets_hashes_it_can_check_and_a_device_its_own_topics_only() -> None:
    credential = Credential("t.d", hash_token("x"), mosquitto_hash("x"), "t", "d")
    files = PROFILES["emqx"].write([credential], BrokerAddress("broker", 8883, "insitu-service", "secret"))
    users, text = files["users.csv"], files["acl.conf"]
    lines = [line.split(",") for line in users.splitlines()]
    assert lines[0] == ["user_id", "password_hash", "salt", "is_superuser"]
    assert bcrypt.checkpw(b"x", {line[0]: line[1] for line in lines}["t.d"].encode())
    mine = [line for line in text.splitlines() if '{username, "t.d"}' in line]
    assert [(line[1:].split(",")[0], line.split("}, ")[1].split(",")[0]) for line in mine] == [
        ("deny", "publish"),
        ("allow", "publish"),
        ("allow", "subscribe"),
    ]
    assert all(
        topic.startswith("insitu/v1/t/d/") for line in mine for topic in re.findall(r'"([^"]*/[^"]*)"', line)
    )
    assert text.endswith("{deny, all}.\n")
    assert "secret" not in text + users


def test_the_brokers_windows_are_the_ingestors() -> None:
    window = Settings.model_fields["window"].default
    assert f"max_ack_pending: {window}" in (DEPLOY / "nats" / "nats.conf").read_text("utf-8")
    assert f"max_inflight = {window}" in (DEPLOY / "emqx" / "emqx.conf").read_text("utf-8")
    assert f"max_inflight_messages {window}" in (DEPLOY / "mosquitto" / "mosquitto.conf").read_text("utf-8")


def test_every_setting_in_an_example_exists() -> None:
    known = {f"INSITU_{name.upper()}" for name in Settings.model_fields}
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            named = set(re.findall(r"\bINSITU_[A-Z_]+", path.read_text("utf-8")))
            assert {name.removesuffix("_FILE") for name in named} <= known | {
                name.removesuffix("_FILE") for name in known
            }, path


def test_every_unit_starts_a_verb_that_exists() -> None:
    for path in (DEPLOY / "systemd").glob("*.service"):
        started = re.search(r"^ExecStart=/opt/insitu/bin/insitu (\S+)", path.read_text("utf-8"), re.MULTILINE)
        assert started, path
        assert started[1] in VERBS
    services = compose()["services"]
    ours = [service for service in services.values() if service["image"] == "insitu"]
    assert len(ours) == 6
    for service in ours:
        words = [*service.get("entrypoint", ["insitu"]), *service["command"]]
        assert words[0] == "insitu"
        assert words[1] in VERBS
