"""The audit log: one line for each act, in the transaction of the act, chained by hashes.

A line says who acted: `person:LOGIN` is a signed-in person, `local:USER` an account of the server's shell
(perhaps `local:USER on behalf of LOGIN`), `job:NAME` a job. The caller owns the transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from store.database import Connection, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="audit"):
    audit_last: str
    audit_add: str
    audit_lock: str
    audit: str


SERVICE: Final = "job:insitu"
"""The service itself, as when the demo fills an installation."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    audit_id: int
    at: datetime
    login: str
    """Who acted; older lines have no kind before the colon."""
    action: str
    subject: str
    detail: dict[str, Any]
    previous_sha256: str
    sha256: str


def with_kind(login: str) -> str:
    """`login` as the log shows it: a plain login is that of a signed-in person. No login has a colon."""
    return login if ":" in login else f"person:{login}"


def line_hash(
    previous: str, at: datetime, login: str, action: str, subject: str, detail: dict[str, Any]
) -> str:
    content = [previous, at.astimezone(UTC).isoformat(), login, action, subject, detail]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def record(
    conn: Connection,
    *,
    at: datetime,
    login: str,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one line to the audit log, chained to the line before. `login`: a person's, or with its kind."""
    run(conn, _SQL.audit_lock)
    previous = scalar(conn, _SQL.audit_last) or ""
    who = with_kind(login)
    sha256 = line_hash(previous, at, who, action, subject, detail or {})
    run(
        conn,
        _SQL.audit_add,
        at=at,
        login=who,
        action=action,
        subject=subject,
        detail=json.dumps(detail or {}),
        previous=previous,
        sha256=sha256,
    )


def audit(conn: Connection) -> list[AuditLine]:
    """Oldest first."""
    return rows(conn, AuditLine, _SQL.audit)


def audit_problem(conn: Connection) -> str | None:
    """Text about the first line of the audit log that does not follow from the line before; None if the chain
    is intact.
    """
    return chain_problem(audit(conn))


def chain_problem(lines: Iterable[AuditLine]) -> str | None:
    previous = ""
    for line in lines:
        expected = line_hash(previous, line.at, line.login, line.action, line.subject, line.detail)
        if line.previous_sha256 != previous or line.sha256 != expected:
            return f"Line {line.audit_id} of the audit log was altered, or one before it was removed."
        previous = line.sha256
    return None
