"""The audit log, for lists."""

from __future__ import annotations

from store.audit import AuditLine
from store.database import Connection, rows
from store.queries import Queries


class _SQL(Queries, file="read/audit_lines"):
    audit_lines: str


def list_audit_lines(
    conn: Connection, *, below: int | None = None, subject: str | None = None, most: int
) -> list[AuditLine]:
    """Newest first; `below` is the last id of the previous page."""
    return rows(conn, AuditLine, _SQL.audit_lines, below=below, subject=subject, most=most)
