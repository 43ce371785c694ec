"""Windows: those of a trial with a form, and one window to end, correct or withdraw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Ctx
from api.pages.local_times import read_local, read_local_or_none, write_local
from api.pages.meanwhile import Wrong, compare_fields, problem_of
from api.pages.words import WINDOWS
from api.rendering import Page, page_of, respond
from insitu.model import WindowKind
from store.access import Viewer, visible_trial
from store.catalogue.entries import list_versions
from store.catalogue.sites import list_host_sites
from store.catalogue.trials import Trial
from store.catalogue.windows import StoredWindow, get_window
from store.database import Connection
from store.read.fleet import list_devices
from store.rights import Act
from trials.workflow import windows as acts
from trials.workflow.windows import MOST_REASON, Target, Wanted

router = APIRouter()
Number = Annotated[int, Path(ge=1, lt=2**31)]
Text = Annotated[str, Form(max_length=MOST_REASON)]
Local = Annotated[str, Form(max_length=40)]
Etag = Annotated[str, Form(max_length=40)]
"""The version that the page showed; empty: any."""


@router.get("/trials/{trial}/windows", response_class=HTMLResponse)
def windows_page(request: Request, trial: str, conn: Conn, viewer: Signed) -> HTMLResponse:
    """Windows that touch a trial, and the form for those who may declare one."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.SEE_HEALTH, f"window of {trial!r}", found)
    return _show_trial(request, conn, viewer, found)


