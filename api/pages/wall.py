"""A screen on a wall: the state of chosen devices, large, without anything to press. It asks for its board
every few seconds, so it outlives restarts of the server; with a link it needs nobody who is signed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from api.access import Signed, digest
from api.clients import address_of
from api.context import Context, Ctx, client_of, connecting, context_of, reading
from api.rendering import page_of, respond, static
from api.walls import Board, Chosen, chosen_of_view, load_board
from store.access import Viewer
from store.database import Connection
from store.walls import MOST_CHOSEN, OpenWall, open_wall

open_router = APIRouter()
router = APIRouter()
Token = Annotated[str, Path(max_length=100)]
Codes = Annotated[list[str] | None, Query(max_length=MOST_CHOSEN)]
View = Annotated[int | None, Query(ge=1, lt=2**31)]
Answer = TypeVar("Answer")
EVERY_S = 10
"""Between two questions of a screen."""


@router.get("/wall", response_class=HTMLResponse)
async def own_wall(
    request: Request, context: Ctx, viewer: Signed, trial: Codes = None, site: Codes = None, view: View = None
) -> HTMLResponse:
    """The wall of a signed-in person: chosen trials and sites, or a kept view of devices."""
    chosen = await _chosen(request, viewer, trial, site, view)
    return await _respond(request, context, viewer, chosen, is_whole=True)


@router.get("/wall/board", response_class=HTMLResponse)
async def own_board(
    request: Request, context: Ctx, viewer: Signed, trial: Codes = None, site: Codes = None, view: View = None
) -> HTMLResponse:
    """The part of it that changes."""
    chosen = await _chosen(request, viewer, trial, site, view)
    return await _respond(request, context, viewer, chosen, is_whole=False)


@open_router.get("/walls/{token}", response_class=HTMLResponse)
async def linked_wall(request: Request, context: Ctx, token: Token) -> HTMLResponse:
    """The wall of a link, for anybody who has it."""
    wall = await _open(request, token)
    chosen = Chosen(wall.trials, wall.sites)
    return await _respond(request, context, wall, chosen, is_whole=True, name=wall.wall)


@open_router.get("/walls/{token}/board", response_class=HTMLResponse)
async def linked_board(request: Request, context: Ctx, token: Token) -> HTMLResponse:
    """The part of it that changes."""
    wall = await _open(request, token)
    return await _respond(request, context, wall, Chosen(wall.trials, wall.sites), is_whole=False)


async def _served(request: Request, work: Callable[[Connection], Answer]) -> Answer:
    async with connecting(request, is_limited=False) as conn:
        return await run_in_threadpool(work, conn)


async def _open(request: Request, token: str) -> OpenWall:
    now, address = context_of(request).clock.now(), address_of(request)
    return await _served(request, lambda conn: open_wall(conn, digest(token), address=address, now=now))


async def _chosen(
    request: Request, viewer: Viewer, trials: list[str] | None, sites: list[str] | None, view: int | None
) -> Chosen:
    if view is None:
        return Chosen(trials or (), sites or ())
    return await _served(request, lambda conn: chosen_of_view(conn, viewer, view))


async def _respond(
    request: Request, context: Context, viewer: Viewer, chosen: Chosen, *, is_whole: bool, name: str = ""
) -> HTMLResponse:
    """The whole page, or its board alone."""
    page = page_of(request, viewer)

    def load() -> Board:
        with reading(context, viewer) as conn:
            return load_board(conn, context, viewer, page, chosen)

    async with context.lanes.pages.place(client_of(request)):
        board = await run_in_threadpool(load)
    query = f"?{request.url.query}" if request.url.query else ""
    answer = respond(
        request,
        "wall.j2" if is_whole else "wall_board.j2",
        page,
        board=board,
        name=name,
        source=f"{request.url.path}/board{query}",
        every=EVERY_S,
        version=static("wall.js") + static("wall.css"),
    )
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
