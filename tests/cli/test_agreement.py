"""`insitu agreement`: versions stay, their lines agree, and a trial that moves on prints what is open."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from insitu.errors import CorrectInput, NotFound, ProtocolLocked
from store.agreements import newest_agreement
from store.database import Connection
from store.evidence import find_differences
from tests.cli.calling import Told
from tests.fix_catalogue import SmallTrial
from tests.trials.test_agreement import SHEET, WHOLE

ANY = re.compile(r"[\s\S]*")


def write(folder: Path, text: str) -> str:
    path = folder / "agreement.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_each_version_stays_and_the_newest_counts(
    told_here: Told, conn: Connection, catalogue: SmallTrial, tmp_path: Path
) -> None:
    assert "There is no agreement yet" in told_here("agreement", "t")
    said = told_here("agreement", "t", write(tmp_path, "signed_on = 2026-02-01\n"))
    assert "open: It does not say which data host may use" in said
    said = told_here("agreement", "t", write(tmp_path, WHOLE))
    assert said.count("open: ") == 1
    assert "There is no security sheet of the devices without a model." in said
    shown = json.loads(told_here("agreement", "t", "--json"))
    assert shown["document"]["trade_secrets"] == "none"
    assert [point["code"] for point in shown["open_points"]] == ["no_sheet"]
    assert conn.execute("SELECT count(*) FROM agreement").fetchone() == (2,)
    assert find_differences(conn) == []


def test_an_unknown_trial_and_a_missing_file_are_named(
    told_here: Told, catalogue: SmallTrial, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="no trial 'x'"):
        told_here("agreement", "x", write(tmp_path, WHOLE))
    with pytest.raises(CorrectInput, match="Cannot read"):
        told_here("agreement", "t", str(tmp_path / "none.toml"))


def test_a_trial_that_moves_on_prints_what_is_open(
    told_here: Told, conn: Connection, catalogue: SmallTrial, tmp_path: Path
) -> None:
    for state in ("shortlisted", "agreement"):
        told_here("move", "t", state)
    told_here("move", "t", "deployment", err=re.compile(r"open in the agreement: There is no .*\n"))
    conn.execute("UPDATE device SET model = 'Box'")
    conn.commit()
    told_here("agreement", "t", write(tmp_path, WHOLE + SHEET))
    told_here("move", "t", "running")


def test_a_version_cannot_be_changed_and_a_change_past_the_trigger_is_found(
    told_here: Told, conn: Connection, catalogue: SmallTrial, tmp_path: Path
) -> None:
    told_here("agreement", "t", write(tmp_path, WHOLE))
    with pytest.raises(ProtocolLocked):
        conn.execute("UPDATE agreement SET document = '{}'")
    conn.rollback()
    with psycopg.connect(conn.info.dsn, password=conn.info.password) as owner:
        owner.execute("ALTER TABLE agreement DISABLE TRIGGER agreements_stay")
        owner.execute("UPDATE agreement SET document = replace(document, '2028', '2038')")
    stored = newest_agreement(conn, "t")
    assert stored is not None
    assert any("agreement" in one and "SHA-256" in one for one in find_differences(conn))
