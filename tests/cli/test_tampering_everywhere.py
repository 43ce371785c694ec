"""Every column of every table, as the database lists them, changed by its owner with the triggers off:
`check` names it, or the column is in a list below with the reason why nothing rests on it.

The attacks know no digest: they read the database's own catalogue, change one value, and read what `check`
says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.evidence_check import check_chain, check_days, check_facts, check_heads, check_records
from insitu.clock import SYSTEM
from insitu.errors import InsituError
from insitu.model import Observation
from insitu.times import to_us
from jobs.seals import seal_settled, seal_when_due
from store.audit import record
from store.corrections import Correction, correct
from store.database import Connection, require_current
from store.ledger import recount
from store.packed.checking import find_wrong_days
from store.seals import seal_facts
from tests.cli.test_tampering import DAY, NIGHT, Lab, lab
from tests.fix_catalogue import START
from tests.store.packed.test_twins import pack_all

pytestmark = pytest.mark.long

__all__ = ["lab"]
NEVER = threading.Event()

WORKING = (
    "the working state of a part: it is written again, and tells nobody of a result, a verdict or a right"
)
LAST_USE = "when something was used last, or where from: it helps people to find a misuse"
NOTHING_RESTS = {
    "access_token_address": LAST_USE,
    **dict.fromkeys(
        ("alert", "alert_channel", "alert_rule", "alert_trouble", "notice", "trouble"),
        "who hears of which trouble: a result, a verdict or a right does not rest on it",
    ),
    **dict.fromkeys(
        ("site_plan", "plan_place"),
        "a drawing, and where a device is on it: deployments say where it is, and those are sealed",
    ),
    "kept_answer": "for the repeats of one day; what was done has its line and its rows",
    "protocol_draft": "a text that people still change; its lock counts, and that has a hash and a line",
    "saved_view": "which pages one person keeps in its menu",
    "outage": "which silence is ours, for alerts; gaps in reports come from results",
    "backup_state": WORKING,
    "boot_sequence": "numbers of messages, for receipts; a repeat is never stored twice, by its key",
    "broker_event": "what the broker denied: a hint for the owner of a device",
    "broker_log": WORKING,
    "broker_state": WORKING,
    "catalogue_version": WORKING,
    "datastream_latest": "made from the results again; the pages show it, no evaluation reads it",
    "delivered_batch": WORKING,
    "delivery": WORKING,
    "device_contact": "the last sign of life; states and gaps in reports come from results and device_status",
    "evaluation_request": "how far an evaluation is that was asked for; the evaluation has a line of its own",
    "device_remark": "hints about a device's messages",
    "ingestor": WORKING,
    "message_digest": "of numbers of messages, as boot_sequence",
    "probe": WORKING,
    "quality_run.checked_at": "when the checks ran last, which is every few seconds; the flags are sealed",
    "reject_kept": "how much a device may still send in this hour",
    "row_change.note_id": "the order of several notes about one row: another order is named with its day",
    "schema_migration.applied_at": "which migrations there are is compared; when they ran is in the log",
    "shard": WORKING,
    "shard_count.only_row": "it can have one value alone",
    "sign_in_failure": "how many wrong passwords in these minutes",
    "sparkplug_birth": WORKING,
    "statement.statement_id": "a number of this database alone; the statement has the number of its line",
    "timestamp_failure": WORKING,
    "timestamp_token": "`check` verifies the token itself, with the time in it, where authorities are named",
    "used_return": WORKING,
    "access_token.last_used_at": LAST_USE,
    "person.last_sign_in_at": LAST_USE,
    "wall_link.last_opened_at": LAST_USE,
    "person.language": "the language of the pages",
    "second_factor.last_step": "a code works once; a lower number lets the last one in again for a minute",
    "signed_in.last_used_at": LAST_USE,
    "signed_in.browser": LAST_USE,
    "signed_in.address": LAST_USE,
    "trial.shard_id": "which session of the ingestor hears it",
    **{
        f"credential.suspended_{name}": "a pause of minutes for a device that sends too much"
        for name in ("at", "until", "bytes", "seconds", "step")
    },
    "credential.suspensions": "how often it had to pause",
    "fact_change.xid": "the transaction of a change that is not sealed yet",
    "sealed_part.noted_until": "a wrong time makes `check` name days that nobody changed",
    "sealed_part.time_zone": "where the next days begin; those that are sealed have their own times",
}
"""Table, or table.column → why."""

FILL = """
INSERT INTO person (login, name, organisation_id, password_hash, created_at, role)
    SELECT 'marie', 'Marie', organisation_id, 'x', now(), 'lab' FROM organisation WHERE code = 'lab';
