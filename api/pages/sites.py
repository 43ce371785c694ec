"""Sites of hosts: a list with a form, and one site with its windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token
from api.completeness import completeness_of_site, load_devices
from api.context import Conn, Context, Ctx
from api.pages.board import ShownGroup, show_group
from api.pages.listing import Asked, Asking, arrange
from api.pages.meanwhile import Wrong, compare_fields, problem_of
from api.pages.windows import Local, Text, form_words, wanted_of
from api.rendering import Page, page_of, respond
from insitu.errors import CorrectInput, NotFound
from insitu.model import OrganisationKind, WindowKind
from store.access import Viewer, visible_trials
from store.catalogue.entries import list_versions
from store.catalogue.organisations import list_organisations
from store.catalogue.plans import list_plans
from store.catalogue.sites import HostSite, list_host_sites
from store.catalogue.windows import list_stored_windows
from store.database import Connection
from store.rights import Act, Reach
from trials.workflow.entries import SiteEntry
from trials.workflow.programme import change, enter, may_manage_sites_of
from trials.workflow.redrawing import MOST_BYTES
from trials.workflow.windows import Target, declare

router = APIRouter()
Line = Annotated[str, Form(max_length=500)]
Degrees = Annotated[str, Form(max_length=40)]


@router.get("/sites", response_class=HTMLResponse)
def sites_page(request: Request, conn: Conn, viewer: Signed, asked: Asking) -> HTMLResponse:
    """The sites that the reader manages."""
    return _show_sites(request, conn, viewer, asked)


@router.post("/sites", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def add(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    code: Line = "",
    host: Line = "",
    name: Line = "",
    kind: Line = "",
    latitude: Degrees = "",
    longitude: Degrees = "",
) -> Response:
    """Enter a site."""
    given = {"code": code.strip(), "host": host, "name": name.strip(), "kind": kind.strip()}
    degrees = {"latitude": latitude, "longitude": longitude}

    def act() -> None:
        entry = SiteEntry.read(given | _degrees(**degrees))
        enter(conn, entry, viewer=viewer, by=viewer.login, now=context.clock.now())

    if wrong := problem_of(conn, act):
        asked = Asked("", "", 1)
        return _show_sites(request, conn, viewer, asked, problem=wrong.words, given=given | degrees)
    return RedirectResponse(f"/sites/{code.strip()}", status_code=303)


@router.get("/sites/{site}", response_class=HTMLResponse)
def site_page(request: Request, site: str, conn: Conn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """One site with its windows."""
    return show_site(request, conn, context, viewer, managed(conn, context, viewer, site))


@router.post("/sites/{site}", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def change_site(
    request: Request,
    site: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    name: Line = "",
    kind: Line = "",
    latitude: Degrees = "",
    longitude: Degrees = "",
    etag: Line = "",
) -> Response:
    """Change the name, the kind or the place of a site."""
    known = managed(conn, context, viewer, site)
    stated = {"code": known.code, "host": known.host, "name": name.strip(), "kind": kind.strip()}

    def act() -> None:
        entry = SiteEntry.read(stated | _degrees(latitude=latitude, longitude=longitude))
        now = context.clock.now()
        change(conn, entry, viewer=viewer, by=viewer.login, now=now, expected=etag or None)

    if wrong := problem_of(conn, act):
        typed = {"name": name, "kind": kind, "latitude": latitude, "longitude": longitude}
        now_there = managed(conn, context, viewer, site)
        return show_site(request, conn, context, viewer, now_there, wrong=wrong, typed=typed)
    return RedirectResponse(f"/sites/{known.code}", status_code=303)


@router.post("/sites/{site}/windows", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def declare_window(
    request: Request,
    site: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    kind: Annotated[WindowKind, Form()] = WindowKind.MAINTENANCE,
    start: Local = "",
    end: Local = "",
    reason: Text = "",
) -> Response:
    """Declare a window for everything at a site."""
    known = managed(conn, context, viewer, site)
    zone = page_of(request, viewer).reader.time_zone
    given = {"kind": kind, "start": start, "end": end, "reason": reason}

    def act() -> None:
        wanted = wanted_of(kind, start, end, reason, zone)
        now = context.clock.now()
        declare(conn, Target("site", known.code), wanted, viewer=viewer, by=viewer.login, now=now)

    if wrong := problem_of(conn, act):
        return show_site(request, conn, context, viewer, known, wrong=wrong, given=given)
    return RedirectResponse(f"/sites/{known.code}#windows", status_code=303)


def _degrees(*, latitude: str, longitude: str) -> dict[str, float | None]:
    """Degrees as people write them, with a point or a comma. CorrectInput for a text that is no number."""
    found: dict[str, float | None] = {}
    for name, text in (("latitude", latitude), ("longitude", longitude)):
        try:
            found[name] = float(text.strip().replace(",", ".")) if text.strip() else None
        except ValueError:
            raise CorrectInput(f"{text.strip()[:40]!r} is no number of degrees: write 48.8566.") from None
    return found


def managed(conn: Connection, context: Context, viewer: Viewer, code: str) -> HostSite:
    """The site, for those who manage it; raises NotFound for others."""
    found = next(iter(list_host_sites(conn, None, now=context.clock.now(), code=code)), None)
    if found is None or not may_manage_sites_of(viewer, found.host_id):
        raise NotFound(f"There is no site {code!r}, or you do not manage it.")
    return found


def _show_sites(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    asked: Asked,
    *,
    problem: str = "",
    given: dict[str, Any] | None = None,
) -> HTMLResponse:
    page = page_of(request, viewer)
    everywhere = viewer.reach(Act.MANAGE_SITES) is Reach.ANY
    sites = list_host_sites(conn, None if everywhere else viewer.organisation_id, now=page.now)
    hosts = [one for one in list_organisations(conn) if one.kind is OrganisationKind.HOST]
    return respond(
        request,
        "sites.j2",
        page,
        status=400 if problem else 200,
        all=len(sites),
        list=arrange(
            sites,
            asked,
            path="/sites",
            text=lambda one: f"{one.name} {one.code} {one.host_name} {one.kind}",
            columns={
                "site": lambda one: one.name,
                "host": lambda one: one.host_name,
                "kind": lambda one: one.kind or None,
                "devices": lambda one: one.devices,
            },
        ),
        hosts=[one for one in hosts if everywhere or one.organisation_id == viewer.organisation_id],
        problem=problem,
        given=given or {},
    )


def _groups(
    conn: Connection, context: Context, viewer: Viewer, page: Page, site: HostSite
) -> list[ShownGroup]:
    """The whole site and the trials there over the last 14 days."""
    devices = load_devices(conn, context, viewer, page.now)
    found = completeness_of_site(site.code, devices, page.now, each=False)
    if found.whole is None:
        return []
    titles = {one.code: page.pick(one.title) for one in visible_trials(conn, viewer)}
    return [
        show_group(found.whole, page.t("The whole site")),
        *(show_group(one, titles.get(one.name, one.name)) for one in found.of("trial")),
    ]


def show_site(
    request: Request,
    conn: Connection,
    context: Context,
    viewer: Viewer,
    site: HostSite,
    *,
    wrong: Wrong | None = None,
    given: Mapping[str, Any] | None = None,
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    """`given`: typed in the form of a window or of a plan; `typed`: in that of the site."""
    page = page_of(request, viewer)
    stored = {
        "name": site.name,
        "kind": site.kind or "",
        "latitude": "" if site.latitude is None else str(site.latitude),
        "longitude": "" if site.longitude is None else str(site.longitude),
    }
    return respond(
        request,
        "site.j2",
        page,
        status=wrong.status if wrong else 200,
        site=site,
        both=compare_fields(wrong, stored, typed or {}),
        filled=stored | (typed or {}),
        windows=list_stored_windows(conn, site=site.code),
        version=list_versions(conn, "site")[site.code],
        plans=list_plans(conn, site.code),
        most_mb=MOST_BYTES >> 20,
        groups=_groups(conn, context, viewer, page, site),
        problem=wrong.words if wrong else "",
        given=given or {},
        **form_words(page),
    )
