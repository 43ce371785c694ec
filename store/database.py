"""Connections, transactions and migrations. All access goes through `store.gate`, which translates driver
errors.

The caller owns the transaction: nothing in `store` commits.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import psycopg.conninfo
import psycopg.sql

from insitu.errors import (
    CorrectInput,
    InsituError,
    NotAcceptedHere,
    NotFound,
    RetryLater,
    RunMigrate,
    UpgradeInsitu,
    UpgradePostgres,
)
from store.gate import Connection, Pool
from store.needed_rights import needed_rights
from store.typed_rows import rows_as

__all__ = ["Connection", "Pool"]

Kind = TypeVar("Kind")

_HERE = Path(__file__).parent
_MIGRATION_LOCK = 7_031_867
_OLDEST_POSTGRES = 17
_UNPACK = {"timescaledb.max_tuples_decompressed_per_dml_transaction": 0}
"""Rows that one transaction may unpack from TimescaleDB's columnstore, 0: any. Our statements name the span
that they change, so they unpack no more than that. PostgreSQL without the extension ignores the setting.
"""
_FRESH_PLANS = {"plan_cache_mode": "force_custom_plan"}
"""Of connections that read: a plan from before a chunk of TimescaleDB was packed, or met a late row, misses
rows. The ingestor keeps its plans: the key decides what it stores, and it reads again where a row is missing.
"""
_SEALS = "0032_seals"
"""The migration since which facts have digests."""
_LIMITS = """\
SELECT coalesce(current_setting('insitu.trials', true), ''),
       coalesce(current_setting('insitu.codes', true), ''), current_setting('role')"""


def connect(
    url: str, *, application: str, autocommit: bool = False, longest_pause_s: float = 0, timeout_s: int = 10
) -> Connection:
    """Open a connection named `application`. Raises RetryLater if the server does not answer, NotAcceptedHere
    if it rejects the password.

    `longest_pause_s`: the server ends a connection whose transaction waits longer than this for its client,
    and releases its locks (0: never).
    """
    pause = int(longest_pause_s * 1000)
    own: Mapping[str, int | str] = {"idle_in_transaction_session_timeout": pause} if pause else _FRESH_PLANS
    try:
        return Connection.connect(
            url,
            application_name=application,
            autocommit=autocommit,
            connect_timeout=timeout_s,
            options=_options(url, own),
        )
    except psycopg.OperationalError as error:
        first = str(error).strip().splitlines()[0]
        if "password authentication failed" in first or "no password supplied" in first:
            raise NotAcceptedHere(f"The database refuses the sign-in: {first}") from error
        raise RetryLater(f"The database does not answer: {first}") from error
    except (psycopg.ProgrammingError, UnicodeError) as error:  # libpq's message may contain the password
        raise CorrectInput(
            "INSITU_DATABASE_URL: write postgresql://user:password@host:port/database."
        ) from error


def _options(url: str, own: Mapping[str, int | str]) -> str:
    """Settings of a session: those of the URL, then ours."""
    given = psycopg.conninfo.conninfo_to_dict(url).get("options") or ""
    return " ".join(
        filter(None, [str(given), *(f"-c {name}={value}" for name, value in {**_UNPACK, **own}.items())])
    )


def split_password(url: str) -> tuple[str, str]:
    """(the same without the password, the password), for a program: everybody may read its command line."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise CorrectInput(
            "INSITU_DATABASE_URL: write postgresql://user:password@host:port/database."
        ) from error
    password = parts.pop("password", None)
    return psycopg.conninfo.make_conninfo("", **parts), str(password or "")


def connect_beside(conn: Connection, snapshot: str) -> Connection:
    """A second connection of the same account, in a transaction that reads only and sees `snapshot`, which
    `conn` has exported, within the same limits to the rows of a reader.
    """
    conninfo = psycopg.conninfo.make_conninfo(conn.info.dsn, password=conn.info.password)
    second = connect(conninfo, application=conn.info.get_parameters().get("application_name", ""))
    second.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    second.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(psycopg.sql.Literal(snapshot)))
    (limits,) = conn.execute(_LIMITS).fetchall()
    second.execute(
        "SELECT set_config('insitu.trials', %s, true), set_config('insitu.codes', %s, true),"
        " set_config('role', %s, true)",
        limits,
    )
    return second


