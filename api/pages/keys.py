"""The keys that sign packages here, for anybody: a page, and the signed list that `verify` reads."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.access import Anyone
from api.context import Ctx
from api.rendering import page_of, respond
from trials.package.keys import list_keys, published
from trials.package.strict import written

open_router = APIRouter()


@open_router.get("/keys", response_class=HTMLResponse)
def keys(request: Request, viewer: Anyone, context: Ctx) -> Response:
    """Public keys with their fingerprints, the present one first."""
    found = list(reversed(list_keys(context.settings.data_dir)))
    return respond(request, "keys.j2", page_of(request, viewer), keys=found)


@open_router.get("/.well-known/insitu-keys.json")
def keys_list(context: Ctx) -> Response:
    """The list that the present key signed."""
    content = written(published(context.settings.data_dir))
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-cache"})
