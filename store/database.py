"""Connections, transactions, migrations, and the translation of driver errors.

The caller owns the transaction: nothing in `store` commits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import psycopg.sql
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool, PoolTimeout

from insitu.errors import (
    AlreadyExists,
    CorrectInput,
    FreeSpace,
    NotAcceptedHere,
    ProtocolLocked,
    RetryLater,
    RowRefused,
    RunMigrate,
    UpgradeInsitu,
)

Connection = psycopg.Connection[tuple[Any, ...]]
Pool = ConnectionPool[Connection]

Kind = TypeVar("Kind")

_HERE = Path(__file__).parent
_MIGRATION_LOCK = 7_031_867


def connect(
    url: str, *, application: str, autocommit: bool = False, longest_pause_s: float = 0, timeout_s: int = 10
) -> Connection:
    """A connection that calls itself `application`; RetryLater where nothing answers, NotAcceptedHere for a password.

    `longest_pause_s`: the server ends the connection, and what it has locked, when a transaction waits so long for its client
    (0: never).
    """
    options = f"-c idle_in_transaction_session_timeout={int(longest_pause_s * 1000)}" if longest_pause_s else None
    try:
        return psycopg.connect(
            url, application_name=application, autocommit=autocommit, connect_timeout=timeout_s, options=options
        )
    except psycopg.OperationalError as error:
        first = str(error).strip().splitlines()[0]
        if "password authentication failed" in first or "no password supplied" in first:
            raise NotAcceptedHere(f"The database refuses the sign-in: {first}") from error
        raise RetryLater(f"The database does not answer: {first}") from error


def open_pool(url: str, *, application: str, size: int = 8, statement_timeout_s: float = 30) -> Pool:
    """A pool of at most `size` connections, each with a statement timeout; one that a restart of the server broke is not handed out."""
    pool: Pool = ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        kwargs={
            "application_name": application,
            "options": f"-c statement_timeout={int(statement_timeout_s * 1000)}",
        },
        check=ConnectionPool.check_connection,
        open=True,
    )
    return pool


@contextmanager
def translated() -> Iterator[None]:
    """Driver errors as ours: what is the row's fault, what is the moment's, what is the disk's."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise FreeSpace(f"The database's disk is full: {error}") from error
    except psycopg.errors.UniqueViolation as error:
        raise AlreadyExists(error.diag.message_detail or str(error)) from error
    except psycopg.errors.ExclusionViolation as error:
        raise CorrectInput(f"Two of these overlap in time: {error.diag.message_detail}") from error
    except psycopg.errors.RestrictViolation as error:
        raise ProtocolLocked(f"It cannot be changed: {error.diag.message_primary}.") from error
    except (psycopg.errors.DataError, psycopg.errors.IntegrityError, psycopg.errors.ProgramLimitExceeded) as error:
        raise RowRefused(str(error).strip().splitlines()[0]) from error
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.errors.IdleInTransactionSessionTimeout,
        PoolTimeout,
    ) as error:
        raise RetryLater(f"The database does not answer: {(str(error).strip().splitlines() or [repr(error)])[0]}") from error


def migrations() -> list[Path]:
    """The numbered migration files, in order."""
    return sorted((_HERE / "migrations").glob("[0-9]*.sql"))


def migrate(conn: Connection) -> list[str]:
    """Bring the schema up to date, one transaction a file, under an advisory lock; names of what was applied."""
    applied: list[str] = []
    conn.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
    try:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        done = {name for (name,) in conn.execute("SELECT name FROM schema_migration")}
        conn.commit()  # else the blocks below are savepoints of this transaction, still open when the lock is given back
        for path in migrations():
            if path.stem not in done:
                with conn.transaction():
                    conn.execute(path.read_text(encoding="utf-8").encode())
                    conn.execute("INSERT INTO schema_migration (name) VALUES (%s)", (path.stem,))
                applied.append(path.stem)
    finally:
        if not conn.closed:
            conn.rollback()  # of a statement that failed; the steps before it are committed
            conn.execute("SELECT pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))
            conn.commit()
    return applied


def require_current(conn: Connection) -> None:
    """RunMigrate where a migration is missing, UpgradeInsitu where the database knows more than this version."""
    known = {path.stem for path in migrations()}
    try:
        done = {name for (name,) in conn.execute("SELECT name FROM schema_migration")}
    except psycopg.errors.UndefinedTable as error:
        raise RunMigrate() from error
    if known - done:
        raise RunMigrate()
    if done - known:
        raise UpgradeInsitu()


@cache
def queries(name: str) -> Mapping[str, str]:
    """The named blocks of `sql/<name>.sql`: a line `-- name: find_device`, a line of purpose, the statement."""
    text = (_HERE / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name: (\w+)[ \t]*$", text, flags=re.MULTILINE)
    return {key: body.strip().removesuffix(";") for key, body in zip(blocks[1::2], blocks[2::2], strict=True)}


def run(conn: Connection, statement: str, **parameters: Any) -> int:
    """Execute; the number of rows it touched."""
    with translated():
        return conn.execute(statement.encode(), parameters).rowcount


def scalar(conn: Connection, statement: str, **parameters: Any) -> Any:
    """The first column of the first row, or None."""
    with translated():
        found = conn.execute(statement.encode(), parameters).fetchone()
    return found[0] if found else None


def rows(conn: Connection, kind: type[Kind], statement: str, **parameters: Any) -> list[Kind]:
    """Each row as a `kind`, columns by name."""
    with translated(), conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def row(conn: Connection, kind: type[Kind], statement: str, **parameters: Any) -> Kind | None:
    """The first row as a `kind`, or None."""
    with translated(), conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchone()


def count_table(conn: Connection, table: str) -> int:
    """Rows of a table that is not ours, which no migration makes and no named query can name; 0 while it does not exist."""
    with translated():
        if conn.execute("SELECT to_regclass(%s)", (table,)).fetchall() == [(None,)]:
            return 0
        statement = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
        return int(conn.execute(statement).fetchall()[0][0])


def wait_for(conn: Connection, channel: str, *, timeout_s: float) -> bool:
    """True when a notification came on `channel` within the time; `conn` is in autocommit and does nothing else."""
    with translated():
        conn.execute(f"LISTEN {channel}".encode())
        return any(True for _ in conn.notifies(timeout=timeout_s, stop_after=1))
