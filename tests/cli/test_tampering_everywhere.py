"""Every column of every table, as the database lists them, changed by its owner with the triggers off: `check`
names it, or the column is in a list below with the reason why nothing rests on it.

The attacks know no digest: they read the database's own catalogue, change one value, and read what `check` says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.evidence_check import check_chain, check_days, check_facts, check_heads, check_records
from insitu.clock import SYSTEM
from insitu.errors import InsituError
from jobs.seals import seal_settled, seal_when_due
from store.database import Connection, require_current
from store.ledger import recount
from tests.cli.test_tampering import NIGHT, Lab, lab
from tests.trials.test_blinding import running

__all__ = ["lab", "running"]
NEVER = threading.Event()

WORKING = "the working state of a part: it is written again, and tells nobody of a result, a verdict or a right"
LAST_USE = "when something was used last, or where from: it helps people to find a misuse"
NOTHING_RESTS = {
    "access_token_address": LAST_USE,
    "boot_sequence": "numbers of messages, for receipts and repeats: a repeat is never stored twice, by its key",
    "broker_event": "what the broker denied: a hint for the owner of a device",
    "broker_log": WORKING,
    "broker_state": WORKING,
    "catalogue_version": WORKING,
    "datastream_latest": "made from the results again; the pages show it, no evaluation reads it",
    "delivery": WORKING,
    "device_contact": "the last sign of life; states and gaps in reports come from results and device_status",
    "device_remark": "hints about a device's messages",
    "ingestor": WORKING,
    "message_digest": "of numbers of messages, as boot_sequence",
    "probe": WORKING,
    "reject_kept": "how much a device may still send in this hour",
    "schema_migration.applied_at": "which migrations there are is compared; when they ran is in the log",
    "shard": WORKING,
    "sign_in_failure": "how many wrong passwords in these minutes",
    "sparkplug_birth": WORKING,
    "timestamp_failure": WORKING,
    "timestamp_token": "`check` verifies the token itself, with the time in it, where authorities are named",
    "used_return": WORKING,
    "access_token.last_used_at": LAST_USE,
    "person.last_sign_in_at": LAST_USE,
    "person.language": "the language of the pages",
    "second_factor.last_step": "a code works once: a lower number lets the last one work again within a minute",
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
INSERT INTO signed_in (token_sha256, person_id, expires_at) SELECT sha256('d'), person_id, now() + interval '9 days' FROM person;
INSERT INTO agreement (trial_id, document, sha256, entered_at, entered_by)
    SELECT trial_id, '{}', encode(sha256('{}'), 'hex'), now(), 'lab' FROM trial;
INSERT INTO need (code, host_id, title, created_at) SELECT 'need', host_id, '{"en": "N"}', now() FROM trial;
INSERT INTO sensor (device_id, make, model) SELECT device_id, 'm', 'o' FROM device;
INSERT INTO mapping (trial_id, devices, field, property_id, unit, role, result_type)
    SELECT trial_id, '{a}', 'f', property_id, 'ug/m3', 'candidate', 'number' FROM trial, observed_property WHERE observed_property.code = 'pm25';
INSERT INTO unit_conversion VALUES ('ug/m3', 'mg/m3', 1000, 0);
INSERT INTO network_server (code, kind, created_at) VALUES ('lora', 'chirpstack', now());
INSERT INTO network_address SELECT 'aa', network_server_id, (SELECT min(device_id) FROM device) FROM network_server;
INSERT INTO fixed_topic (topic, device_id, created_at) SELECT 'x/y', min(device_id), now() FROM device;
INSERT INTO credential (device_id, username, token_sha256, nats_hash, mosquitto_hash, created_at)
    SELECT min(device_id), 'u', sha256('e'), 'n', 'm', now() FROM device;
INSERT INTO retention SELECT trial_id, 'p', '', '', 9, 9, '{}', 0, now(), 'lab' FROM trial;
INSERT INTO decision (trial_id, evaluation_id, evaluation_sha256, protocol_sha256, outcome, reason, decided_at, decided_by, on_behalf)
    SELECT trial_id, evaluation_id, sha256, 'x', 'stop', 'r', now(), 'lab', false FROM evaluation LIMIT 1;
INSERT INTO import_part SELECT import_id, (SELECT min(datastream_id) FROM datastream), '2026-03-03', '2026-03-04', 1 FROM import;
INSERT INTO erasure (at, by_login, reason, trial, parts) VALUES (now(), 'lab', 'r', 't', '{messages}');
INSERT INTO erased_rows SELECT erasure_id, 't', 'a', 'reject', 1, 0 FROM erasure;
INSERT INTO withdrawn_observation SELECT import_id, (SELECT min(datastream_id) FROM datastream), '2026-03-03 00:01Z', 1, now(), 4, false FROM import;
INSERT INTO correction (datastream_id, phenomenon_time, old_result, new_result, old_received_at, corrected_at, login, reason, file, file_sha256)
    SELECT min(datastream_id), '2026-03-03 01:00Z', 1, 2, now(), now(), 'l', 'r', 'f', 's' FROM datastream;
INSERT INTO device_status (device_id, at, state, received_at) SELECT min(device_id), '2026-03-03 01:00Z', 'online', now() FROM device;
INSERT INTO reject (reason, detail, topic, payload, size, received_at, trial, device, results, identity)
    VALUES ('unknown_field', 'd', 't', 'p', 1, '2026-03-03 01:00Z', 't', 'a', 1, 'i');
INSERT INTO reject_overflow VALUES ('t', 'a', '2026-03-03 01:00Z', 'unknown_field', 1, 1, 1, '2026-03-03 01:00Z', '2026-03-03 01:30Z');
INSERT INTO ledger (trial, device, hour, received, accepted, contained, stored) VALUES ('t', 'a', '2026-03-03 01:00Z', 1, 1, 1, 1);
INSERT INTO ledger_reason VALUES ('t', 'a', '2026-03-03 01:00Z', 0, 'refused', 'unknown_field', 1, 1);
"""
"""A row in each table that the life of the small trial leaves empty."""

