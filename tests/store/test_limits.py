"""Row-level security below the queries of the pages: each policy is there, and a reader's rows are those of
its trials even for a statement that forgets to ask.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from insitu.errors import FixPermissions
from store.access import viewer_of, visible_trials
from store.database import Connection, connect
from store.limits import has_net, limit_to
from store.rights import Act, Reach
from tests.api.conftest import filled, world, world_url
from tests.api.world import PEOPLE, SEATS

__all__ = ["filled", "world", "world_url"]

LIMITED = {
    "trial": "trial_id",
    "device": "trial_id",
    "deployment": "device_id",
    "datastream": "device_id",
    "protocol": "trial_id",
    "protocol_draft": "trial_id",
    "evaluation": "trial_id",
    "evaluation_request": "trial_id",
    "unblinding": "trial_id",
    "decision": "trial_id",
    "agreement": "trial_id",
    "trial_step": "trial_id",
    "erased_rows": "trial",
    "erasure": "trial",
    "retention": "trial_id",
    "reject": "trial",
    "reject_overflow": "trial",
    "ledger": "trial",
    "ledger_reason": "trial",
    "audit": "",
    "trouble": "trial_id",
    "plan_place": "deployment_id",
}
"""Table → the column by which a row belongs to a trial; the audit log is for those who see every trial."""
UNLIMITED = {
    "alert",
    "alert_rule",
    "boot_sequence",
    "credential",
    "declared_window",
    "device_contact",
    "device_remark",
    "device_status",
    "fixed_topic",
    "import",
    "mapping",
    "message_digest",
    "network_address",
    "sensor",
    "reject_kept",
}
"""Tables about trials or devices that only the queries limit."""


@pytest.fixture
def pages(world_url: str) -> Iterator[Connection]:
    with connect(world_url, application="tests") as conn:
        yield conn
        conn.rollback()


def test_each_limited_table_has_its_policy_and_enforces_it(conn: Connection) -> None:
    policies = conn.execute(
        "SELECT tablename, policyname, permissive, cmd, roles::text, with_check FROM pg_policies"
    ).fetchall()
    assert sorted(policies) == [
        policy
        for table in sorted(LIMITED)
        for policy in (
            (table, "seen", "PERMISSIVE", "ALL", "{public}", None),
            (table, "service", "PERMISSIVE", "ALL", "{insitu_service}", "true"),
        )
    ], "a table of LIMITED has no policy, or another one"
    enabled = conn.execute("SELECT relname::text FROM pg_class WHERE relrowsecurity").fetchall()
    assert {table for (table,) in enabled} == set(LIMITED)


def test_a_table_with_rows_of_a_trial_is_limited_or_named(conn: Connection) -> None:
    found = conn.execute(
        "SELECT DISTINCT table_name::text FROM information_schema.columns JOIN information_schema.tables "
        "USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
        "AND column_name IN ('trial_id', 'device_id', 'trial')"
    ).fetchall()
    tables = {table for (table,) in found}
    unknown = tables - set(LIMITED) - UNLIMITED
    assert not unknown, f"Give these a policy in a migration, or name them in UNLIMITED: {unknown}"
    assert tables >= UNLIMITED, UNLIMITED - tables


def test_the_role_of_the_pages_reads_and_nothing_else(conn: Connection) -> None:
    assert has_net(conn)
    rights = conn.execute(
        "SELECT DISTINCT privilege_type::text FROM information_schema.role_table_grants "
        "WHERE grantee = 'insitu_pages'"
    ).fetchall()
    assert rights == [("SELECT",)]
    for secret in (
        "SELECT password_hash FROM person",
        "SELECT nats_hash FROM credential",
        "SELECT * FROM person",
    ):
        limit_to(conn, None)
        with pytest.raises(FixPermissions):
            conn.execute(secret)
        conn.rollback()


@pytest.mark.parametrize("login", [*PEOPLE, *SEATS])
def test_a_statement_that_asks_for_everything_gets_the_rows_of_the_reader(
    pages: Connection, login: str
) -> None:
    viewer = viewer_of(pages, login)
    codes = {trial.code for trial in visible_trials(pages, viewer)}
    numbers = {trial.trial_id for trial in visible_trials(pages, viewer)}
    devices = {
        number
        for (number,) in pages.execute(
            "SELECT device_id FROM device WHERE trial_id = ANY(%s)", (list(numbers),)
        )
    }
    deployments = {
        number
        for (number,) in pages.execute(
            "SELECT deployment_id FROM deployment WHERE device_id = ANY(%s)", (list(devices),)
        )
    }
    allowed = {"trial_id": numbers, "device_id": devices, "trial": codes, "deployment_id": deployments}
    limit_to(pages, viewer)
    everything = viewer.reach(Act.READ_AUDIT) is Reach.ANY
    for table, column in LIMITED.items():
        if column and not everything:
            seen = {value for (value,) in pages.execute(f"SELECT DISTINCT {column} FROM {table}".encode())}
            assert seen <= allowed[column], (table, seen)
    assert {code for (code,) in pages.execute("SELECT code FROM trial")} == codes
    (audited,) = pages.execute("SELECT count(*) FROM audit").fetchall()
    assert (audited[0] > 0) == everything


def test_without_a_viewer_there_is_nothing(pages: Connection) -> None:
    (stored,) = pages.execute("SELECT count(*) FROM reject").fetchall()
    assert stored[0] > 0
    limit_to(pages, None)
    counts = {t: pages.execute(f"SELECT count(*) FROM {t}".encode()).fetchall() for t in LIMITED}
    assert set(map(str, counts.values())) == {"[(0,)]"}, counts
    pages.rollback()
    pages.execute("SET LOCAL ROLE insitu_pages")  # somebody forgot to say for whom
    counts = {t: pages.execute(f"SELECT count(*) FROM {t}".encode()).fetchall() for t in LIMITED}
    assert set(map(str, counts.values())) == {"[(0,)]"}, counts


def test_the_limit_ends_with_the_transaction(pages: Connection, world_url: str) -> None:
    limit_to(pages, None)
    with pytest.raises(FixPermissions):
        pages.execute("UPDATE trial SET ends_at = now()")
    pages.rollback()
    (user,) = pages.execute("SELECT current_user::text").fetchall()
    assert user[0] == conninfo_to_dict(world_url)["user"]
    (found,) = pages.execute("SELECT count(*) FROM trial").fetchall()
    assert found[0] == 3
