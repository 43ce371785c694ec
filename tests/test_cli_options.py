"""Wrong options and files on the command line: one clear line each."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from store.database import Connection
from tests.test_cli import complaint, documented_registration, register_network, run


def test_a_trial_lives_from_the_command_line(tmp_path: Path, database_url: str, conn: Connection) -> None:
    path = tmp_path / "programme.toml"
    path.write_text(documented_registration(), "utf-8")
    run("register", str(path), INSITU_DATABASE_URL=database_url)
    for state in ("shortlisted", "agreement", "deployment", "running"):
        assert run("move", "station-air", state, INSITU_DATABASE_URL=database_url).returncode == 0
    assert "cannot follow" in complaint(run("move", "station-air", "need", INSITU_DATABASE_URL=database_url))
    for device in ("d1", "d1-b"):
        done = run(
            *f"enrol station-air {device} --measure pm25 --site station-a".split(),
            INSITU_DATABASE_URL=database_url,
            INSITU_MQTT_URL="mqtt://a:b@127.0.0.1:1",
        )
        assert done.returncode == 0, done.stderr
        assert "broker-config" in done.stdout
        assert "Its token is shown this once" in done.stdout
    assert run("swap", "station-air", "d1", "d1-b", INSITU_DATABASE_URL=database_url).returncode == 0
    spans = ["2026-03-02T08:00", "2026-03-02T12:00"]
    words = f"window maintenance {spans[0]} {spans[1]} --site station-a --reason cleaning"
    done = run(*words.split(), INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert "one site or for one device" in complaint(
        run("window", "access", *spans, "--reason", "x", INSITU_DATABASE_URL=database_url)
    )
    assert conn.execute("SELECT count(*) FROM deployment WHERE upper_inf(period)").fetchall() == [(1,)]
    why = ("--reason", "entered late")
    words = "deployment station-air d1 --start 2026-02-01T08:00"
    done = run(*words.split(), *why, INSITU_DATABASE_URL=database_url)
    assert "stood at station-a, d1, from 2026-02-01 08:00 until" in done.stdout, done.stderr
    assert conn.execute("SELECT min(lower(period)) = '2026-02-01T08:00Z' FROM deployment").fetchall() == [
        (True,)
    ]
    for device, options, says in (
        ("d1", ("--end", "2026-01-01T00:00"), "would end at"),
        ("d1", (), "Say what"),
        ("d1", ("--start", "2026-02-01", "--at", "2020-01-01"), "was not deployed at that time"),
        ("d1-b", ("--start", "2026-02-01"), "was deployed elsewhere"),
    ):
        assert says in complaint(
            run("deployment", "station-air", device, *options, *why, INSITU_DATABASE_URL=database_url)
        )
    (detail,) = conn.execute(
        "SELECT detail->>'reason' FROM audit WHERE action = 'correct deployment'"
    ).fetchall()
    assert detail == ("entered late",)


def test_a_broken_registration_names_every_place(tmp_path: Path, database_url: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text('[[organisation]]\ncode = "X!"\nkind = "club"\n', "utf-8")
    said = complaint(run("register", str(path), INSITU_DATABASE_URL=database_url))
    for part in ("broken.toml", "organisation.0.code", "organisation.0.kind", "organisation.0.name"):
        assert part in said


def test_a_network_server_is_registered_enrolled_shown_and_revoked(
    database_url: str, catalogue: object, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    files = Path(tempfile.mkdtemp(prefix="insitu-cli-"))  # an installed Mosquitto's account can reach it
    files.chmod(0o711)
    request.addfinalizer(lambda: shutil.rmtree(files))
    broker = {
        "INSITU_DATABASE_URL": database_url,
        "INSITU_MQTT_URL": "mqtt://insitu:x@broker.example.org:1883",
    }
    done = register_network(database_url, tmp_path, "chirpstack/0101010101010101")
    assert done.returncode == 0, done.stderr
    assert "entered address chirpstack/0101010101010101: t/a" in done.stdout
    assert "there   address" in register_network(database_url, tmp_path, "chirpstack/0101010101010101").stdout
    enrolled = run("network", "lora", "--enrol", **broker).stdout
    assert 'server = "tcp://broker.example.org:1883"' in enrolled
    assert "lora (chirpstack) speaks for 1 device:" in enrolled
    assert run("broker-config", "mosquitto", "--to", str(files), **broker).returncode == 0
    assert "topic write application/+/device/0101010101010101/event/+\n" in (files / "acl").read_text("utf-8")
    assert "1 credential of lora ended." in run("network", "lora", "--revoke", **broker).stdout
    assert run("broker-config", "mosquitto", "--to", str(files), **broker).returncode == 0
    assert "topic write application/" not in (files / "acl").read_text("utf-8")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("chirpstack/0101", "16 hexadecimal digits"),
        ("chirpstack/01010101010101+1", "16 hexadecimal digits"),
        ("things_stack/app/#", "APPLICATION@TENANT"),
        ("sparkplug/g", "sparkplug/GROUP/EDGE"),
        ("insitu/v1/t/a", "chirpstack/DEVEUI"),
    ],
)
def test_an_address_that_no_network_server_speaks_for_is_refused_in_words(
    database_url: str, catalogue: object, tmp_path: Path, address: str, said: str
) -> None:
    assert said in complaint(register_network(database_url, tmp_path, address))


def test_an_address_is_one_device_and_an_unknown_device_or_server_is_named(
    database_url: str, catalogue: object, tmp_path: Path
) -> None:
    register_network(database_url, tmp_path, "chirpstack/0101010101010101")
    assert "t/a at lora already" in complaint(
        register_network(database_url, tmp_path, "chirpstack/0101010101010101", "b")
    )
    assert "no device 'z'" in complaint(
        register_network(database_url, tmp_path, "chirpstack/0202020202020202", "z")
    )
    assert "There is no network server 'x'" in complaint(
        run("network", "x", INSITU_DATABASE_URL=database_url)
    )


def test_a_pull_without_a_key_or_a_tenant_says_what_is_missing(database_url: str) -> None:
    said = complaint(run("pull", "https://eu1.example.org", "app@t", INSITU_DATABASE_URL=database_url))
    assert "INSITU_THINGS_STACK_KEY_FILE" in said
    said = complaint(
        run("pull", "https://x.org", "app", INSITU_DATABASE_URL=database_url, INSITU_THINGS_STACK_KEY="k")
    )
    assert "APPLICATION@TENANT" in said


@pytest.mark.parametrize("option", ["--messages", "--results", "--rate", "--away", "--runs"])
def test_a_bench_of_nothing_is_refused_before_anything_starts(option: str) -> None:
    done = run("bench", "ingest", option, "0")
    assert done.returncode == 2
    assert option in done.stderr
    assert "greater than or equal to" in done.stderr