TRIES = {
    "text": ("{0} || 'x'", "'other'", "'en'", "upper({0})", "'fr'"),
    "integer": ("{0} + 1", "{0} + 1000", "1", "(SELECT max(evaluation_id) FROM evaluation)"),
    "bigint": ("{0} + 1", "1"),
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
    "access_token.scopes": "'{{read,read}}'",
    "invitation.purpose": "'invitation'",
    "datastream.result_type": "CASE {0} WHEN 'number' THEN 'boolean' ELSE 'number' END",
    "datastream.role": "'control'",
    "datastream.stamp": "'end'",
    "declared_window.kind": "'incident'",
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
    "declared_window.trial_id": "site_id = NULL, ",
    "declared_window.device_id": "site_id = NULL, ",
    "declared_window.site_id": "",
    "credential.network_server_id": "device_id = NULL, ",
    "fixed_topic.field": "suffix = NULL, ",
    **{f"ledger.{name}": "received = received + 1, " for name in ("accepted", "partly", "rejected", "repeated")},
    "ledger.received": "accepted = accepted + 1, ",
    **{
        f"ledger.{name}": "contained = contained + 1, "
        for name in ("stored", "duplicate", "conflicting", "refused", "ignored")
    },
    "ledger.contained": "stored = stored + 1, ",
    "retention.raw_days": "rejects_days = 99, ",
}
"""Where a constraint asks for two columns at once."""


@dataclass(frozen=True)
class Column:
    table: str
    name: str
    type: str

    @property
    def full(self) -> str:
        return f"{self.table}.{self.name}"


@pytest.fixture
def sealed(lab: Lab) -> Lab:
    """The small trial with a row in each table, sealed by the job."""
    lab.conn.execute(FILL.encode())
    seal_when_due(lab.conn, SYSTEM, NIGHT, NEVER)
    assert seal_settled(lab.conn, SYSTEM, NIGHT, NEVER)
    lab.work()
    return lab


def columns(conn: Connection) -> list[Column]:
    found = conn.execute(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text FROM information_schema.columns c "
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
    for expression in tries:
        value = expression.format(f'"{column.name}"')
        statement = (
            f'UPDATE "{column.table}" SET {TOGETHER.get(column.full, "")} "{column.name}" = {value} '
            f'WHERE ctid = (SELECT min(ctid) FROM "{column.table}") AND ({value}) IS DISTINCT FROM "{column.name}"'
        )
        conn.execute("SAVEPOINT value")
        with suppress(InsituError):
            if conn.execute(statement.encode()).rowcount == 1:
                return True
        conn.execute("ROLLBACK TO value")
    return False


def check(conn: Connection, data: Path) -> str:
    """The bad news of `check`, in one text."""
    told = [str(one) for one in recount(conn)]
    for ask in (
        require_current,
        check_chain,
        check_records,
        check_facts,
        lambda c: check_days(c, deep=True),
        lambda c: check_heads(c, data),
    ):
        try:
            ask(conn)
        except InsituError as error:
            told.append(str(error))
    return "; ".join(told)


def rests_on(column: Column) -> bool:
    return column.table not in NOTHING_RESTS and column.full not in NOTHING_RESTS


def test_each_changed_value_is_named(sealed: Lab) -> None:
    conn, missed = sealed.conn, []
    before = check(conn, sealed.data)
    for column in filter(rests_on, columns(conn)):
        with tried(conn):
            if not changed(conn, column):
                missed.append(f"{column.full} ({column.type}): no other value was taken")
            elif check(conn, sealed.data) == before:
                missed.append(f"{column.full}: nobody sees it")
    assert missed == []
