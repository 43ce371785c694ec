"""`insitu alerts`, and one round of `insitu work` as a program."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from insitu.clock import SYSTEM
from insitu.embedded.certificates import issue
from insitu.errors import CorrectInput, InsituError
from store.audit import audit
from store.database import Connection
from tests.cli.calling import Told, told, told_here
from tests.forked import run_verb
from tests.jobs.field import Field, build_field
from tests.jobs.sinks import MailSink, WebSink

__all__ = ["told", "told_here"]


@pytest.fixture
def silent(conn: Connection) -> Field:
    field = build_field(conn)
    field.silent.add("n/top")
    field.run(timedelta(hours=4))
    return field


def test_the_open_alerts_of_everybody_are_listed(silent: Field, told_here: Told) -> None:
    listed = json.loads(told_here("alerts", "--json"))
    assert [(one["person"], one["kind"], one["device"]) for one in listed] == [
        (who, "silent", "top") for who in ("lab", "operator", "north")
    ]
    lines = told_here("alerts").splitlines()
    assert len(lines) == 4
    assert "n/top" in lines[1]


def test_without_an_alert_the_list_says_where_people_choose(conn: Connection, told_here: Told) -> None:
    assert "/alerts" in told_here("alerts")


def test_a_test_by_mail_and_by_webhook_says_what_the_receiver_answers(
    conn: Connection, told_here: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = issue(tmp_path / "tls", ["localhost"])
    with MailSink().listening() as mail, WebSink().listening(tls) as web:
        monkeypatch.setenv("INSITU_SMTP_URL", f"smtp://127.0.0.1:{mail.port}")
        monkeypatch.setenv("INSITU_LANGUAGE", "en")
        assert "accepted" in told_here("alerts", "test", "mail", "a@example.org")
        assert mail.mails[0]["Subject"] == "[Insitu] Test of your alerts"
        with pytest.raises(InsituError, match="not a public address"):
            told_here("alerts", "test", "webhook", web.address)
        monkeypatch.setenv("INSITU_WEBHOOK_NETWORKS", "127.0.0.0/8, ::1/128")
        monkeypatch.setenv("INSITU_ALERTS_CA", str(tls.ca))
        assert "200" in told_here("alerts", "test", "webhook", web.address)
    assert [line.action for line in audit(conn)] == ["test alerts"] * 3
    with pytest.raises(CorrectInput):
        told_here("alerts", "test", "pigeon", "x")


def test_one_round_of_the_jobs_looks_tells_and_delivers(
    conn: Connection, database_url: str, tmp_path: Path
) -> None:
    """As a program, with the clock of the wall."""
    tls = issue(tmp_path / "tls", ["localhost"])
    field = build_field(conn)
    field.now = SYSTEM.now()
    conn.execute("UPDATE device_contact SET last_seen_at = %s", (field.now,))
    conn.execute(
        "UPDATE device_contact SET last_seen_at = %s WHERE device_id = %s",
        (field.now - timedelta(hours=5), field.devices["n/top"]),
    )
    conn.execute(
        "INSERT INTO trouble (kind, trial_id, device_id, since, detail) "
        "SELECT 'silent', trial_id, device_id, %s, '{}' FROM device WHERE device_id = %s",
        (field.now - timedelta(minutes=5), field.devices["n/top"]),
    )
    conn.execute("UPDATE person SET login = 'operator@example.org' WHERE login = 'operator'")
    conn.commit()
    with MailSink().listening() as mail:
        done = run_verb(
            "work",
            "--once",
            env={
                **os.environ,
                "INSITU_DATABASE_URL": database_url,
                "INSITU_DATA_DIR": str(tmp_path),
                "INSITU_SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
            },
        )
        assert done.returncode == 0, done.stderr
        assert [one["To"] for one in mail.mails] == ["operator@example.org"]
    assert tls.ca.exists()