@router.post(
    "/trials/{trial}/windows", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def declare(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    target: Annotated[str, Form(max_length=140)] = "",
    kind: Annotated[WindowKind, Form()] = WindowKind.MAINTENANCE,
    start: Local = "",
    end: Local = "",
    reason: Text = "",
) -> Response:
    """Declare a window for the trial, a site or a device."""
    found = visible_trial(conn, viewer, trial)
    given = {"target": target, "kind": kind, "start": start, "end": end, "reason": reason}
    what, _, code = target.partition(":")
    aim = Target("trial", found.code)
    if what == "site":
        aim = Target("site", code)
    elif what == "device":
        aim = Target("device", f"{found.code}/{code}")

    def act() -> None:
        wanted = wanted_of(kind, start, end, reason, found.time_zone)
        acts.declare(conn, aim, wanted, viewer=viewer, by=viewer.login, now=context.clock.now())

    if wrong := problem_of(conn, act):
        return _show_trial(request, conn, viewer, found, problem=wrong.words, given=given)
    return RedirectResponse(f"/trials/{found.code}/windows", status_code=303)


@router.get("/windows/{number}", response_class=HTMLResponse)
def window_page(request: Request, number: Number, conn: Conn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """One window, with what may be done to it."""
    window = get_window(conn, number)
    acts.require_may_declare(conn, viewer, acts.target_of(window), context.clock.now())
    return _show_window(request, conn, viewer, window)


@router.post("/windows/{number}/end", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def end(
    request: Request, number: Number, conn: Conn, context: Ctx, viewer: Signed, etag: Etag = ""
) -> Response:
    """End a running window now."""

    def act() -> None:
        now = context.clock.now()
        acts.end_now(conn, number, viewer=viewer, by=viewer.login, now=now, expected=etag or None)

    return _done(request, conn, viewer, number, act, {})


@router.post(
    "/windows/{number}/withdrawal", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def withdraw(
    request: Request,
    number: Number,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    reason: Text = "",
    etag: Etag = "",
) -> Response:
    """Withdraw a window, with the reason."""

    def act() -> None:
        now, tag = context.clock.now(), etag or None
        acts.withdraw(conn, number, reason, viewer=viewer, by=viewer.login, now=now, expected=tag)

    return _done(request, conn, viewer, number, act, {"withdrawal": reason})


@router.post(
    "/windows/{number}/correction", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def correct(
    request: Request,
    number: Number,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    kind: Annotated[WindowKind, Form()] = WindowKind.MAINTENANCE,
    start: Local = "",
    end: Local = "",
    reason: Text = "",
    etag: Etag = "",
) -> Response:
    """Withdraw a window and declare another one in its place."""

    def act() -> None:
        zone = zone_of(request, conn, viewer, get_window(conn, number))
        wanted = wanted_of(kind, start, end, reason, zone)
        now, tag = context.clock.now(), etag or None
        acts.correct(conn, number, wanted, viewer=viewer, by=viewer.login, now=now, expected=tag)

    typed = {"kind": kind.value, "start": start, "end": end, "reason": reason}
    return _done(request, conn, viewer, number, act, typed)


def wanted_of(kind: WindowKind, start: str, end: str, reason: str, time_zone: str) -> Wanted:
    """A window as a form states it; times are local."""
    return Wanted(kind, read_local(start, time_zone), read_local_or_none(end, time_zone), reason)


def zone_of(request: Request, conn: Connection, viewer: Viewer, window: StoredWindow) -> str:
    """The time zone of the page about a window: that of its trial, of a site that of the installation."""
    if window.target_kind == "site":
        return page_of(request, viewer).reader.time_zone
    return visible_trial(conn, viewer, window.target.partition("/")[0]).time_zone


def place_of(window: StoredWindow) -> str:
    """The page that lists the window."""
    if window.target_kind == "site":
        return f"/sites/{window.target}"
    return f"/trials/{window.target.partition('/')[0]}/windows"


def form_words(page: Page) -> dict[str, Any]:
    """Words and functions for a form about windows."""
    return {
        "window_words": WINDOWS,
        "most": MOST_REASON,
        "local": lambda moment: write_local(moment, page.reader.time_zone),
    }


def _done(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    number: int,
    act: Callable[[], object],
    typed: dict[str, str],
) -> Response:
    """Back to the list; with a problem the page of the window again, with what was typed."""
    if wrong := problem_of(conn, act):
        return _show_window(request, conn, viewer, get_window(conn, number), wrong=wrong, typed=typed)
    return RedirectResponse(place_of(get_window(conn, number)), status_code=303)


def _show_trial(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    trial: Trial,
    *,
    problem: str = "",
    given: dict[str, Any] | None = None,
) -> HTMLResponse:
    page = page_of(request, viewer, trial.time_zone)
    return respond(
        request,
        "windows.j2",
        page,
        status=400 if problem else 200,
        trial=trial,
        windows=acts.visible_windows(conn, viewer, trial, page.now),
        targets=_targets(conn, viewer, trial, page),
        problem=problem,
        given=given or {},
        **form_words(page),
    )


def _targets(conn: Connection, viewer: Viewer, trial: Trial, page: Page) -> list[tuple[str, str]]:
    """(value of the choice, words) of everything for which the reader may declare a window here."""
    if not viewer.may(Act.DECLARE, trial):
        return []
    devices = list_devices(conn, viewer, now=page.now, trial=trial.code)
    places = {one.site for one in devices if one.site}
    found = []
    if viewer.may(Act.MANAGE_SITES):
        host = None if viewer.may(Act.RUN_PROGRAMME) else viewer.organisation_id
        sites = [one for one in list_host_sites(conn, host, now=page.now) if one.code in places]
        found += [(f"site:{one.code}", page.t("site {name}", name=one.name)) for one in sites]
    if viewer.may(Act.RUN_PROGRAMME) or viewer.organisation_id in (trial.host_id, trial.company_id):
        found.append(("trial", page.t("the whole trial")))
    return [*found, *((f"device:{one.device}", page.t("device {name}", name=one.device)) for one in devices)]


def _show_window(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    window: StoredWindow,
    *,
    wrong: Wrong | None = None,
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    page = page_of(request, viewer, zone_of(request, conn, viewer, window))
    zone = page.reader.time_zone
    stored = {
        "kind": window.kind.value,
        "start": write_local(window.start, zone),
        "end": write_local(window.end, zone),
        "reason": window.reason,
    }
    runs = window.has_begun(page.now) and not window.is_over(page.now)
    return respond(
        request,
        "window.j2",
        page,
        status=wrong.status if wrong else 200,
        window=window,
        both=compare_fields(wrong, stored, typed or {}),
        filled={"withdrawal": ""} | stored | (typed or {}),
        version=list_versions(conn, "window")[str(window.window_id)],
        back=place_of(window),
        runs=runs,
        may_be_withdrawn=acts.may_be_withdrawn(window, page.now),
        problem=wrong.words if wrong else "",
        **form_words(page),
    )