def limit_statements(conn: Connection, seconds: float | None) -> None:
    """From now on limit each statement and each wait for a lock to `seconds`; None: no limit."""
    limit = str(int(1000 * (seconds or 0)))
    conn.execute(
        "SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false)",
        (limit, limit),
    )
    conn.commit()


def abort(conn: Connection) -> None:
    """Cut the connection from another thread. A call that waits for a silent server then fails at once with
    RetryLater.
    """
    with suppress(OSError, InsituError), socket.socket(fileno=os.dup(conn.fileno())) as link:
        link.shutdown(socket.SHUT_RDWR)


def open_pool(
    url: str, *, application: str, size: int = 8, statement_timeout_s: float = 30, patience_s: float = 1.0
) -> Pool:
    """A pool of at most `size` connections with a statement timeout. Checks each connection before it hands
    it out.

    Waits at most `patience_s` for a free connection. Tries an absent server again at every request, without
    growing pauses.
    """
    return Pool(
        url,
        connection_class=Connection,
        min_size=1,
        max_size=size,
        kwargs={
            "application_name": application,
            "connect_timeout": 5,
            "options": _options(url, {"statement_timeout": int(statement_timeout_s * 1000), **_FRESH_PLANS}),
        },
        check=Pool.check_connection,
        timeout=patience_s,
        reconnect_timeout=patience_s,
        open=True,
    )


def migrations() -> list[Path]:
    """The numbered migration files, in order."""
    return sorted((_HERE / "migrations").glob("[0-9]*.sql"))


def migrate(conn: Connection) -> list[str]:
    """Bring the schema up to date under an advisory lock, one transaction for each file; returns the names of
    the applied migrations.
    """
    applied: list[str] = []
    require_postgres(conn.server_version())
    conn.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
    try:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        done = {name for (name,) in conn.execute("SELECT name FROM schema_migration")}
        # otherwise the blocks below would be savepoints of this transaction, still open at the unlock
        conn.commit()
        before = _facts_before(conn, done) if {p.stem for p in migrations()} - done else None
        for path in migrations():
            if path.stem not in done:
                with conn.transaction():
                    conn.execute(path.read_text(encoding="utf-8").encode())
                    conn.execute("INSERT INTO schema_migration (name) VALUES (%s)", (path.stem,))
                applied.append(path.stem)
        if before is not None and applied:
            with conn.transaction():
                conn.execute("SELECT find_facts_again(%s, %s)", before)
        with conn.transaction():
            conn.execute("SELECT grant_pages(), grant_service(%s), grant_erasure()", (needed_rights(),))
    finally:
        if not conn.closed:
            conn.rollback()  # rolls back a failed statement; earlier files are committed
            conn.execute("SELECT pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))
            conn.commit()
    return applied


def _facts_before(conn: Connection, done: set[str]) -> tuple[list[str], int] | None:
    """Facts that are not as they were sealed, and the last noted change; None before facts were sealed."""
    if _SEALS not in done:
        return None
    (found,) = conn.execute(
        "SELECT (SELECT coalesce(array_agg(kind || ' ' || key), '{}') FROM differing_facts()),"
        " (SELECT coalesce(max(change_id), 0) FROM fact_change)"
    ).fetchall()
    conn.commit()
    return found


def has_schema(conn: Connection) -> bool:
    """True if the database has a schema of Insitu, of any version: a non-empty list of migrations."""
    if conn.execute("SELECT to_regclass('schema_migration')").fetchall() == [(None,)]:
        return False
    return bool(conn.execute("SELECT EXISTS (SELECT FROM schema_migration)").fetchall()[0][0])


def newest_migration(conn: Connection) -> str:
    """Name of the newest migration of this database; raises RunMigrate if it has none."""
    try:
        found = conn.execute("SELECT max(name) FROM schema_migration").fetchall()[0][0]
    except RunMigrate as error:
        raise RunMigrate() from error
    if found is None:
        raise RunMigrate()
    return str(found)


def bytes_behind(conn: Connection, application: str) -> int | None:
    """Bytes of the write-ahead log that a receiver called `application` has not received yet; None if there
    is no such receiver. Only a superuser sees them.
    """
    found = conn.execute(
        "SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), write_lsn)) FROM pg_stat_replication"
        " WHERE application_name = %s",
        (application,),
    ).fetchall()[0][0]
    return None if found is None else int(found)


def drop_slot(conn: Connection, name: str) -> bool:
    """Remove a replication slot that nobody reads; True if there was one. Only a superuser may. Commits."""
    found = conn.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_name = %s AND NOT active",
        (name,),
    )
    was_there = bool(found.fetchall())
    conn.commit()
    return was_there


