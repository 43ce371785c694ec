"""The accessibility statement, open to everybody."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.access import Anyone
from api.context import Ctx
from api.rendering import page_of, respond

open_router = APIRouter()
TESTED: Final = (
    "/",
    "/fleet",
    "/trials",
    "/trials/…",
    "/trials/…/charts",
    "/trials/…/protocol",
    "/rejects",
    "/alerts",
)
"""Kinds of pages that the product's own automatic tests open."""


@open_router.get("/accessibility", response_class=HTMLResponse)
def accessibility(request: Request, viewer: Anyone, context: Ctx) -> HTMLResponse:
    """State, results of tests, contents that are not accessible, contact, and ways of appeal."""
    page = page_of(request, viewer)
    found = context.accessibility
    audit = found.audit if found.audit is not None and found.audit.is_in_force(page.now) else None
    return respond(
        request,
        "accessible.j2",
        page,
        found=found,
        audit=audit,
        is_expired=found.audit is not None and audit is None,
        tested=TESTED,
        address=str(request.base_url).rstrip("/"),
    )
