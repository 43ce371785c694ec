"""`insitu catalogue` on the command line, and the download of the lab."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cli.actor import local_administrator
from cli.people import add_first_person, first_sign_in
from insitu.errors import CorrectInput, StartInsitu
from store.audit import audit
from store.database import connect
from tests.api.conftest import SignIn, data_dir, filled, own_world_url, serving
from tests.cli.calling import Told
from tests.fix_catalogue import SmallTrial
from tests.fix_charts import charts
from tests.fix_database import clone

__all__ = ["SignIn", "charts", "data_dir", "filled", "own_world_url"]


def test_a_lab_moves_by_two_commands(
    told_here: Told,
    catalogue: SmallTrial,
    database_server: str,
    migrated_template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert catalogue.trial == "t"
    file = tmp_path / "lab.zip"
    written = json.loads(told_here("catalogue", "export", str(file), "--json"))
    assert written["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o777 == 0o600
    with clone(database_server, migrated_template) as url, connect(url, application="tests") as conn:
        monkeypatch.setenv("INSITU_DATABASE_URL", url)
        add_first_person(conn, tmp_path)
        assert first_sign_in(conn, tmp_path) is not None
        text = told_here("catalogue", "import", str(file))
        assert f"Entered {written['rows']} rows:" in text
        assert "No person of the lab is in it" in text  # the small trial has nobody
        conn.rollback()
        assert [(one.action, one.login) for one in audit(conn)][-1] == (
            "import catalogue",
            local_administrator(),
        )
        conn.rollback()
        assert first_sign_in(conn, tmp_path) is None, "a password of an account that is gone"
        with pytest.raises(CorrectInput, match="has a catalogue already: organisation"):
            told_here("catalogue", "import", str(file))
        conn.rollback()
        again = tmp_path / "again.zip"
        told_here("catalogue", "export", str(again), "--json")
        assert again.read_bytes() == file.read_bytes()


def test_a_file_that_cannot_be_read_or_written_is_said_in_words(
    told_here: Told, catalogue: SmallTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CorrectInput, match=r"Cannot read .*nothing.zip \(No such file"):
        told_here("catalogue", "import", str(tmp_path / "nothing.zip"))
    with pytest.raises(CorrectInput, match=r"Cannot write .*lab.zip \(No such file"):
        told_here("catalogue", "export", str(tmp_path / "nowhere" / "lab.zip"))
    monkeypatch.delenv("INSITU_DATABASE_URL")
    monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path))
    with pytest.raises(StartInsitu):
        told_here("catalogue", "export", str(tmp_path / "lab.zip"))


def test_the_lab_downloads_the_catalogue_and_the_log_says_so(own_world_url: str, data_dir: Path) -> None:
    with serving(own_world_url, data_dir, by_form=False) as sign_in:
        answer = sign_in("lab").get("/api/v1/catalogue.zip")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["cache-control"] == "private, no-store"
        for login in ("metro", "hospital-buyer", "judge", "aurore", "auditor", "lab-auditor"):
            assert sign_in(login).get("/api/v1/catalogue.zip").status_code == 404
        assert sign_in("").get("/api/v1/catalogue.zip").status_code == 401
    with connect(own_world_url, application="tests") as conn:
        last = audit(conn)[-1]
    assert (last.action, last.login) == ("export catalogue", "person:lab")
    assert last.detail["sha256"] == hashlib.sha256(answer.content).hexdigest()
