"""The database of an earlier version: migrated, it keeps its evaluation, which is exported and verified by
the rules it was computed with; a new one has the newest rules.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from insitu.clock import SYSTEM
from insitu.embedded.postgres import wheel_binaries
from insitu.model import Stamp
from jobs.evaluations import Night
from jobs.seals import seal_when_due
from store import trials as store_trials
from store.catalogue.datastreams import list_datastreams
from store.catalogue.trials import list_trials
from store.database import Connection, connect, migrate
from store.seals import find_changed_days, find_changed_facts
from tests.trials.test_rules import shared
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.verify import verify
from trials.plan.rules import NEWEST, RULES_1
from trials.workflow.exporting import write
from trials.workflow.loading import load_inputs


@pytest.fixture
def earlier(database_server: str) -> Iterator[Connection]:
    name = f"earlier_{uuid4().hex[:12]}"
    path = shared("installation-2026-11.dump")
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = make_conninfo(database_server, dbname=name)
        given = conninfo_to_dict(url)
        command = [str(wheel_binaries() / "pg_restore"), "--no-owner", "--no-privileges", "--exit-on-error"]
        command += ["-h", str(given["host"]), "-U", str(given["user"]), "-d", name, str(path)]
        subprocess.run(command, check=True, env={"PGPASSWORD": str(given["password"]), "LC_ALL": "C"})
        with connect(url, application="tests") as conn:
            migrate(conn)
            yield conn
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_earlier_evaluation_stays_what_it_was_and_a_new_one_has_the_newest_rules(
    earlier: Connection, tmp_path: Path
) -> None:
    (trial,) = [one.code for one in list_trials(earlier) if store_trials.latest_evaluation(earlier, one.code)]
    assert {stream.stamp for stream in list_datastreams(earlier, trial)} == {Stamp.INSTANT}
    stored = store_trials.latest_evaluation(earlier, trial)
    assert stored is not None
    before = Evaluation.model_validate_json(stored.document)
    assert before.rules == RULES_1
    write(earlier, stored.evaluation_id, tmp_path, key=None)
    assert [check for check in verify(tmp_path) if not check.ok] == []
    assert json.loads((tmp_path / "catalogue.json").read_text("utf-8"))["rules"] == RULES_1
    protocol = store_trials.locked_protocol(earlier, trial)
    assert protocol is not None
    inputs = load_inputs(earlier, trial, protocol, now=before.evaluated_at, simulated=before.simulated_time)
    after = compute(inputs)
    assert after.rules == NEWEST
    assert after.verdict == before.verdict
    # Its periods begin at local midnight, and its results come every 15 minutes: the grid is the old one.
    assert document_of(after)["gate"] == json.loads(stored.document)["gate"]


def test_its_facts_and_days_are_sealed_as_they_are_found(earlier: Connection) -> None:
    night = Night(0, ZoneInfo("Europe/Paris"))
    earlier.commit()
    seal_when_due(earlier, SYSTEM, night, threading.Event())
    assert find_changed_facts(earlier) + find_changed_days(earlier, most=10**9) == []
    counted = (
        "SELECT n.rows > 0, n.rows >= (SELECT count(*) FROM observation WHERE phenomenon_time < now() - "
        "interval '3 days') "
        "FROM (SELECT sum(rows) AS rows FROM sealed_day WHERE kind = 'observation') n"
    )
    assert earlier.execute(counted.encode()).fetchall() == [(True, True)]
    for statement in (
        "UPDATE sensor SET calibration = 'other' WHERE sensor_id = 1",
        "UPDATE observation SET result = result + 1 WHERE ctid = (SELECT min(ctid) FROM observation)",
    ):
        earlier.execute("SET LOCAL session_replication_role = replica")
        assert earlier.execute(statement.encode()).rowcount == 1
    (fact,), (day,) = find_changed_facts(earlier), find_changed_days(earlier, most=10**9)
    assert fact == "sensor 1 is not as it was sealed"
    assert day.endswith("are not as they were sealed")
