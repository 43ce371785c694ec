"""The audit log as a page."""

from __future__ import annotations

import json
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from api.access import Signed
from api.context import Conn
from api.rendering import page_of, respond
from store.read.audit_lines import list_audit_lines

router = APIRouter()
_MOST: Final = 50


@router.get("/audit", response_class=HTMLResponse)
def audit_page(
    request: Request,
    conn: Conn,
    viewer: Signed,
    subject: Annotated[str, Query(max_length=128)] = "",
    below: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> HTMLResponse:
    """Who changed what, newest first."""
    page = page_of(request, viewer)
    found = list_audit_lines(conn, below=below, subject=subject or None, most=_MOST + 1)
    lines = [(line, json.dumps(line.detail, ensure_ascii=False)) for line in found[:_MOST]]
    older = {"subject": subject, "below": lines[-1][0].audit_id} if len(found) > _MOST else None
    return respond(
        request,
        "audit.j2",
        page,
        lines=lines,
        subject=subject,
        older="/audit?" + urlencode({k: v for k, v in older.items() if v}) if older else None,
    )