INSERT INTO access_token (token_sha256, person_id, name, scopes, created_by, expires_at)
    SELECT sha256('a'), person_id, 'n', '{read}', 'marie', now() + interval '9 days' FROM person;
INSERT INTO access_token_address (access_token_id, address) SELECT access_token_id, '::1' FROM access_token;
INSERT INTO invitation (token_sha256, person_id, purpose, created_by, expires_at)
    SELECT sha256('b'), person_id, 'reset', 'marie', now() + interval '9 days' FROM person;
INSERT INTO second_factor (person_id, secret) SELECT person_id, 'x' FROM person;
INSERT INTO recovery_code (person_id, code_sha256) SELECT person_id, sha256('c') FROM person;
INSERT INTO signed_in (token_sha256, person_id, expires_at) SELECT sha256('d'), person_id, now() +
    interval '9 days' FROM person;
INSERT INTO protocol_draft (trial_id, text, changed_at, changed_by)
SELECT trial_id, '{}', now(), 'judge' FROM trial LIMIT 1;
INSERT INTO site_plan (site_id, name, rank, image, sha256, width, height, changed_at, changed_by)
SELECT site_id, 'p', 0, 'i', encode(sha256('i'), 'hex'), 1, 1, now(), 'lab' FROM site LIMIT 1;
INSERT INTO plan_place SELECT min(deployment_id), min(site_plan_id), 1, 1, now(), 'lab' FROM deployment,
    site_plan;
INSERT INTO kept_answer (person_id, key_sha256, request_sha256, at, answer)
SELECT person_id, sha256('a'), sha256('b'), now(), 'c' FROM person LIMIT 1;
INSERT INTO agreement (trial_id, document, sha256, entered_at, entered_by)
    SELECT trial_id, '{}', encode(sha256('{}'), 'hex'), now(), 'lab' FROM trial;
INSERT INTO need (code, host_id, title, created_at) SELECT 'need', host_id, '{"en": "N"}', now() FROM trial;
INSERT INTO sensor (device_id, make, model) SELECT device_id, 'm', 'o' FROM device;
INSERT INTO mapping (trial_id, devices, field, property_id, unit, role, result_type)
    SELECT trial_id, '{a}', 'f', property_id, 'ug/m3', 'candidate', 'number' FROM trial, observed_property
    WHERE observed_property.code = 'pm25';
INSERT INTO unit_conversion VALUES ('ug/m3', 'mg/m3', 1000, 0);
INSERT INTO network_server (code, kind, created_at) VALUES ('lora', 'chirpstack', now());
INSERT INTO network_address SELECT 'aa', network_server_id, (SELECT min(device_id) FROM device) FROM
    network_server;
INSERT INTO fixed_topic (topic, device_id, created_at) SELECT 'x/y', min(device_id), now() FROM device;
INSERT INTO credential (device_id, username, token_sha256, nats_hash, mosquitto_hash, created_at)
    SELECT min(device_id), 'u', sha256('e'), 'n', 'm', now() FROM device;
INSERT INTO retention SELECT trial_id, 'p', '', '', 9, 9, '{}', 0, now(), 'lab' FROM trial;
INSERT INTO decision (trial_id, evaluation_id, evaluation_sha256, protocol_sha256, outcome, reason,
    decided_at, decided_by, on_behalf)
    SELECT trial_id, evaluation_id, sha256, 'x', 'stop', 'r', now(), 'lab', false FROM evaluation LIMIT 1;
