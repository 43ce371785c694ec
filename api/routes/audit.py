"""The audit log: who changed what, when, each line chained to the one before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.access import Signed
from api.context import Conn
from api.routes.shapes import Code, Limit, Listed, example, number_cursor
from store.read.audit_lines import list_audit_lines

router = APIRouter()


class AuditLineOut(BaseModel):
    model_config = example(
        audit_id=12,
        at="2026-03-02T08:00:00Z",
        login="buyer",
        action="decide",
        subject="platform-air",
        detail={"outcome": "buy"},
        previous_sha256="9f3c…",
        sha256="1b7e…",
    )

    audit_id: int
    at: datetime
    login: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous_sha256: str
    sha256: str


@router.get("/audit")
def list_audit(
    conn: Conn, viewer: Signed, subject: Code = None, cursor: Code = None, limit: Limit = 100
) -> Listed[AuditLineOut]:
    """Lines of the audit log, newest first; for the lab and auditors."""
    found = list_audit_lines(conn, below=number_cursor(cursor), subject=subject, most=limit + 1)
    items = [AuditLineOut.model_validate(line, from_attributes=True) for line in found[:limit]]
    return Listed(items=items, next=str(items[-1].audit_id) if len(found) > limit else None)
