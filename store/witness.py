"""Statements about the audit log, their tokens, and the queue of requests. The caller owns the
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.audit import AuditLine
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="witness"):
    audit_end: str
    unstated: str
    add_statement: str
    statements: str
    last_head: str
    tokens: str
    due: str
    add_token: str
    forget_failure: str
    add_failure: str
    waiting: str
    one_worker: str
    count_stamps: str


@dataclass(frozen=True, slots=True)
class AuditEnd:
    """The last line, and the number of lines."""

    audit_id: int
    sha256: str
    lines: int


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """`what`: `head`, or the action of the line `audit_id`. `authorities` have given a token over it."""

    statement_id: int
    what: str
    audit_id: int
    document: str
    public_key: str
    signature: str
    authorities: list[str]


@dataclass(frozen=True, slots=True)
class StoredToken:
    statement_id: int
    authority: str
    token: bytes
    vouched_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    authority: str
    statements: int
    problem: str


def audit_end(conn: Connection) -> AuditEnd | None:
    """None while the log is empty."""
    return row(conn, AuditEnd, _SQL.audit_end)


def list_unstated(conn: Connection, actions: Sequence[str], *, most: int = 1000) -> list[AuditLine]:
    """Lines of these actions that are no statement yet, oldest first."""
    return rows(conn, AuditLine, _SQL.unstated, actions=list(actions), most=most)


def add_statement(
    conn: Connection, *, what: str, audit_id: int, document: str, public_key: str, signature: str
) -> None:
    """Idempotent: the first call counts."""
    run(
        conn,
        _SQL.add_statement,
        what=what,
        audit_id=audit_id,
        document=document,
        public_key=public_key,
        signature=signature,
    )


def list_statements(conn: Connection, what: str | None = None) -> list[StoredStatement]:
    """Oldest first."""
    return rows(conn, StoredStatement, _SQL.statements, what=what)


def last_head(conn: Connection) -> StoredStatement | None:
    return row(conn, StoredStatement, _SQL.last_head)


def list_tokens(conn: Connection) -> list[StoredToken]:
    return rows(conn, StoredToken, _SQL.tokens)


def list_due(conn: Connection, authority: str, *, now: datetime, most: int) -> list[StoredStatement]:
    """Statements for which this authority has to be asked now (wall clock), newest first."""
    return rows(conn, StoredStatement, _SQL.due, authority=authority, now=now, most=most)


def save_token(
    conn: Connection, *, statement_id: int, authority: str, token: bytes, vouched_at: datetime
) -> None:
    """Also ends its wait. Idempotent: the first token counts."""
    key = {"statement_id": statement_id, "authority": authority}
    run(conn, _SQL.add_token, **key, token=token, vouched_at=vouched_at)
    run(conn, _SQL.forget_failure, **key)


def save_failure(conn: Connection, *, statement_id: int, authority: str, problem: str, now: datetime) -> None:
    """It is asked again after a pause that doubles each time. `now`: wall clock."""
    run(
        conn, _SQL.add_failure, statement_id=statement_id, authority=authority, problem=problem[:500], now=now
    )


def list_waiting(conn: Connection) -> list[Waiting]:
    """Authorities that did not answer, or not well."""
    return rows(conn, Waiting, _SQL.waiting)


def count_stamps(conn: Connection) -> int:
    """Grows with each statement and each token."""
    return int(scalar(conn, _SQL.count_stamps))


def is_only_worker(conn: Connection) -> bool:
    """False if another process signs and asks at this moment; its turn lasts until its transaction ends."""
    return bool(scalar(conn, _SQL.one_worker))