INSERT INTO import_part SELECT import_id, (SELECT min(datastream_id) FROM datastream), '2026-03-03',
    '2026-03-04', 1 FROM import;
INSERT INTO erasure (at, by_login, reason, trial, parts) VALUES (now(), 'lab', 'r', 't', '{messages}');
INSERT INTO erased_rows SELECT erasure_id, 't', 'a', 'reject', 1, 0 FROM erasure;
INSERT INTO withdrawn_observation SELECT import_id, (SELECT min(datastream_id) FROM datastream),
    '2026-03-03 00:01Z', 1, now(), 4, false FROM import;
INSERT INTO correction (datastream_id, phenomenon_time, old_result, new_result, old_received_at,
    corrected_at, login, reason, file, file_sha256)
    SELECT min(datastream_id), '2026-03-03 01:00Z', 1, 2, now(), now(), 'l', 'r', 'f', 's' FROM datastream;
INSERT INTO device_status (device_id, at, state, received_at) SELECT min(device_id), '2026-03-03 01:00Z',
    'online', now() FROM device;
INSERT INTO reject (reason, detail, topic, payload, size, received_at, trial, device, results, identity)
    VALUES ('unknown_field', 'd', 't', 'p', 1, '2026-03-03 01:00Z', 't', 'a', 1, 'i');
