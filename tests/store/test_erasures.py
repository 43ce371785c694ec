"""Erasure: what goes, what the ledger, the guards and the audit log say of it, and
who could do it otherwise."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.booking import book
from ingest.reading import prepare
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput, FixPermissions, InsituError, NotFound, ProtocolLocked
from insitu.model import Message
from insitu.times import to_us
from jobs.life import LOGIN, erase_due, mask_due
from store.access import add_person
from store.audit import audit
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.erasures import Scope, count_erased, erase, list_erasures
from store.evidence import find_differences, find_missing_guards
from store.imports import Origin, begin_import, withdraw_import
from store.ledger import recount
from store.retention import retention_of, set_retention
from tests.cli.calling import Told, told, told_here
from tests.fix_catalogue import START, SmallTrial
from trials.package.signing import fingerprint
from trials.witness.statements import Signed, is_signed

__all__ = ["told", "told_here"]
HOUR = timedelta(hours=1)
NEVER = threading.Event()


def send(
    conn: Connection, *payloads: object, device: str = "a", at: int = 0, import_id: int | None = None
) -> None:
    """Each payload as a message of the device, `at` hours after the start."""
    messages = [
        Message(
            f"insitu/v1/t/{device}/obs", json.dumps(one).encode(), to_us(START + at * HOUR) + n, mid=n + 1
        )
        for n, one in enumerate(payloads)
    ]
    items = prepare(messages, load_snapshot(conn))
    if import_id is not None:
        items = [one._replace(source="a.csv, row 1", by_delivery=False) for one in items]
    book(conn, items, client_id="x", now_us=to_us(START + at * HOUR), import_id=import_id)
    conn.commit()


def result(hour: int, value: float = 1.0, **more: object) -> dict[str, object]:
    return {"time": (START + hour * HOUR).isoformat(), "results": {"pm25": value, **more}}


def count(conn: Connection, table: str) -> int:
    return int(conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0])


@pytest.fixture
def filled(conn: Connection, catalogue: SmallTrial) -> Connection:
    """Ten hours of both devices, refused results, and a withdrawn import."""
    for hour in range(10):
        for device in ("a", "b"):
            send(conn, result(hour, note="Jean Dupont"), device=device, at=hour)
    number = begin_import(conn, Origin("a.csv", "lab", "t"), now=START)
    send(conn, result(20), result(21), at=22, import_id=number)
    withdraw_import(conn, number, login="lab", reason="wrong", now=START)
    conn.commit()
    assert recount(conn) == []
    return conn


def test_a_span_of_a_device_goes_and_everything_adds_up(filled: Connection) -> None:
    scope = Scope("t", "a", START + 2 * HOUR, START + 5 * HOUR)
    done = erase(filled, scope, login="lab", reason="asked for", now=START + 30 * HOUR)
    filled.commit()
    assert done.erased["observation"] == 3
    assert done.erased["reject"] == 3
    assert done.results_by_device == {"a": 3}
    assert count_erased(filled, "t") == {"a": 3}
    assert recount(filled) == []
    assert find_differences(filled) == []
    assert find_missing_guards(filled) == []
    line = audit(filled)[-1]
    assert (line.action, line.subject, line.login) == ("erase", "t", "person:lab")
    assert line.detail["erased"] == done.erased
    left = filled.execute("SELECT count(*) FILTER (WHERE payload = ''), count(*) FROM reject").fetchall()
    assert left == [(3, 20)]


def test_a_whole_trial_goes_with_what_was_withdrawn_and_its_latest_results(filled: Connection) -> None:
    done = erase(filled, Scope("t"), login="job:retention", reason="time is over", now=START + 30 * HOUR)
    filled.commit()
    assert done.results_by_device == {"a": 12, "b": 10}
    for table in (
        "observation",
        "withdrawn_observation",
        "quality_flag",
        "datastream_latest",
        "boot_sequence",
    ):
        assert count(filled, table) == 0, table
    assert count(filled, "reject") == 20, "as counts, with their reason"
    assert recount(filled) == []
    assert find_differences(filled) == []
    again = erase(filled, Scope("t"), login="job:retention", reason="again", now=START + 30 * HOUR)
    assert again.rows == 0


def test_the_latest_result_is_that_of_what_is_left(filled: Connection, catalogue: SmallTrial) -> None:
    erase(filled, Scope("t", "a", START + 4 * HOUR), login="lab", reason="r", now=START)
    (latest,) = filled.execute(
        "SELECT phenomenon_time FROM datastream_latest WHERE datastream_id = %s",
        (catalogue.datastreams["a", "pm25"],),
    ).fetchall()
    assert latest == (START + 3 * HOUR,)


def test_rows_that_stay_go_only_with_their_certificate(filled: Connection) -> None:
    with pytest.raises(ProtocolLocked, match="withdrawn_observation is immutable"):
        filled.execute("DELETE FROM withdrawn_observation")
    filled.rollback()
    erase(filled, Scope("t", "b"), login="lab", reason="r", now=START)
    filled.commit()
    with pytest.raises(ProtocolLocked, match="withdrawn_observation is immutable"):
        filled.execute("DELETE FROM withdrawn_observation")  # the next transaction
    filled.rollback()
    for table in ("erasure", "erased_rows"):
        with pytest.raises(ProtocolLocked, match=f"{table} is immutable"):
            filled.execute(f"DELETE FROM {table}".encode())
        filled.rollback()


def test_the_running_parts_erase_by_the_function_alone(filled: Connection) -> None:
    filled.execute("SET ROLE insitu_service")
    filled.commit()
    done = erase(filled, Scope("t", "a"), login="job:retention", reason="r", now=START)
    filled.commit()
    assert done.results_by_device == {"a": 12}
    for statement in (
        "DELETE FROM correction",
        "DELETE FROM withdrawn_observation",
        "DELETE FROM erasure",
        "INSERT INTO erasure (at, by_login, reason, trial, parts) VALUES (now(), 'x', 'r', 't', '{}')",
        "INSERT INTO erased_rows VALUES (1, 't', 'b', 'observation', 1, 1)",
        "SELECT erase_results(1, '{1}', '-infinity', 'infinity')",
    ):
        with pytest.raises(FixPermissions):
            filled.execute(statement.encode())
        filled.rollback()
    filled.execute("SET ROLE insitu_pages")
    with pytest.raises(FixPermissions):
        filled.execute("SELECT erase(now(), 'x', 'r', 't', NULL, NULL, NULL, '{results}')")
    filled.rollback()


def test_a_certificate_that_somebody_else_wrote_is_found(filled: Connection) -> None:
    filled.execute(
        "INSERT INTO erasure (at, by_login, reason, trial, parts) "
        "VALUES (now(), 'lab', 'r', 't', '{results}')"
    )
    filled.execute("DELETE FROM withdrawn_observation")
    filled.execute("INSERT INTO erased_rows VALUES (1, 't', 'a', 'withdrawn_observation', 2, 2)")
    filled.commit()
    assert recount(filled) == []
    assert find_differences(filled) == ["the erasure 1 has no line in the audit log"]


def test_more_rows_than_the_certificate_says_are_found(filled: Connection) -> None:
    done = erase(filled, Scope("t", "b"), login="lab", reason="r", now=START)
    filled.execute("DELETE FROM observation WHERE phenomenon_time < %s", (START + 2 * HOUR,))
    filled.commit()
    assert [one.what for one in recount(filled)] == ["observations"]
    filled.execute("INSERT INTO erased_rows VALUES (%s, 't', 'a', 'observation', 2, 2)", (done.erasure_id,))
    filled.commit()
    assert recount(filled) == []
    assert any("the erasure 1 has another erased" in one for one in find_differences(filled))


def test_an_erasure_needs_a_reason_a_span_and_something_that_is_there(filled: Connection) -> None:
    for scope, reason, error in (
        (Scope("t"), " ", CorrectInput),
        (Scope("t", since=START, until=START), "r", CorrectInput),
        (Scope("nothing"), "r", NotFound),
        (Scope("t", "nothing"), "r", NotFound),
    ):
        with pytest.raises(error):
            erase(filled, scope, login="lab", reason=reason, now=START)
        filled.rollback()


# -- by night


def test_the_night_erases_what_is_due_and_says_so(filled: Connection) -> None:
    filled.execute("UPDATE trial SET ends_at = %s", (START + 30 * HOUR,))
    set_retention(filled, "t", {"results_days": 10, "rejects_days": 3}, login="lab", now=START)
    filled.commit()
    erase_due(filled, START + timedelta(days=2), NEVER)
    assert list_erasures(filled) == []
    erase_due(filled, START + timedelta(days=4), NEVER)
    (messages,) = list_erasures(filled)
    assert set(messages.erased) == {"reject"}
    assert count(filled, "observation") == 20
    erase_due(filled, START + timedelta(days=12), NEVER)
    assert count(filled, "observation") == 0
    assert {line.login for line in audit(filled) if line.action == "erase"} == {LOGIN}
    assert recount(filled) == []
    before = len(audit(filled))
    erase_due(filled, START + timedelta(days=13), NEVER)
    assert len(audit(filled)) == before, "nothing is left, so nothing is said"


def test_a_trial_that_has_not_ended_keeps_its_results(filled: Connection) -> None:
    erase_due(filled, START + timedelta(days=9999), NEVER)
    assert count(filled, "observation") == 20
    assert filled.execute("SELECT count(*) FROM reject WHERE payload <> ''").fetchall() == [(0,)]


def test_texts_that_a_trial_allows_stay_for_their_days(conn: Connection, catalogue: SmallTrial) -> None:
    wanted = {"raw_fields": ["note"], "raw_days": 5, "rejects_days": 30}
    set_retention(conn, "t", wanted, login="lab", now=START)
    send(conn, result(0, note="Jean Dupont", other="Jean Dupont", mail="jean@ville.fr"), at=0)
    ((payload,),) = conn.execute("SELECT payload FROM reject").fetchall()
    assert b'"note": "Jean Dupont"' in payload
    assert b'"other": "***********"' in payload
    assert b"ville" not in payload
    assert mask_due(conn, START + timedelta(days=4), NEVER) == 0
    assert mask_due(conn, START + timedelta(days=6), NEVER) == 1
    ((payload, detail),) = conn.execute("SELECT payload, detail FROM reject").fetchall()
    assert b"Jean" not in payload
    assert "Jean" not in detail
    assert audit(conn)[-1].login == LOGIN
    assert recount(conn) == []


def test_rejects_of_an_earlier_version_are_masked_in_the_first_night(
    conn: Connection, catalogue: SmallTrial
) -> None:
    conn.execute(
        "INSERT INTO reject (reason, detail, topic, payload, size, received_at, trial, device, results, "
        "identity, raw_until)"
        " VALUES ('unknown_property', '''note'' is ''Jean Dupont''', 'insitu/v1/t/a/obs', "
        "%s, 40, now(), 't', 'a', 1, 'x', now())",
        (b'{"results":{"note":"Jean Dupont","no2":4}}',),
    )
    mask_due(conn, SYSTEM.now(), NEVER)
    found = conn.execute("SELECT payload, detail FROM reject").fetchall()
    assert found == [(b'{"results":{"note":"***********","no2":4}}', "'note' is '***********'")]


# -- what is set


def test_what_contradicts_itself_is_not_set(conn: Connection, catalogue: SmallTrial) -> None:
    for wanted in (
        {"legal_basis": "because"},
        {"results_days": 0},
        {"rejects_days": 4000},
        {"raw_fields": ["x"]},
        {"raw_days": 4},
        {"raw_fields": ["x"], "raw_days": 31},
    ):
        with pytest.raises(CorrectInput):
            set_retention(conn, "t", wanted, login="lab", now=START)
    assert retention_of(conn, "t").set_at is None


def test_setting_changes_only_what_is_named(conn: Connection, catalogue: SmallTrial) -> None:
    set_retention(conn, "t", {"purpose": " Air ", "legal_basis": "consent"}, login="lab", now=START)
    found = set_retention(conn, "t", {"rejects_days": 9}, login="lab", now=START)
    assert (found.purpose, found.legal_basis, found.rejects_days, found.results_days) == (
        "Air",
        "consent",
        9,
        1825,
    )
    assert retention_of(conn, "t") == found
    assert audit(conn)[-1].detail["rejects_days"] == 9


# -- on the command line


def test_a_dry_run_counts_and_changes_nothing_and_the_certificate_is_signed(
    filled: Connection, told_here: Told, tmp_path: Path
) -> None:
    said = told_here("erase", "--device", "t/a", "--reason", "asked", "--dry-run")
    assert "12  observation" not in said
    assert "10  observation" in said
    assert count(filled, "observation") == 20
    assert list_erasures(filled) == []
    filled.commit()
    path = tmp_path / "certificate.json"
    told_here("erase", "--device", "t/a", "--reason", "asked", "--certificate", str(path))
    kept = json.loads(path.read_text("utf-8"))
    assert kept["erasure"]["erased"]["observation"] == 10
    assert is_signed(Signed(kept["document"], kept["public_key"], kept["signature"]))
    assert not is_signed(
        Signed(kept["document"].replace("asked", "other"), kept["public_key"], kept["signature"])
    )
    assert fingerprint(kept["public_key"]) in told_here("key")
    number = kept["erasure"]["erasure"]
    assert json.loads(told_here("erasures", "--certificate", str(number))) == kept
    assert "t/a" in told_here("erasures", "t")


def test_a_person_goes_and_the_lines_of_the_audit_log_stay(
    conn: Connection, catalogue: SmallTrial, told_here: Told
) -> None:
    for login in ("lab", "marie@ville.fr"):
        add_person(conn, login=login, name="Marie D", organisation="lab", password_hash="x", now=START)
    conn.commit()
    told_here("erase", "--person", "marie@ville.fr", "--reason", "left")
    found = conn.execute("SELECT login, name, disabled_at IS NULL FROM person ORDER BY person_id").fetchall()
    assert found == [("lab", "Marie D", True), ("erased-2", "", False)]
    assert find_differences(conn) == []
    conn.commit()
    with pytest.raises(InsituError):
        told_here("erase", "--person", "lab", "--reason", "the last one of the lab")


def test_the_record_of_processing_names_purpose_basis_data_recipients_and_days(
    conn: Connection, catalogue: SmallTrial, told_here: Told
) -> None:
    assert "not stated" in told_here("record")
    told_here("retention", "t", "--purpose", "Clean air", "--basis", "public_task", "--results-days", "400")
    said = told_here("record")
    for words in ("Clean air", "public task", "Company", "Host", "Judge", "pm25", "results 400 days"):
        assert words in said, words
    (one,) = json.loads(told_here("record", "--json"))
    assert one["results_days"] == 400
    assert "Clean air" in told_here("retention", "t")
