"""`insitu check` names each change that the owner of the database makes past Insitu."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from insitu.clock import SYSTEM
from insitu.errors import Disagrees, InsituError
from jobs.evaluations import Night
from jobs.witness import HEADS_FILE, Witness, vouch_when_due
from store.access import add_person
from store.audit import audit, line_hash
from store.database import Connection
from tests.cli.calling import Told
from tests.fix_authority import Authority, authority
from tests.fix_catalogue import START
from trials.workflow.evaluating import evaluate_trial

__all__ = ["authority"]
DAY = timedelta(days=1)
NIGHT = Night(0, ZoneInfo("Europe/Paris"))
QUESTIONS = {
    "audit log",
    "records and audit log",
    "guards of the database",
    "signed heads",
    "vouched for outside",
}


@dataclass
class Lab:
    conn: Connection
    told: Told
    data: Path
    witness: Witness
    capture: pytest.CaptureFixture[bytes]

    def work(self) -> None:
        """A round of the job."""
        vouch_when_due(self.conn, SYSTEM, NIGHT, self.witness, threading.Event())
        self.conn.commit()

    def check(self) -> dict[str, tuple[str, str]]:
        """Question → (state, detail)."""
        self.conn.commit()
        with pytest.raises(InsituError):  # no ingestor runs here
            self.told("check", "--json")
        answers = json.loads(self.capture.readouterr().out)
        return {
            one["question"]: (one["state"], one["detail"]) for one in answers if one["question"] in QUESTIONS
        }

    def bad(self) -> str:
        """The details of every BAD answer."""
        return "; ".join(detail for state, detail in self.check().values() if state == "bad")

    def attack(self, *statements: str) -> None:
        """As the owner of the tables, with the triggers disabled meanwhile."""
        tables = ("audit", "protocol", "evaluation", "unblinding", "statement", "timestamp_token")
        for table in tables:
            self.conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        for statement in statements:
            assert self.conn.execute(statement.encode()).rowcount, statement
        for table in tables:
            self.conn.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())
        self.conn.commit()

    def chain_again(self, change: Callable[[list[list[object]]], None]) -> None:
        """Rewrite the log with hashes that fit. `change` edits [at, login, action, subject, detail] of each
        line.
        """
        lines = [[one.at, one.login, one.action, one.subject, one.detail] for one in audit(self.conn)]
        change(lines)
        self.attack("DELETE FROM audit")
        previous = ""
        for number, (at, login, action, subject, detail) in enumerate(lines, 1):
            assert isinstance(at, datetime)
            assert isinstance(detail, dict)
            sha256 = line_hash(previous, at, str(login), str(action), str(subject), detail)
            self.conn.execute(
                b"INSERT INTO audit (audit_id, at, login, action, subject, detail, previous_sha256, sha256) "
                b"OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (number, at, login, action, subject, json.dumps(detail), previous, sha256),
            )
            previous = sha256
        self.conn.commit()


@pytest.fixture
def lab(
    unblinded: Connection,
    told_here: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Lab:
    """A locked, unblinded and evaluated trial with a window and a withdrawn import; its log is signed."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("INSITU_DATA_DIR", str(data))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Lab(unblinded, told_here, data, Witness(data), capsysbinary)
    made.work()
    return made


def test_what_nobody_touched_is_in_order_and_says_that_nobody_outside_vouches(lab: Lab) -> None:
    answers = lab.check()
    assert {name: state for name, (state, _) in answers.items()} == {
        **dict.fromkeys(QUESTIONS, "ok"),
        "vouched for outside": "not_asked",
    }, answers
    assert "INSITU_TIMESTAMP_URLS" in answers["vouched for outside"][1]


