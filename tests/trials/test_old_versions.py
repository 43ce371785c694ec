"""A package and a database of an earlier version: the package verifies by the rules it was computed with, the
database migrates, and an export of its old evaluation is that evaluation.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from proving.faults.database import programs
from store.database import Connection, connect, migrate
from store.trials import latest_evaluation
from trials.evaluation import Evaluation, document_of
from trials.package.reading import read_inputs
from trials.package.verify import verify
from trials.plan.rules import NEWEST, RULES_1
from trials.report.build import build
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.exporting import write

TRIAL = "ward-ventilation"


def kept(name: str) -> Path:
    """INSITU_OLD_DIR, else `shared/data` beside the repository or above it; skips if it is not there."""
    given = os.environ.get("INSITU_OLD_DIR")
    above = [parent / "shared" / "data" for parent in Path(__file__).resolve().parents]
    for folder in [Path(given)] if given else above:
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"{name} of an earlier version is not here: set INSITU_OLD_DIR to its folder")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(kept("package-2026-11.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def old(database_server: str) -> Iterator[Connection]:
    """A connection to the restored and migrated database."""
    dump, name = kept("installation-2026-11.dump"), f"old_{uuid4().hex[:12]}"
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = make_conninfo(database_server, dbname=name)
        restore = [str(programs() / "pg_restore"), "--no-owner", "--no-privileges", "-d", url, str(dump)]
        subprocess.run(restore, check=True, capture_output=True, timeout=250)
        with connect(url, application="tests") as conn:
            migrate(conn)
            conn.commit()
            yield conn
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def numbers(document: dict[str, Any]) -> list[Any]:
    return [
        (
            one["name"],
            c["statistic"],
            c["verdict"],
            c["estimate"] and {k: c["estimate"][k] for k in ("value", "n")},
        )
        for one in document["endpoints"]
        for c in one["criteria"]
    ]


def test_the_old_package_verifies_by_the_rules_it_was_computed_with(package: Path) -> None:
    assert read_inputs(package).rules.version == RULES_1
    assert [(check.name, check.lines) for check in verify(package) if not check.ok] == []


def test_the_old_evaluation_renders_without_what_its_rules_did_not_hold(package: Path) -> None:
    document = json.loads((package / "evaluation.json").read_text("utf-8"))
    assert not {"rules", "afterwards", "after_the_fact"} & document.keys()
    for language in ("en", "fr"):
        model = build(document, language)  # type: ignore[arg-type]
        assert model.blocks


def test_the_old_database_migrates_and_exports_its_old_evaluation_as_it_was(
    old: Connection, tmp_path: Path
) -> None:
    stored = latest_evaluation(old, TRIAL)
    assert stored is not None
    write(old, stored.evaluation_id, tmp_path / "package", key=None)
    assert (tmp_path / "package" / "evaluation.json").read_text("utf-8") == stored.document
    assert [(check.name, check.lines) for check in verify(tmp_path / "package") if not check.ok] == []


def test_the_old_trial_evaluated_again_has_the_same_estimates_and_names_the_new_rules(
    old: Connection,
) -> None:
    stored = latest_evaluation(old, TRIAL)
    assert stored is not None
    before = json.loads(stored.document)
    at = Evaluation.model_validate(before).evaluated_at
    _, again = evaluate_trial(old, TRIAL, now=at, login="lab", simulated=before["simulated_time"])
    old.rollback()
    assert numbers(document_of(again)) == numbers(before)
    assert again.rules == NEWEST
    assert again.afterwards is None, "it was locked before its reporting period"
