"""Is it alive, does it take in messages, and what it counts."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from api.access import Anyone, Signed, may_read_metrics
from api.context import Conn, Ctx
from api.rendering import page_of, respond
from insitu.errors import NotAcceptedHere, NotFound
from store import shards

open_router = APIRouter()
router = APIRouter()


@open_router.get("/healthz")
def healthz() -> PlainTextResponse:
    """This process answers; it says nothing of the database."""
    return PlainTextResponse("alive\n")


@open_router.get("/readyz")
def readyz(conn: Conn) -> JSONResponse:
    """200 while messages are taken in: the ingestor's heartbeat came back through the broker. No details: anybody may ask."""
    ready = shards.health(conn).alive
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503, headers={"Cache-Control": "no-store"})


@open_router.get("/metrics")
def metrics(request: Request, conn: Conn, context: Ctx, viewer: Anyone) -> Response:
    """For Prometheus."""
    if not may_read_metrics(request, viewer):
        if viewer is not None:
            raise NotFound("There are no metrics for you.")
        raise NotAcceptedHere("Show INSITU_METRICS_TOKEN as a bearer token, or sign in as the lab.")
    return Response(context.meters.exposition(conn), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json")
def openapi(request: Request, viewer: Signed) -> JSONResponse:
    """The description of the HTTP API."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", response_class=HTMLResponse)
def docs(request: Request, viewer: Signed) -> HTMLResponse:
    """The same, to read and to try; from files of this machine."""
    response = respond(request, "docs.j2", page_of(request, viewer))
    # the viewer of FastAPI draws its icons as data addresses
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return response
