"""Errors on the command line: one clear line that says what to do next, a non-zero exit code, never a
traceback.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from store.database import Connection
from tests.forked import run_verb

INSITU = [sys.executable, "-m", "cli"]


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Calls a verb, in a new program if it begins in another folder: the folder decides what is imported."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("INSITU_")}
    environment = {**kept, **environment}
    if cwd is None:
        return run_verb(*arguments, env=environment)
    return subprocess.run(
        [*INSITU, *arguments], capture_output=True, text=True, env=environment, timeout=60, cwd=cwd
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Requires that the verb failed with one line; returns it."""
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.strip().splitlines() if line]
    assert lines
    assert lines[0].startswith("insitu: "), done.stderr
    return done.stderr.strip()


def test_help_names_every_verb() -> None:
    done = run("--help")
    assert done.returncode == 0
    for verb in (
        "demo",
        "up",
        "migrate",
        "ingest",
        "serve",
        "work",
        "enrol",
        "revoke",
        "simulate",
        "export",
        "protocol",
        "profiles",
        "lock",
        "power",
        "evaluate",
        "unblind",
        "report",
        "verify",
        "replay",
        "broker-config",
        "bench",
        "check",
        "settings",
        "cert",
        "register",
        "move",
        "window",
        "swap",
        "deployment",
        "import",
        "network",
        "pull",
        "shards",
        "trials",
        "devices",
        "people",
        "windows",
        "evaluations",
    ):
        assert f"  {verb} " in done.stdout, verb


def test_intervals_are_measured_on_the_command_line_and_what_has_no_world_is_said() -> None:
    few = (
        "--design",
        "limit_compliance",
        "--phi",
        "0.7",
        "--days",
        "14",
        "--replications",
        "2",
        "--processes",
        "1",
    )
    done = run("bench", "evaluate", *few)
    assert done.returncode == 0
    assert "## Design 10: limit_compliance, world `limit`" in done.stdout
    assert "There is no world for the design 'availability'" in complaint(
        run("bench", "evaluate", "--design", "availability")
    )


def test_a_draft_goes_to_stdout_and_what_is_left_to_stderr() -> None:
    done = run("protocol", "street", "--start", "2026-03-01")
    assert done.returncode == 0
    assert json.loads(done.stdout)["periods"][0]["start"] == "2026-03-01T00:00:00+01:00"
    assert done.stderr.startswith("Still to be written: trial, title.en")
    assert "--start 'March' is not a day" in complaint(run("protocol", "street", "--start", "March"))
    assert "There is no template 'streets'" in complaint(run("protocol", "streets"))


def test_profiles_are_listed_and_shown_and_named_in_a_draft() -> None:
    assert "us-epa-air-sensors/pm25: PM2.5, 24 h" in run("profiles").stdout
    shown = run("profiles", "us-epa-air-sensors/pm25").stdout
    assert "reference_collocation: rmse in [, 7], or nrmse" in shown
    assert "EPA/600/R-20/280 (2021), Table ES-2; valid 2021-02-01/.." in shown
    assert "There is no profile 'who': there are ashrae-14-ipmvp, " in complaint(run("profiles", "who"))
    drafted = json.loads(run("protocol", "air-sensor", "--profile", "us-epa-air-sensors/o3").stdout)
    assert drafted["endpoints"][0]["profile"] == "us-epa-air-sensors/o3"
    assert "There is no profile 'who'" in complaint(run("protocol", "air-sensor", "--profile", "who/pm25"))


def test_settings_are_shown_without_their_secrets() -> None:
    done = run("settings", INSITU_DATABASE_URL="postgresql://x:hunter2@h/d")
    assert done.returncode == 0
    assert "INSITU_MQTT_LISTEN=127.0.0.1:1883" in done.stdout
    assert "hunter2" not in done.stdout


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"INSITU_MQTT_LISTEN": "nonsense"}, "INSITU_MQTT_LISTEN"),
        ({"INSITU_BATCH_MESSAGES": "0"}, "INSITU_BATCH_MESSAGES"),
        ({"INSITU_LANGUAGE": "de"}, "INSITU_LANGUAGE"),
        ({"INSITU_DATABASE_URL_FILE": "/nowhere/secret"}, "/nowhere/secret"),
        ({"INSITU_DATABASE_URL": "postgresql://"}, "INSITU_DATABASE_URL: it is not whole"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], says: str) -> None:
    assert says in complaint(run("settings", **environment))


def test_where_nothing_runs_a_verb_says_how_to_start(tmp_path: Path) -> None:
    said = complaint(run("check", INSITU_DATA_DIR=str(tmp_path / "none")))
    assert "insitu up" in said
    assert "INSITU_DATABASE_URL" in said


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    said = complaint(run("migrate", INSITU_DATABASE_URL=f"postgresql://u:secret@/d?host={tmp_path}"))
    assert "secret" not in said