INSERT INTO reject_overflow VALUES ('t', 'a', '2026-03-03 01:00Z', 'unknown_field', 1, 1, 1, '2026-03-03
    01:00Z', '2026-03-03 01:30Z');
INSERT INTO ledger (trial, device, hour, received, accepted, contained, stored) VALUES ('t', 'a',
    '2026-03-03 01:00Z', 1, 1, 1, 1);
INSERT INTO ledger_reason VALUES ('t', 'a', '2026-03-03 01:00Z', 0, 'refused', 'unknown_field', 1, 1);
INSERT INTO outage (shard_id, started_at, ended_at) VALUES (0, '2026-03-03 01:00Z', '2026-03-03 02:00Z');
INSERT INTO trouble (kind, since, detail) VALUES ('outage', now(), '{}');
INSERT INTO alert_rule (person_id, kind, is_on, remind_hours) SELECT person_id, 'late', true, 1 FROM person;
INSERT INTO alert_channel (person_id, kind, address, secret, made_at)
    SELECT person_id, 'mail', 'a@example.org', sha256('f'), now() FROM person;
INSERT INTO alert (person_id, kind, since, opened_at, detail) SELECT person_id, 'outage', now(), now(), '{}'
    FROM person;
INSERT INTO alert_trouble SELECT person_id, trouble_id, alert_id FROM alert, trouble;
INSERT INTO saved_view (person_id, name, address, place) SELECT person_id, 'v', '/fleet', 1 FROM person;
INSERT INTO wall_link (token_sha256, person_id, name, trials, sites, language, expires_at)
    SELECT sha256('w'), person_id, 'w', '{t}', '{}', 'fr', now() + interval '9 days' FROM person;
INSERT INTO notice (alert_channel_id, about, event, content, made_at, due_at)
    SELECT alert_channel_id, 'test', 'test', '{}', now(), now() FROM alert_channel;
"""
"""A row in each table that the life of the small trial leaves empty."""

TRIES = {
    "text": ("{0} || 'x'", "'other'", "'en'", "upper({0})", "'fr'"),
    "integer": ("{0} + 1", "{0} + 1000", "1", "(SELECT max(evaluation_id) FROM evaluation)"),
    "bigint": ("{0} + 1", "{0} + 1000", "1"),
    "smallint": ("{0} + 1", "1"),
    "boolean": ("NOT {0}", "true"),
    "timestamp with time zone": ("{0} + interval '1 microsecond'", "{0} + interval '1 day'", "'2026-03-05Z'"),
    "jsonb": ("""'{{"en": "other"}}'""", "'[1]'"),
    "ARRAY": ("{0} || '{{x}}'", "'{{}}'", "'{{other}}'"),
    "bytea": ("sha256({0})", "sha256('z')"),
    "double precision": ("{0} * 1.0000001 + 1e-9", "{0} + 1", "1"),
    "tstzrange": ("tstzrange(lower({0}), lower({0}) + interval '9 days')",),
    "interval": ("{0} + interval '1 second'", "interval '1 hour'"),
}
"""Type → values that are tried until one is another than before and no constraint refuses it."""
WORDS = {
    "protocol.locked_at": "NULL",
    "person.role": "'auditor'",
    "access_token.scopes": "'{{read,act}}'",
    "invitation.purpose": "'invitation'",
    "datastream.result_type": "CASE {0} WHEN 'number' THEN 'boolean' ELSE 'number' END",
    "datastream.role": "'control'",
    "datastream.stamp": "'end'",
    "declared_window.kind": "'incident'",
    "declared_window.ended_at": "lower(period)",
    "device_status.state": "'offline'",
    "evaluation.verdict": "CASE {0} WHEN 'met' THEN 'not_met' ELSE 'met' END",
    "decision.outcome": "'buy'",
    "fixed_topic.suffix": "'obs'",
    "import.withdrawn_at": "now()",
    "ledger_reason.outcome": "'ignored'",
    "mapping.result_type": "'boolean'",
    "mapping.role": "'control'",
    "mapping.stamp": "'end'",
    "network_server.kind": "'sparkplug'",
    "observed_property.averaging_scale": "'energetic'",
    "organisation.kind": "'auditor'",
    "packed_day.start_time": "{0} + interval '2 hours'",  # until the first result it changes nothing
    "retention.legal_basis": "'consent'",
    "trial.state": "'buy'",
}
"""Where a constraint allows certain words alone."""
TOGETHER = {
    "mapping.stamp": "expected_interval = '1 minute', ",
    "sensor.since": "replaces = sensor_id + 1, ",
    "sensor.replaces": "since = now(), ",
    "person.issuer": "subject = 'x', ",
    "person.subject": "issuer = 'x', ",
    "declared_window.ended_at": "ended_by = 'x', ",
    "declared_window.ended_by": "ended_at = lower(period), ",
    "declared_window.withdrawn_at": "withdrawn_by = 'x', withdrawn_for = 'x', ",
    "declared_window.withdrawn_by": "withdrawn_at = now(), withdrawn_for = 'x', ",
    "declared_window.withdrawn_for": "withdrawn_at = now(), withdrawn_by = 'x', ",
    "declared_window.trial_id": "site_id = NULL, ",
    "declared_window.device_id": "site_id = NULL, ",
    "declared_window.site_id": "",
    "credential.network_server_id": "device_id = NULL, ",
    "fixed_topic.field": "suffix = NULL, ",
    **{
        f"ledger.{name}": "received = received + 1, "
        for name in ("accepted", "partly", "rejected", "repeated")
    },
    "ledger.received": "accepted = accepted + 1, ",
    **{
        f"ledger.{name}": "contained = contained + 1, "
        for name in ("stored", "duplicate", "conflicting", "refused", "ignored")
    },
    "ledger.contained": "stored = stored + 1, ",
    "retention.raw_days": "rejects_days = 99, ",
}
"""Where a constraint asks for two columns at once."""


ALONE = {
    "device_status.at": "devices report it; no line tells of a message",
    "import_part.first_time": "each batch of an import adds to it",
    "ledger.trial": "the parts count what they book",
    "ledger_reason.trial": "the parts count what they book",
    "quality_flag.phenomenon_time": "the checks run by themselves",
    "quality_run.checks": "the checks run by themselves",
    "reject.reason": "messages are refused, replayed and masked by the parts",
    "reject_overflow.trial": "the parts count what they refuse",
}
"""Parts change them without a line, so nobody can tell it from a change by hand with the triggers on."""


@dataclass(frozen=True)
class Column:
    table: str
    name: str
    type: str
    is_identity: bool

    @property
    def full(self) -> str:
        return f"{self.table}.{self.name}"


@pytest.fixture
def sealed(lab: Lab) -> Lab:
    """The small trial with a row in each table, half of its results packed, sealed by the job; a correction
    came after the seal.
    """
    conn = lab.conn
    conn.execute(FILL.encode())
    record(conn, at=START, login="lab", action="enter person", subject="marie")
    conn.commit()
    assert pack_all(conn, START + 20 * DAY) > 400
    seal_all(lab)
    ((stream, at, result),) = conn.execute(
        "SELECT datastream_id, phenomenon_time, result FROM observation ORDER BY 1, 2 DESC LIMIT 1"
    ).fetchall()
    other = Observation(stream, to_us(at), result + 1, to_us(at), 0)
    correct(conn, [other], correction=Correction("t", "lab", "wrong", "b.csv", "s"), now=START + 50 * DAY)
    seal_when_due(conn, SYSTEM, NIGHT, NEVER)
    lab.work()
    return lab


def seal_all(lab: Lab) -> None:
    """As the job does at night."""
    seal_when_due(lab.conn, SYSTEM, NIGHT, NEVER)
    assert seal_settled(lab.conn, SYSTEM, NIGHT, NEVER)
    seal_when_due(lab.conn, SYSTEM, NIGHT, NEVER)


def columns(conn: Connection) -> list[Column]:
    found = conn.execute(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text, c.is_identity = 'YES' "
        "FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) "
        "WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY 1, c.ordinal_position"
    )
    return [Column(*one) for one in found.fetchall()]


@contextmanager
def tried(conn: Connection, *, guarded: bool = False) -> Iterator[None]:
    """As the owner, with the triggers off unless `guarded`; everything is undone."""
    conn.execute("SAVEPOINT attack")
    try:
        if not guarded:
            conn.execute("SET LOCAL session_replication_role = replica")
        yield
    finally:
        conn.execute("ROLLBACK TO attack")
        conn.execute("SET LOCAL session_replication_role = origin")


def changed(conn: Connection, column: Column) -> bool:
    """Give one row another value; False if no value was taken."""
    word = WORDS.get(column.full)
    tries = (word,) if word else TRIES.get(column.type, ())
    if column.is_identity:
        conn.execute(f'ALTER TABLE "{column.table}" ALTER "{column.name}" SET GENERATED BY DEFAULT'.encode())
    for expression in tries:
        value = expression.format(f'"{column.name}"')
        statement = (
            f'UPDATE "{column.table}" SET {TOGETHER.get(column.full, "")} "{column.name}" = {value} '
            f'WHERE ctid = (SELECT min(ctid) FROM "{column.table}") '
            f'AND ({value}) IS DISTINCT FROM "{column.name}"'
        )
        conn.execute("SAVEPOINT value")
        with suppress(InsituError):
            if conn.execute(statement.encode()).rowcount == 1:
                return True
        conn.execute("ROLLBACK TO value")
    return False


def require_counted(conn: Connection) -> None:
    if found := recount(conn):
        raise InsituError(str(found))


def require_packed(conn: Connection) -> None:
    if found := find_wrong_days(conn):
        raise InsituError(f"packed days: {found}")


Questions = list[Callable[[Connection], object]]


def questions(data: Path) -> Questions:
    """Those of `check` about rows, quick ones first."""
    return [
        require_current,
        check_facts,
        lambda conn: check_days(conn, deep=True),
        check_chain,
        lambda conn: check_heads(conn, data),
        require_counted,
        require_packed,
        check_records,
    ]


def answers(conn: Connection, asked: Questions) -> Iterator[str]:
    """The bad news alone."""
    for ask in asked:
        try:
            ask(conn)
        except InsituError as error:
            yield str(error)
        else:
            yield ""


NAMES = {
    "audit": "audit log",
    "fact_change": "seal",
    "packed_day": "packed days|rows of observation",
    "row_change": "rows of observation",
    "schema_migration": "migrate",
    "sealed_day": "seal",
    "sealed_part": "how far the days are sealed",
    "statement": "line",
}
"""The words of `check` for a table, if not its name; one of several."""


def is_named(conn: Connection, table: str, asked: Questions, before: list[str]) -> bool:
    """Whether an answer is another than before, and has the name of the table."""
    names = NAMES.get(table, table.replace("_", " ")).split("|")
    return any(
        now != then and name in now.removeprefix(then)
        for now, then in zip(answers(conn, asked), before, strict=True)
        for name in names
    )


def rests_on(column: Column) -> bool:
    return column.table not in NOTHING_RESTS and column.full not in NOTHING_RESTS


def test_each_changed_value_is_named(sealed: Lab) -> None:
    conn, missed = sealed.conn, []
    asked = questions(sealed.data)
    before = list(answers(conn, asked))
    for column in filter(rests_on, columns(conn)):
        with tried(conn):
            if not changed(conn, column):
                missed.append(f"{column.full} ({column.type}): no other value was taken")
            elif not is_named(conn, column.table, asked, before):
                missed.append(f"{column.full}: nobody sees it")
    assert not missed, "\n".join(missed)


def test_each_removed_row_is_named(sealed: Lab) -> None:
    conn, missed = sealed.conn, []
    asked = questions(sealed.data)
    before = list(answers(conn, asked))
    for table in dict.fromkeys(column.table for column in columns(conn) if column.table not in NOTHING_RESTS):
        with tried(conn):
            statement = f'DELETE FROM "{table}" WHERE ctid = (SELECT min(ctid) FROM "{table}")'
            assert conn.execute(statement.encode()).rowcount == 1, f"{table} is empty"
            if not is_named(conn, table, asked, before):
                missed.append(table)
    assert missed == []


def test_a_change_by_hand_with_the_triggers_on_is_named_once_it_is_sealed(sealed: Lab) -> None:
    """The triggers note it, so it has a seal, but no line tells of an act in its transaction."""
    conn, missed, asked = sealed.conn, [], questions(sealed.data)
    first: dict[str, Column] = {}
    for column in filter(rests_on, columns(conn)):
        if not column.is_identity and not column.name.endswith("_id"):
            first.setdefault(column.table, column)
    for column in first.values():
        before = list(answers(conn, asked))
        with tried(conn, guarded=True):
            if changed(conn, column):  # else a trigger refuses it
                seal_facts(conn, START + 60 * DAY)
                if not is_named(conn, column.table, asked, before):
                    missed.append(column.full)
    assert set(missed) == set(ALONE)


RIGHTS = {
    "person": "INSERT INTO person (login, name, organisation_id, created_at, role) "
    "SELECT 'eve', 'Eve', organisation_id, now(), 'lab' FROM organisation WHERE code = 'lab'",
    "access token": "INSERT INTO access_token "
    "(token_sha256, person_id, name, scopes, created_by, expires_at) "
    "SELECT sha256('eve'), person_id, 'n', '{read}', 'eve', now() + interval '9 days' FROM person",
    "credential": "INSERT INTO credential "
    "(device_id, username, token_sha256, nats_hash, mosquitto_hash, created_at) "
    "SELECT min(device_id), 'eve', sha256('eve'), 'n', 'm', now() FROM device",
    "invitation": "INSERT INTO invitation (token_sha256, person_id, purpose, created_by, expires_at) "
    "SELECT sha256('eve'), person_id, 'reset', 'eve', now() + interval '9 days' FROM person",
}


@pytest.mark.parametrize("guarded", [True, False], ids=["triggers on", "triggers off"])
def test_a_right_that_is_entered_by_hand_is_named(sealed: Lab, guarded: bool) -> None:
    conn = sealed.conn
    for name, statement in RIGHTS.items():
        with tried(conn, guarded=guarded):
            conn.execute(statement.encode())
            seal_facts(conn, START + 60 * DAY)
            with pytest.raises(
                InsituError, match=f"{name} [0-9]+.*(no line tells of an act|nothing tells of its entry)"
            ):
                check_facts(conn)
