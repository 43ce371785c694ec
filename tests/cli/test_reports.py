"""`--json` prints one document on stdout with the same content as the text; errors and exit codes stay as
they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from cli.group import command_of
from cli.reports import jsonable, table
from cli.verbs import VERBS
from insitu.errors import CorrectInput, Disagrees
from insitu.spacing import Spacing
from store.catalogue.networks import add_address, add_network_server
from store.database import Connection
from store.shards import ensure_shards
from tests.cli.calling import Told, call
from tests.fix_catalogue import START, SmallTrial
from tests.test_cli import complaint, run
from tests.test_docs import DOCS
from tests.trials.world import criterion, endpoint, inputs, listed, period, protocol, protocol_text, series
from trials import quality
from trials.evaluation import document_of
from trials.judge.compute import compute
from trials.package.writing import seal, write_tables
from trials.plan.reading import canonical

REPORTING = {
    *("trials", "devices", "people", "windows", "evaluations"),
    *("check", "settings", "profiles", "shards", "network", "power", "verify", "evaluate"),
    *("replay", "import", "pull", "migrate"),
    *("retention", "erase", "erasures", "record"),
    *("backup", "restore"),
    *("alerts", "draft", "plans", "walls"),
    *("imports", "withdraw", "map", "mappings", "topics", "key", "agreement"),
}


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w./@-]*\w", text))


def test_every_verb_that_reports_has_json_and_the_documentation_names_them_all() -> None:
    able = {
        name
        for name, verb in VERBS.items()
        if any("--json" in parameter.opts for parameter in command_of(name, verb).params)
    }
    assert able == REPORTING
    (row,) = re.findall(r"^`--json` .*$", (DOCS / "operations.md").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`([a-z]+)`", row)) >= REPORTING


@dataclass(frozen=True)
class Line:
    name: str
    at: datetime | None
    number: float


def test_a_document_has_fields_by_name_times_in_utc_and_no_number_that_json_lacks() -> None:
    summer = timezone(timedelta(hours=2))
    line = Line("a", datetime(2026, 7, 1, 1, 30, tzinfo=summer), float("inf"))
    assert jsonable(
        [line, {"days": timedelta(days=1), "month": Spacing(months=1), 3: (1.5, None, True)}]
    ) == [
        {"name": "a", "at": "2026-06-30T23:30:00Z", "number": None},
        {"days": "P1D", "month": "P1M", "3": [1.5, None, True]},
    ]


def test_a_table_aligns_wide_letters_and_shows_nothing_that_a_terminal_would_obey() -> None:
    rows = [Line("東京", None, 1), Line("\x1b]0;x\x07\nb", datetime(2026, 7, 1, tzinfo=UTC), 20)]
    columns = {"name": lambda row: row.name, "at": lambda row: row.at, "n": lambda row: int(row.number)}
    assert list(table(rows, columns)) == [
        "name      at                 n",
        "東京      –                  1",
        "�]0;x� b  2026-07-01 00:00  20",
    ]


def test_settings_are_the_same_in_both_forms_and_hide_the_same(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSITU_DATABASE_URL", "postgresql://x:hunter2@h/d")
    text, document = told("settings"), json.loads(told("settings", "--json"))
    assert text == "".join(f"{name}={value}\n" for name, value in document.items())
    assert document["INSITU_MQTT_LISTEN"] == "127.0.0.1:1883"
    assert document["INSITU_TLS_CERT"] is None
    assert "hunter2" not in str(document)


def test_profiles_are_the_same_in_both_forms(told: Told) -> None:
    listed = json.loads(told("profiles", "--json"))
    lines = [line.strip() for line in told("profiles").splitlines()]
    assert lines == [
        line
        for one in listed
        for line in (
            f"{one['name']}: {one['title']['en']}",
            *(f"{one['name']}/{entry['name']}: {entry['title']['en']}" for entry in one["entries"]),
        )
    ]
    shown = json.loads(told("profiles", "us-epa-air-sensors/pm25", "--json"))
    (entry,) = shown["entries"]
    assert (entry["name"], entry["grid"], entry["valid_from"]) == ("pm25", "P1D", "2021-02-01")
    targets = {one["statistic"]: one for one in entry["designs"]["reference_collocation"]["targets"]}
    assert (targets["rmse"]["low"], targets["rmse"]["high"]) == (None, 7)
    with pytest.raises(CorrectInput, match="There is no profile 'who'"):
        told("profiles", "who", "--json")


def test_check_answers_the_same_in_both_forms_with_the_same_exit_code(database_url: str) -> None:
    text = run("check", INSITU_DATABASE_URL=database_url)
    document = run("check", "--json", INSITU_DATABASE_URL=database_url)
    assert (text.returncode, text.stderr) == (document.returncode, document.stderr)
    assert "1 of these needs attention" in complaint(document)
    answers = json.loads(document.stdout)
    marks = {"ok": "ok   ", "look": "LOOK ", "bad": "BAD  ", "not_asked": "--   "}
    assert text.stdout == "".join(
        f"{marks[one['state']]}{one['question']}: {one['detail']}\n" for one in answers
    )
    assert {one["question"]: one["state"] for one in answers} == {
        "settings": "ok",
        "database": "ok",
        "schema": "ok",
        "ingestor": "bad",
        "a device can deliver": "not_asked",
        "ledger": "ok",
        "packed days": "ok",
        "catalogue": "ok",
        "denied by the broker": "not_asked",
        "audit log": "ok",
        "records and audit log": "ok",
        "registered facts": "ok",
        "sealed results": "ok",
        "guards of the database": "ok",
        "signed heads": "ok",
        "vouched for outside": "not_asked",
        "rows that pages may read": "ok",
        "rights of the service": "look",  # the account of this test owns the tables
        "people and tokens": "ok",
        "backups": "look",  # there is none
        "disk": "not_asked",
        "retention": "ok",
        "broker keeps devices apart": "not_asked",
        "broker keeps client ids apart": "not_asked",
    }


def test_shards_are_the_same_in_both_forms(told_here: Told, conn: Connection, catalogue: SmallTrial) -> None:
    ensure_shards(conn)
    conn.commit()
    document = json.loads(told_here("shards", "--json"))
    assert (document["count"], document["is_ready"], len(document["shards"])) == (1, False, 1)
    (shard,) = document["shards"]
    assert (shard["shard"], shard["trials"], shard["ingestor"], shard["pending"]) == (0, ["t"], None, 0)
    text = told_here("shards")
    assert text.startswith("1 shard; the sessions are being made: look again in ten seconds.\n")
    assert f"  not heard yet: {', '.join(shard['not_heard_yet'])}\n" in text


def test_a_network_server_is_the_same_in_both_forms_and_its_token_comes_once(
    told_here: Told, conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSITU_MQTT_URL", "mqtt://insitu:x@broker.example.org:1883")
    address = "chirpstack/0101010101010101"
    add_network_server(conn, code="lora", kind="chirpstack", now=START)
    add_address(conn, network_server="lora", address=address, device_id=catalogue.devices["a"])
    conn.commit()
    before = {"network_server": "lora", "kind": "chirpstack", "enrolled": None, "revoked": None}
    device = {"address": address, "network_server": "lora", "trial": "t", "device": "a"}
    assert json.loads(told_here("network", "lora", "--json")) == before | {"devices": [device]}
    text = told_here("network", "lora")
    assert text == f"lora (chirpstack) speaks for 1 device:\n  {address}  t/a\n"
    note = (
        "This broker is not Insitu's own: run `insitu broker-config` and reload it, then this is in "
        "force.\n\n"
    )
    enrolled = json.loads(told_here("network", "lora", "--enrol", "--json", err=note))["enrolled"]
    assert f'username = "{enrolled["username"]}"' in enrolled["configuration"]
    ((hashed,),) = conn.execute("SELECT encode(token_sha256, 'hex') FROM credential").fetchall()
    assert hashlib.sha256(enrolled["token"].encode()).hexdigest() == hashed
    conn.rollback()
    assert json.loads(told_here("network", "lora", "--revoke", "--json", err=note))["revoked"] == 1
    assert json.loads(told_here("network", "lora", "--revoke", "--json"))["revoked"] == 0
    assert told_here("network", "lora", "--revoke").startswith("It had no credential.\nlora (chirp")


def small_package(folder: Path) -> Path:
    """An unsigned package of a before/after of thirty days each."""
    noise = np.random.default_rng(3).standard_normal(60 * 24)
    plan = protocol(
        endpoint("before_after", [criterion("effect", high=-2.0)], arms=["candidate"]),
        periods=[period("baseline", 0, 30), period("reporting", 30, 60)],
    )
    checked_with = quality.parameters_text(
        quality.plan([("gross_range", {"fail_low": -50, "fail_high": 500})])
    )
    given = listed(inputs(plan, [series("candidate-1", 40 + noise, checked_with=checked_with)]))
    evaluation = compute(given)
    text = canonical(document_of(evaluation)).decode()
    write_tables(folder, given, protocol=protocol_text(plan), evaluation=text, flags=[])
    seal(folder, evaluation, None)
    return folder


def test_a_package_is_verified_and_evaluated_the_same_in_both_forms(told: Told, tmp_path: Path) -> None:
    package = str(small_package(tmp_path / "package"))
    text, document = told("verify", package), json.loads(told("verify", package, "--json"))
    assert text.endswith("Every number agrees.\nUNSIGNED\n")
    assert [line[5:] for line in text.splitlines() if line.startswith(("ok ", "open "))] == [
        check["name"] for check in document["checks"]
    ]
    assert (document["agrees"], {check["ok"] for check in document["checks"]}) == (True, {True})
    found = json.loads(told("evaluate", package, "--json"))
    assert found["evaluation"] is None
    kept = json.loads((tmp_path / "package" / "evaluation.json").read_text("utf-8"))
    assert found["document"]["endpoints"] == kept["endpoints"]
    assert f": {found['document']['verdict']}\n" in told("evaluate", package)


def test_a_package_that_was_changed_is_told_in_json_and_is_an_error_all_the_same(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    package = small_package(tmp_path / "package")
    (package / "more.txt").write_text("x", "utf-8")
    with pytest.raises(Disagrees):
        call("verify", str(package), "--json")
    document = json.loads(capsysbinary.readouterr().out)
    assert document["agrees"] is False
    assert document["checks"][0]["lines"] == ["more.txt is not part of the package"]


def test_power_is_one_document_with_its_times_in_utc(told: Told, tmp_path: Path) -> None:
    package = str(small_package(tmp_path / "package"))
    document = json.loads(told("power", package, "--json"))
    assert words(f"{document['trial']} {document['planned_days']}") <= words(told("power", package))
    assert datetime.fromisoformat(document["start"]).utcoffset() == timedelta(0)


CSV = "time,pm25\n2026-03-02T00:00:00Z,1.5\n2026-03-02T00:15:00Z,x\n"


def test_an_import_is_one_document_and_what_it_refuses_is_an_error_all_the_same(
    database_url: str, catalogue: SmallTrial, tmp_path: Path
) -> None:
    path = tmp_path / "card.csv"
    path.write_text(CSV, "utf-8")
    options = ("--trial", "t", "--device", "a")
    dry = run("import", str(path), *options, "--dry-run", "--json", INSITU_DATABASE_URL=database_url)
    assert json.loads(dry.stdout)["is_dry_run"] is True
    done = run("import", str(path), *options, "--json", INSITU_DATABASE_URL=database_url)
    assert (done.returncode, done.stderr.splitlines()[-1][:8]) == (1, "insitu: ")
    document = json.loads(done.stdout)
    assert (document["trial"], document["rows"], document["stored"]) == ("t", 2, 1)
    ((reason, refused),) = document["refused"].items()
    assert (refused["results"], refused["first_row"]) == (1, 3)
    text = run("import", str(path), *options, INSITU_DATABASE_URL=database_url)
    assert set(document["understood"]) <= set(text.stdout.splitlines())
    assert f"refused    {reason}: 1 results of 1 rows, the first in row 3: {refused['detail']}" in text.stdout


def test_what_a_replay_and_a_migration_did_is_a_document(told_here: Told, conn: Connection) -> None:
    assert json.loads(told_here("replay", "--json")) == {
        "tried": 0,
        "stored": 0,
        "still_refused": 0,
        "stored_before": 0,
        "reasons": {},
    }
    assert json.loads(told_here("migrate", "--json")) == []
    assert told_here("migrate") == "The schema is current.\n"


def test_json_that_cannot_be_written_whole_is_an_error(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli", "settings", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"INSITU_DATA_DIR": str(tmp_path)},
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == "insitu: The JSON could not be written: No space left on device.\n"