def test_a_wrong_database_password_is_one_line(database_server: str) -> None:
    said = complaint(
        run("migrate", INSITU_DATABASE_URL=database_server.replace("postgres:", "postgres:wrong", 1))
    )
    assert "password" in said.lower()


def test_an_old_schema_names_the_command_to_run(database_url: str, conn: Connection) -> None:
    conn.execute("DELETE FROM schema_migration WHERE name = '0005_rollups'")
    conn.commit()
    for verb in (["enrol", "t", "d"], ["ingest"], ["serve"], ["work", "--once"]):
        said = complaint(
            run(*verb, INSITU_DATABASE_URL=database_url, INSITU_MQTT_URL="mqtt://a:b@127.0.0.1:1")
        )
        assert "insitu migrate" in said, verb


def test_a_schema_of_a_newer_version_asks_for_an_upgrade(database_url: str, conn: Connection) -> None:
    conn.execute("INSERT INTO schema_migration (name) VALUES ('9999_future')")
    conn.commit()
    assert "newer insitu" in complaint(run("enrol", "t", "d", INSITU_DATABASE_URL=database_url)).lower()


def test_migrate_says_what_it_did(database_server: str) -> None:
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE cli_migrate")
    url = database_server.replace("/postgres?", "/cli_migrate?")
    try:
        assert "applied 0001_catalogue" in run("migrate", INSITU_DATABASE_URL=url).stdout
        assert "current" in run("migrate", INSITU_DATABASE_URL=url).stdout
    finally:
        with psycopg.connect(database_server, autocommit=True) as admin:
            admin.execute("DROP DATABASE cli_migrate WITH (FORCE)")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "line 1"),
        ("[]", "protocol"),
        ('{"schema": "insitu/protocol/1", "trial": "T!"}', "trial"),
        (
            json.dumps({"schema": "insitu/protocol/1", "trial": "t", "periods": [{"name": "later"}]}),
            "periods",
        ),
    ],
)
def test_a_broken_protocol_names_its_place(
    tmp_path: Path, database_url: str, content: str, says: str
) -> None:
    path = tmp_path / "protocol.json"
    path.write_text(content, "utf-8")
    said = complaint(run("lock", str(path), INSITU_DATABASE_URL=database_url))
    assert "protocol.json" in said
    assert says in said


def test_a_file_that_is_not_there_is_named(database_url: str) -> None:
    assert "/nowhere.json" in complaint(run("lock", "/nowhere.json", INSITU_DATABASE_URL=database_url))


def test_a_broken_scenario_names_its_place(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('code = "x"\nkind = "volcano"\n', "utf-8")
    said = complaint(run("demo", "--once", "--scenario", str(path), INSITU_DATA_DIR=str(tmp_path / "d")))
    assert "s.toml" in said
    assert "kind" in said
    said = complaint(
        run("demo", "--once", "--scenario", "no-such-scenario", INSITU_DATA_DIR=str(tmp_path / "d"))
    )
    assert "no-such-scenario" in said


def test_a_folder_that_is_no_package_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in complaint(run("verify", str(tmp_path)))


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert port in complaint(run("demo", "--once", "--port", port, INSITU_DATA_DIR=str(tmp_path / "d")))


def test_an_address_beyond_this_machine_asks_for_tls(tmp_path: Path) -> None:
    said = complaint(run("up", INSITU_DATA_DIR=str(tmp_path / "d"), INSITU_MQTT_LISTEN="0.0.0.0:18830"))
    assert "insitu cert" in said
    assert "INSITU_ALLOW_PLAINTEXT" in said


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    assert str(path) in complaint(run("up", INSITU_DATA_DIR=str(path)))


@pytest.mark.parametrize(
    "verb",
    [
        ["enrol", "nowhere", "d1", "--measure", "pm25"],
        ["revoke", "nowhere", "d1"],
        ["evaluate", "nowhere"],
        ["report", "99"],
    ],
)
def test_names_that_do_not_exist_are_named(database_url: str, verb: list[str]) -> None:
    said = complaint(run(*verb, INSITU_DATABASE_URL=database_url))
    assert "nowhere" in said or "99" in said


def test_a_shard_that_does_not_exist_is_named(database_url: str) -> None:
    said = complaint(run("shards", "--move", "t=7", INSITU_DATABASE_URL=database_url))
    assert "There are 1 shards, 0 to 0" in said


def test_more_trials_than_a_session_can_hear_are_refused_before_anything_changes(database_url: str) -> None:
    said = complaint(run("shards", "--count", "2", INSITU_DATABASE_URL=database_url, INSITU_WINDOW="20000"))
    assert "INSITU_WINDOW" in said
    assert "1 shard" in run("shards", INSITU_DATABASE_URL=database_url).stdout


def test_a_foreign_package_of_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "__init__.py").write_text("")
    said = complaint(run("settings", cwd=tmp_path))
    assert "store" in said


def documented_registration() -> str:
    """The example of docs/operations.md."""
    text = (Path(__file__).parents[1] / "docs" / "operations.md").read_text("utf-8")
    return text.partition("```toml\n")[2].partition("```")[0]