ATTACKS = {
    "a margin in the document": (
        ["UPDATE protocol SET document = replace(document, '-2', '-1')"],
        "version 1 of the protocol of t has a document with another SHA-256",
    ),
    "a margin, with its hash": (
        [
            "UPDATE protocol SET document = replace(document, '-2', '-1')",
            "UPDATE protocol SET sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')",
        ],
        "lock of version 1 of the protocol of t has another SHA-256",
    ),
    "the time of the lock": (
        ["UPDATE protocol SET locked_at = locked_at - interval '1 day'"],
        "lock of version 1 of the protocol of t has another time",
    ),
    "who locked": (["UPDATE protocol SET locked_by = 'paul'"], "has another person (paul)"),
    "the verdict column": (
        ["UPDATE evaluation SET verdict = 'not_met' WHERE verdict = 'met'"],
        "of t has a document with another verdict",
    ),
    "the time of an evaluation": (
        ["UPDATE evaluation SET evaluated_at = evaluated_at - interval '1 hour'"],
        "evaluation 1 of t has another time",
    ),
    "an evaluation removed": (
        ["DELETE FROM evaluation WHERE evaluation_id = 1"],
        "tells of the evaluation 1 of t, which is not there",
    ),
    "an unblinding removed": (["DELETE FROM unblinding"], "tells of the unblinding of main in t"),
    "the reason of an unblinding": (
        ["UPDATE unblinding SET reason = 'other'"],
        "unblinding of main in t has another reason",
    ),
    "a withdrawal undone": (
        ["UPDATE import SET withdrawn_at = NULL, withdrawn_by = NULL, withdrawn_for = NULL"],
        "tells of the withdrawal of import 1",
    ),
    "a window moved": (
        ["UPDATE declared_window SET period = tstzrange(lower(period), upper(period) + interval '1 day')"],
        "window 1 has another end",
    ),
    "a window removed": (["DELETE FROM declared_window"], "tells of the window 1"),
    "a move removed": (
        ["DELETE FROM trial_step WHERE to_state = 'agreement'"],
        "tells of the move of t to agreement",
    ),
    "a state without a move": (
        ["UPDATE trial SET state = 'buy'"],
        "trial t has a document with another state",
    ),
    "a line altered": (["UPDATE audit SET login = 'person:paul' WHERE audit_id = 5"], "Line 5 of the audit"),
    "the last line cut": (
        ["DELETE FROM audit WHERE audit_id = (SELECT max(audit_id) FROM audit)"],
        "tells of a line that is no longer in the log",
    ),
    "the last five lines cut": (
        ["DELETE FROM audit WHERE audit_id > (SELECT max(audit_id) - 5 FROM audit)"],
        "has no line in the audit log",
    ),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_what_the_owner_changes_is_named(lab: Lab, attack: str) -> None:
    statements, sentence = ATTACKS[attack]
    lab.attack(*statements)
    assert sentence in lab.bad()


GUARDS = {
    "ALTER TABLE protocol DISABLE TRIGGER locked_protocols_stay": (
        "the trigger protocol.locked_protocols_stay is disabled"
    ),
    "ALTER TABLE audit DISABLE TRIGGER ALL": "the trigger audit.audit_stays is disabled",
    "ALTER TABLE audit ENABLE REPLICA TRIGGER audit_stays": "the trigger audit.audit_stays is disabled",
    "DROP TRIGGER evaluations_stay ON evaluation": "the trigger evaluation.evaluations_stay is missing",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NEW; END $$": "the function refuse_change() has another definition",
    "CREATE OR REPLACE TRIGGER audit_stays BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION "
    "refuse_change()": "the trigger audit.audit_stays has another definition",
    "ALTER TABLE unblinding DROP CONSTRAINT unblinding_reason_check": (
        "the constraint unblinding.unblinding_reason_check is missing"
    ),
    "CREATE TRIGGER quiet BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change()": (
        "the trigger audit.quiet comes from no migration"
    ),
    "ALTER TABLE evaluation DISABLE ROW LEVEL SECURITY": "the row-level security of evaluation is missing",
    "CREATE POLICY wide ON evaluation FOR SELECT TO insitu_pages USING (true)": (
        "the policy evaluation.wide comes from no migration"
    ),
    "ALTER POLICY seen ON reject USING (true)": "the policy reject.seen has another definition",
    "ALTER POLICY service ON audit TO public": "the policy audit.service comes from no migration",
    "CREATE RULE quiet AS ON INSERT TO decision DO INSTEAD NOTHING": (
        "the rule decision.quiet comes from no migration"
    ),
    "ALTER TABLE observation ALTER flag SET DEFAULT 1": "the default observation.flag has another definition",
    "GRANT SELECT ON person TO insitu_pages": (
        "the column person.password_hash can be read by the role of the pages"
    ),
    "GRANT UPDATE (note) ON trial_step TO insitu_pages": (
        "the table trial_step can be changed by the role of the pages"
    ),
    "CREATE ROLE other_owner; ALTER TABLE audit OWNER TO other_owner": "audit belong to other_owner",
}


@pytest.mark.parametrize("statement", sorted(GUARDS))
def test_a_guard_that_is_off_is_named(lab: Lab, statement: str) -> None:
    lab.conn.execute(statement.encode())
    assert GUARDS[statement] in lab.bad()
    if "other_owner" in statement:  # roles belong to the whole server
        lab.conn.execute(b"DROP OWNED BY other_owner CASCADE; DROP ROLE other_owner")
        lab.conn.commit()


def _move_lock(lab: Lab, lines: list[list[object]]) -> None:
    for line in lines:
        if line[2] == "lock":
            assert isinstance(line[0], datetime)
            line[0] -= DAY


def test_a_log_that_was_written_again_does_not_continue_its_signed_heads(lab: Lab) -> None:
    lab.chain_again(lambda lines: _move_lock(lab, lines))
    lab.attack("UPDATE protocol SET locked_at = locked_at - interval '1 day'")
    answers = lab.check()
    assert answers["audit log"][0] == answers["records and audit log"][0] == "ok", "it is well made"
    assert "the log was rewritten" in lab.bad()


def test_without_its_statements_the_data_directory_still_names_it(lab: Lab) -> None:
    lab.attack("DELETE FROM statement")
    lab.chain_again(lambda lines: lines.pop())
    lab.work()
    assert "is no longer in the database" in lab.bad()


def test_without_both_a_head_kept_elsewhere_names_it(lab: Lab, tmp_path: Path) -> None:
    lab.told("audit", "head")
    (tmp_path / "head.json").write_text(lab.told("audit", "head"), "utf-8")
    told = lab.told("audit", "verify", "--head", str(tmp_path / "head.json"))
    assert "The log continues the head of" in told
    lab.chain_again(lambda lines: _move_lock(lab, lines))
    lab.attack("DELETE FROM statement")
    (lab.data / HEADS_FILE).unlink()
    lab.work()
    assert "the log was rewritten" not in lab.bad(), "nothing inside knows it"
    with pytest.raises(Disagrees, match="the log was rewritten"):
        lab.told("audit", "verify", "--head", str(tmp_path / "head.json"))


def test_heads_signed_with_another_key_are_named(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    lab.attack("DELETE FROM statement")
    (lab.data / HEADS_FILE).unlink()
    vouch_when_due(lab.conn, SYSTEM, NIGHT, Witness(other), threading.Event())
    assert "is signed with a key that is not this installation's" in lab.bad()


# -- others vouch


@pytest.fixture
def vouched(lab: Lab, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("INSITU_TIMESTAMP_URLS", authority.url)
    monkeypatch.setenv("INSITU_TIMESTAMP_ROOTS", str(authority.root))
    lab.witness = Witness(lab.data, [authority.url], authority.root)
    return lab


def test_an_authority_vouches_for_each_act_and_the_head(vouched: Lab, authority: Authority) -> None:
    vouched.work()
    state, detail = vouched.check()["vouched for outside"]
    # lock, evaluation, unblinding, evaluation, head; the acts of this test are of another year than today
    assert authority.asked == 5
    assert state == "look"
    assert "statement about lock" in detail
    assert "only the lab vouches" in detail
    vouched.work()
    assert authority.asked == 5, "nothing new"


def test_a_token_over_another_statement_is_named(vouched: Lab) -> None:
    vouched.work()
    vouched.attack("UPDATE statement SET document = replace(document, '\"line\":', '\"line\": ')")
    bad = vouched.bad()
    assert "Mismatch between messages" in bad
    assert "has a signature that does not fit" in bad


def test_an_authority_that_is_away_delays_nothing_and_is_asked_again(
    vouched: Lab, authority: Authority
) -> None:
    authority.is_away = True
    vouched.work()
    assert authority.asked == 0
    state, detail = vouched.check()["vouched for outside"]
    assert (state, "5 statements wait for" in detail, "503" in detail) == ("look", True, True)
    authority.is_away = False
    vouched.work()
    assert authority.asked == 0, "its pause is not over"
    vouched.conn.execute(b"UPDATE timestamp_failure SET next_at = now()")
    vouched.conn.commit()
    vouched.work()
    assert authority.asked == 5


def test_a_lying_authority_is_named(vouched: Lab, authority: Authority) -> None:
    authority.lie = "nonce"
    vouched.work()
    state, detail = vouched.check()["vouched for outside"]
    assert state == "look"
    assert "Nonce mismatch" in detail
    assert vouched.conn.execute(b"SELECT count(*) FROM timestamp_token").fetchall() == [(0,)]


def test_a_time_before_the_act_is_named(vouched: Lab, authority: Authority) -> None:
    """An act that states a later time than its time stamp was dated forward."""
    evaluate_trial(vouched.conn, "t", now=SYSTEM.now() + 2 * DAY, login="judge", simulated=False)
    vouched.work()
    assert "states a later time than its time stamp" in vouched.bad()


def test_a_head_carries_its_time_stamps_outside(vouched: Lab, authority: Authority, tmp_path: Path) -> None:
    vouched.work()
    kept = tmp_path / "head.json"
    kept.write_text(vouched.told("audit", "head"), "utf-8")
    add_person(vouched.conn, login="x", name="x", organisation="lab", password_hash="", now=START)
    told = vouched.told("audit", "verify", "--head", str(kept), "--tsa-root", str(authority.root))
    assert f"{authority.url} vouches that it existed on" in told


def test_the_jobs_sign_the_log(lab: Lab) -> None:
    """`insitu work`, with the settings of an installation."""
    before = len(lab.conn.execute(b"SELECT FROM statement").fetchall())
    evaluate_trial(lab.conn, "t", now=SYSTEM.now(), login="judge", simulated=False)
    lab.conn.commit()
    lab.told("work", "--once", err=re.compile(r"[\s\S]*"))
    assert len(lab.conn.execute(b"SELECT FROM statement").fetchall()) == before + 2
    assert lab.check()["signed heads"][0] == "ok"
