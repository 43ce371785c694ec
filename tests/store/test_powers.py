"""The account of the running parts can do its work, and nothing that would change what has to stay."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from store.database import Connection, connect, migrate
from store.needed_rights import needed_rights
from store.powers import Powers, find_powers
from tests.named_queries import ALL, understand


@pytest.fixture
def service(database_url: str) -> Iterator[Connection]:
    """A connection whose account is the service's, as after a sign-in: no way back."""
    with connect(database_url, application="tests") as connection:
        connection.execute("SET SESSION AUTHORIZATION insitu_service")
        connection.commit()
        yield connection


@pytest.mark.parametrize("file", sorted({file for file, _ in ALL}))
def test_the_service_may_run_every_named_statement(service: Connection, file: str) -> None:
    """PostgreSQL looks at the rights before it explains."""
    for name in (name for one, name in ALL if one == file):
        understand(service, file, name)
        service.rollback()


def _tables(url: str) -> list[str]:
    with psycopg.connect(url) as admin:
        found = admin.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        return [name for (name,) in found]


def _refused(url: str, statement: str) -> bool:
    """By the driver alone: what the account may not do is SQLSTATE 42501."""
    with psycopg.connect(url) as conn:
        conn.execute("SET SESSION AUTHORIZATION insitu_service")
        conn.execute("SAVEPOINT before")
        try:
            conn.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
        except psycopg.Error:
            return False
        finally:
            conn.execute("ROLLBACK TO before")
            conn.execute("RESET SESSION AUTHORIZATION")
            conn.rollback()
        return False


STAYS = (
    "audit",
    "correction",
    "decision",
    "evaluation",
    "statement",
    "timestamp_token",
    "trial_step",
    "unblinding",
    "withdrawn_observation",
)


def test_no_table_can_be_altered_emptied_or_freed_of_its_triggers(database_url: str) -> None:
    tables = _tables(database_url)
    assert len(tables) > 50
    done = [
        statement
        for table in tables
        for statement in (
            f'ALTER TABLE "{table}" DISABLE TRIGGER ALL',
            f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY',
            f'ALTER TABLE "{table}" ADD COLUMN more int',
            f'TRUNCATE "{table}" CASCADE',
            f'DROP TABLE "{table}" CASCADE',
        )
        if not _refused(database_url, statement)
    ]
    assert done == []


@pytest.mark.parametrize("table", STAYS)
def test_rows_that_stay_cannot_be_changed_or_removed(database_url: str, table: str) -> None:
    with psycopg.connect(database_url) as admin:
        columns = admin.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_identity = 'NO'"
            " AND column_name NOT IN (SELECT a.attname FROM pg_index i JOIN pg_attribute a"
            " ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
            " WHERE i.indrelid = %s::regclass AND i.indisprimary)",
            (table, table),
        ).fetchall()
    assert columns
    assert _refused(database_url, f'DELETE FROM "{table}"')
    for (column,) in columns:
        assert _refused(database_url, f'UPDATE "{table}" SET "{column}" = DEFAULT'), column


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",
        "ALTER FUNCTION refuse_change() RENAME TO other",
        "CREATE OR REPLACE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE public.other (a int)",
        "DROP TRIGGER audit_stays ON audit",
        "DROP POLICY seen ON audit",
        "ALTER ROLE insitu_service SUPERUSER",
        "SELECT pg_read_file('/etc/hostname')",
        "COPY audit TO PROGRAM 'cat'",
        "DELETE FROM schema_migration",
    ],
)
def test_the_service_has_no_way_around(database_url: str, statement: str) -> None:
    assert _refused(database_url, statement)


def test_it_has_the_rights_that_the_statements_need_and_no_other(conn: Connection) -> None:
    """PostgreSQL's own list of rights against the one worked out from the statements."""
    rights: dict[str, dict[str, str]] = {}
    found = conn.execute(
        "SELECT table_name::text, privilege_type::text FROM information_schema.table_privileges"
        " WHERE grantee = 'insitu_service' AND table_schema = 'public' AND privilege_type <> 'SELECT'"
    )
    for table, right in found.fetchall():
        rights.setdefault(table, {})[right] = "all"
    needed = json.loads(needed_rights())
    assert rights == {
        table: whole
        for table, given in needed.items()
        if (whole := {right: "all" for right, how in given.items() if how == "all" and right != "MAINTAIN"})
    }


def test_a_right_that_somebody_added_is_gone_after_the_next_migration(
    conn: Connection, database_url: str
) -> None:
    conn.execute("GRANT DELETE ON audit TO insitu_service")
    conn.commit()
    assert not _refused(database_url, "DELETE FROM audit")
    migrate(conn)
    assert _refused(database_url, "DELETE FROM audit")


def test_the_service_has_no_powers_beyond_its_rights(service: Connection) -> None:
    assert find_powers(service) == Powers(owned=[], more=[])


def test_an_added_right_is_found(conn: Connection, service: Connection) -> None:
    conn.execute("GRANT DELETE, TRUNCATE ON audit TO insitu_service")
    conn.commit()
    assert find_powers(service).more == ["DELETE audit", "TRUNCATE audit"]


def test_an_owner_has_every_power(conn: Connection) -> None:
    assert "audit" in find_powers(conn).owned
