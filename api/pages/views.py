"""A person's own page of what to keep in sight: views under a name, and links for screens on a wall."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token
from api.context import Ctx, ServiceConn
from api.rendering import page_of, respond
from api.views import keepable_address
from api.walls import Chosen, chosen_of_view, make_wall, write_wall_link
from insitu.errors import CorrectInput
from store import views, walls
from store.access import Viewer, visible_trials
from store.database import Connection
from store.read.fleet import list_devices

router = APIRouter()
Number = Annotated[int, Path(ge=1, lt=2**31)]
NameForm = Annotated[str, Form(max_length=200)]
AddressForm = Annotated[str, Form(max_length=2000)]
CodesForm = Annotated[list[str] | None, Form(max_length=walls.MOST_CHOSEN)]
DAYS = (7, 30, 90, 365)


def show_views(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    *,
    problem: str = "",
    status: int = 400,
    name: str = "",
    address: str = "",
    link: str = "",
) -> HTMLResponse:
    """The page; `name` and `address`: what somebody is about to keep; `link`: of a new wall, shown this
    once.
    """
    page = page_of(request, viewer)
    devices = list_devices(conn, viewer, now=page.now)
    kept = views.list_views(conn, viewer.person_id)
    return respond(
        request,
        "views.j2",
        page,
        status=status if problem else 200,
        problem=problem,
        name=name,
        address=address,
        link=link,
        kept=kept,
        of_devices=[one for one in kept if one.address.partition("?")[0] == "/fleet"],
        walls=walls.list_walls(conn, viewer.person_id),
        trials=[(one.code, page.pick(one.title)) for one in visible_trials(conn, viewer)],
        sites=sorted({one.site: one.site_name or one.site for one in devices if one.site}.items()),
        days=DAYS,
    )


@router.get("/views", response_class=HTMLResponse)
def views_page(
    request: Request,
    conn: ServiceConn,
    viewer: Signed,
    address: Annotated[str, Query(max_length=2000)] = "",
) -> HTMLResponse:
    """The page; `address`: a page that the person is about to keep."""
    return show_views(request, conn, viewer, address=address)


@router.post("/views", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def keep_view(
    request: Request, conn: ServiceConn, context: Ctx, viewer: Signed, name: NameForm, address: AddressForm
) -> Response:
    """Keep a page under a name."""
    try:
        own = keepable_address(conn, viewer, address, request.url.netloc)
        views.add_view(conn, viewer, name=name, address=own, now=context.clock.now())
    except CorrectInput as error:
        return show_views(request, conn, viewer, problem=str(error), name=name, address=address)
    return RedirectResponse("/views", status_code=303)


@router.post("/views/{number}", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def change_view(
    request: Request,
    conn: ServiceConn,
    context: Ctx,
    viewer: Signed,
    number: Number,
    name: Annotated[str | None, Form(max_length=200)] = None,
    place: Annotated[int | None, Form(ge=1, le=views.MOST_VIEWS)] = None,
) -> Response:
    """Give a view another name or another place."""
    try:
        views.change_view(conn, viewer, number, name=name, place=place, now=context.clock.now())
    except CorrectInput as error:
        return show_views(request, conn, viewer, problem=str(error))
    return RedirectResponse("/views", status_code=303)


@router.post("/views/{number}/removal", dependencies=[Depends(require_form_token)])
def remove_view(conn: ServiceConn, context: Ctx, viewer: Signed, number: Number) -> Response:
    """Keep a view no longer."""
    views.remove_view(conn, viewer, number, now=context.clock.now())
    return RedirectResponse("/views", status_code=303)


@router.post("/walls", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def make_link(
    request: Request,
    conn: ServiceConn,
    context: Ctx,
    viewer: Signed,
    name: NameForm,
    days: Annotated[int, Form()],
    trial: CodesForm = None,
    site: CodesForm = None,
    view: Annotated[str, Form(max_length=10, pattern="^[0-9]*$")] = "",
) -> HTMLResponse:
    """Make a link for a screen, and show it, this once. `view`: a kept page of devices, in place of trials
    and sites.
    """
    token, now = secrets.token_urlsafe(32), context.clock.now()
    try:
        chosen = chosen_of_view(conn, viewer, int(view)) if view else Chosen(trial or (), site or ())
        make_wall(conn, viewer, token, name=name, chosen=chosen, days=days, now=now)
    except CorrectInput as error:
        return show_views(request, conn, viewer, problem=str(error))
    return show_views(request, conn, viewer, link=write_wall_link(str(request.base_url), token))


@router.post("/walls/{number}/end", dependencies=[Depends(require_form_token)])
def end_link(conn: ServiceConn, context: Ctx, viewer: Signed, number: Number) -> Response:
    """The link shows nothing any more."""
    walls.end_wall(conn, viewer, number, now=context.clock.now())
    return RedirectResponse("/views#walls", status_code=303)