def restore_under_way(conn: Connection) -> bool:
    """True while pg_restore writes to this database."""
    found = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pg_restore' AND datname = "
        "current_database())"
    )
    return bool(found.fetchall()[0][0])


def require_postgres(version: int) -> None:
    """Raises UpgradePostgres for a server that is too old. `version` in PostgreSQL's notation: 150020 is
    15.20.
    """
    if version < _OLDEST_POSTGRES * 10_000:
        raise UpgradePostgres(
            f"The database is PostgreSQL {version // 10_000}; Insitu needs {_OLDEST_POSTGRES} or 18: "
            "upgrade it with pg_upgrade, "
            "or set INSITU_DATABASE_URL to a newer server."
        )


def require_current(conn: Connection) -> None:
    """Raises RunMigrate if a migration is missing, UpgradeInsitu if the database has one that this version
    does not know, and UpgradePostgres if the server is too old.
    """
    require_postgres(conn.server_version())
    known = {path.stem for path in migrations()}
    try:
        done = {name for (name,) in conn.execute("SELECT name FROM schema_migration")}
    except RunMigrate as error:  # even the table of migrations is missing
        raise RunMigrate() from error
    if known - done:
        raise RunMigrate()
    if done - known:
        raise UpgradeInsitu()


def run(conn: Connection, statement: str, **parameters: Any) -> int:
    """Execute; returns the number of affected rows."""
    return conn.execute(statement.encode(), parameters).rowcount


def scalar(conn: Connection, statement: str, **parameters: Any) -> Any:
    """The first column of the first row, or None."""
    found = conn.execute(statement.encode(), parameters).fetchone()
    return found[0] if found else None


def require_found(number: Any, what: str) -> int:
    if number is None:
        raise NotFound(what)
    return int(number)


def rows(conn: Connection, kind: type[Kind], statement: str, **parameters: Any) -> list[Kind]:
    """Each row as a `kind`: columns by name, enums by annotation."""
    with conn.cursor(row_factory=rows_as(kind)) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def row(conn: Connection, kind: type[Kind], statement: str, **parameters: Any) -> Kind | None:
    """The first row as a `kind`, or None."""
    with conn.cursor(row_factory=rows_as(kind)) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchone()


def count_table(conn: Connection, table: str) -> int:
    """Number of rows of a table that is not ours, so no migration creates it and no named query uses it; 0 if
    it does not exist.
    """
    if conn.execute("SELECT to_regclass(%s)", (table,)).fetchall() == [(None,)]:
        return 0
    statement = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
    return int(conn.execute(statement).fetchall()[0][0])


def table_bytes(conn: Connection, table: str) -> int:
    """Bytes of a table that is not ours, without its indexes; 0 if it does not exist. It costs the same
    however many rows there are.
    """
    found = conn.execute("SELECT coalesce(pg_relation_size(to_regclass(%s)), 0)", (table,)).fetchall()
    return int(found[0][0])


def wait_for(conn: Connection, channel: str, *, timeout_s: float) -> bool:
    """True if a notification came on `channel` within the time. `conn` must be in autocommit and used for
    nothing else.
    """
    conn.execute(f"LISTEN {channel}".encode())
    return any(True for _ in conn.notifies(timeout=timeout_s, stop_after=1))
