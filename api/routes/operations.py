"""Whether the service is alive and takes in messages, and its counters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from api.access import Anyone, Signed, may_read_metrics
from api.acts import OPEN
from api.context import Context, Ctx, ServiceConn, readiness_of
from api.rendering import page_of, respond
from api.repeats import document_keys
from insitu.errors import NotAcceptedHere, NotFound
from insitu.room import Room
from insitu.times import to_rfc3339

_VALID: Final = timedelta(days=180)
open_router = APIRouter()
router = APIRouter()


def healthz(context: Context) -> Response:
    """This process answers; says nothing about the database."""
    return PlainTextResponse("alive\n")


def readyz(context: Context) -> Response:
    """200 while a device that connects now can deliver a message; else the failed stage. No details, because
    anybody may ask.
    """
    found = readiness_of(context)
    content = {"ready": True} if found.stage is None else {"ready": False, "stage": str(found.stage)}
    return JSONResponse(
        content, status_code=200 if found.ready else 503, headers={"Cache-Control": "no-store"}
    )


AT_THE_DOOR: Final[dict[str, Callable[[Context], Response]]] = {"/healthz": healthz, "/readyz": readyz}
"""Values that `api.asgi` returns before anything else, so they are available even while many requests wait
for threads and connections.
"""


async def require_metrics(request: Request, viewer: Anyone) -> None:
    """Runs before a connection is taken, because anybody may call this."""
    if not may_read_metrics(request, viewer):
        if viewer is not None:
            raise NotFound("There are no metrics that you may see.")
        raise NotAcceptedHere("Show INSITU_METRICS_TOKEN as a bearer token, or sign in as the lab.")


@open_router.get("/metrics", dependencies=[Depends(require_metrics)])
def metrics(conn: ServiceConn, context: Ctx) -> Response:
    """For Prometheus."""
    room = Room(context.settings.database_disk, context.settings.least_free_bytes)
    content = context.meters.exposition(conn, readiness_of(context), room)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


@open_router.get("/.well-known/security.txt", response_class=PlainTextResponse)
async def security_txt(context: Ctx) -> PlainTextResponse:
    """Where somebody who has found a weakness can write (RFC 9116)."""
    contact = context.settings.security_contact
    if contact is None:
        raise NotFound("This installation names no contact for weaknesses.")
    expires = datetime.now(UTC).replace(microsecond=0) + _VALID
    return PlainTextResponse(
        f"Contact: {contact}\nExpires: {to_rfc3339(expires)}\nPreferred-Languages: fr, en\n"
    )


@router.get("/openapi.json")
def openapi(request: Request, viewer: Signed) -> JSONResponse:
    """The description of the HTTP API."""
    return JSONResponse(document_keys(request.app.openapi(), {route.split()[1] for route in OPEN}))


@router.get("/docs", response_class=HTMLResponse)
def docs(request: Request, viewer: Signed) -> HTMLResponse:
    """The same as a page for reading and trying; from files of this machine."""
    response = respond(request, "docs.j2", page_of(request, viewer))
    # FastAPI's viewer draws its icons as data addresses
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    return response