def test_the_documented_registration_enters_everything_once(
    tmp_path: Path, database_url: str, conn: Connection
) -> None:
    path = tmp_path / "programme.toml"
    path.write_text(documented_registration(), "utf-8")
    done = run("register", str(path), INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("entered") == 8
    assert "password" in done.stdout
    again = run("register", str(path), INSITU_DATABASE_URL=database_url)
    assert again.stdout.count("there") == 8
    assert conn.execute("SELECT code, state FROM trial").fetchall() == [("station-air", "need")]


def documented_mappings() -> str:
    """The second example of docs/operations.md."""
    text = (Path(__file__).parents[1] / "docs" / "operations.md").read_text("utf-8")
    return text.split("```toml\n")[2].partition("```")[0]


def register(tmp_path: Path, database_url: str, text: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "programme.toml"
    path.write_text(text, "utf-8")
    return run("register", str(path), INSITU_DATABASE_URL=database_url)


def test_the_documented_mappings_make_the_datastreams_of_devices_there_and_to_come(
    tmp_path: Path, database_url: str, conn: Connection
) -> None:
    register(tmp_path, database_url, documented_registration())
    done = register(tmp_path, database_url, documented_mappings())
    assert done.returncode == 0, done.stderr
    assert [" ".join(line.split()[:3]) for line in done.stdout.splitlines()] == [
        "entered property temperature",
        "entered device station-air/p1",
        "entered mapping station-air/pm2_5:",
        "entered mapping station-air/temp:",
    ]
    assert done.stdout.endswith("temp: K → temperature in Cel (1 entered)\n")
    done = run(
        "enrol",
        "station-air",
        "roof",
        "--site",
        "station-a",
        INSITU_DATABASE_URL=database_url,
        INSITU_MQTT_URL="mqtt://a:b@127.0.0.1:1",
    )
    assert done.returncode == 0, done.stderr
    assert '"temp"' in done.stdout
    assert conn.execute(
        "SELECT d.code, m.name, m.scale, m.shift, m.expected_interval::text FROM datastream m JOIN device d "
        "USING (device_id) ORDER BY 1, 2"
    ).fetchall() == [
        ("p1", "pm2_5", 1000.0, 0.0, "00:15:00"),
        ("p1", "temp", 1.0, -273.15, None),
        ("roof", "pm2_5", 1000.0, 0.0, "00:15:00"),
        ("roof", "temp", 1.0, -273.15, None),
    ]
    assert conn.execute(
        "SELECT name, serial FROM datastream JOIN sensor USING (sensor_id) ORDER BY 1"
    ).fetchall() == [
        ("pm2_5", "A-17"),
        ("temp", "A-17"),
    ]
    again = register(tmp_path, database_url, documented_mappings().replace('unit = "K"', 'unit = "[degF]"'))
    assert "there   mapping station-air/pm2_5: mg/m3 → pm25 in ug/m3 (2 there)" in again.stdout
    assert "changed mapping station-air/temp: [degF] → temperature in Cel (2 changed)" in again.stdout
    assert conn.execute("SELECT detail FROM audit WHERE action = 'map' ORDER BY audit_id").fetchall()[-1][0][
        "changed"
    ] == [
        "p1/temp",
        "roof/temp",
    ]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('unit = "K"', 'unit = "°C"', "write 'Cel'"),
        ('unit = "K"', 'unit = "%"', "'%' cannot become 'Cel'"),
        ('unit = "mg/m3"', 'unit = "[ppb]"', "depends on the gas"),
        ('property = "pm25"', 'property = "pm2"', "known are pm25, temperature"),
        ('site = "station-a"', 'site = "nowhere"', "There is no site 'nowhere'"),
        ('unit = "Cel"', 'unit = "C°"', "is no unit of UCUM"),
        ("every = 900", "every = -1", "mapping.0.every"),
    ],
)
def test_a_mapping_that_cannot_be_is_explained_and_no_mapping_of_the_file_is_entered(
    tmp_path: Path, database_url: str, conn: Connection, before: str, after: str, says: str
) -> None:
    register(tmp_path, database_url, documented_registration())
    assert says in complaint(
        register(tmp_path, database_url, documented_mappings().replace(before, after, 1))
    )
    assert conn.execute(
        "SELECT (SELECT count(*) FROM datastream), (SELECT count(*) FROM mapping)"
    ).fetchall() == [(0, 0)]


NETWORKS = """
[[network_server]]
code = "lora"
kind = "chirpstack"

[[network_address]]
network_server = "lora"
address = "{address}"
trial = "t"
device = "{device}"
"""


def register_network(
    database_url: str, folder: Path, address: str, device: str = "a"
) -> subprocess.CompletedProcess[str]:
    path = folder / "networks.toml"
    path.write_text(NETWORKS.format(address=address, device=device), "utf-8")
    return run("register", str(path), INSITU_DATABASE_URL=database_url)
