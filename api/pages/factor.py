"""The second factor: its code at the sign-in, and the page on which a person adds, renews or removes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from api import access, totp
from api.access import Signed, digest, require_form_token
from api.context import Conn, Context, Ctx, ServiceConn
from api.cookies import cookie_of, drop_cookie
from api.factors import WrongCode, enter_code, new_codes, prove, take_code
from api.pages.devices import label
from api.pages.session import own_path, show_sign_in
from api.pages.words import FACTOR_NEWS
from api.rendering import page_of, respond
from api.sealing import factor_key, seal, unseal
from insitu.errors import CorrectInput, NotAcceptedHere
from store import factors
from store.access import Viewer
from store.database import Connection
from store.people import Account

open_router = APIRouter()
router = APIRouter()
FRESH: Final = timedelta(minutes=15)
"""A session may add a factor for this long after its sign-in: a stolen one is usually older."""
CodeForm = Annotated[str, Form(max_length=100)]
NextForm = Annotated[str, Form(max_length=2000)]


@dataclass(frozen=True, slots=True)
class Shown:
    """Parts of the page that are shown once. `secret` waits for its first code."""

    secret: bytes | None = None
    codes: list[str] = field(default_factory=list)


@open_router.get("/sign-in/code", response_class=HTMLResponse)
def code_page(request: Request, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:
    """The form, for a browser that has done the first step."""
    if cookie_of(request, access.STEP_COOKIE) is None:
        return RedirectResponse("/sign-in", status_code=303)
    return _ask(request, next)


def _ask(request: Request, next: str, problem: str = "") -> HTMLResponse:
    return respond(
        request,
        "code.j2",
        page_of(request, None),
        status=403 if problem else 200,
        next=own_path(next),
        problem=problem,
    )


@open_router.post("/sign-in/code", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def enter(request: Request, context: Ctx, code: CodeForm, next: NextForm = "/") -> Response:
    """Start the session, or show the form again."""
    try:
        entered = enter_code(
            context.pool,
            token=cookie_of(request, access.STEP_COOKIE) or "",
            code=code,
            browser=access.browser_of(request),
            key=factor_key(context.settings),
            now=context.clock.now(),
        )
    except WrongCode:
        return _ask(request, next, FACTOR_NEWS["wrong"])
    except NotAcceptedHere:
        response: Response = show_sign_in(request, context, next, problem=FACTOR_NEWS["late"])
        drop_cookie(request, response, access.STEP_COOKIE)
        return response
    response = RedirectResponse(own_path(next), status_code=303)
    access.keep_entered(request, response, entered)
    return response


def show_factor(
    request: Request,
    conn: Connection,
    context: Context,
    viewer: Viewer,
    *,
    shown: Shown | None = None,
    notice: str = "",
    problem: str = "",
) -> HTMLResponse:
    """The page about a person's own factor; `shown`: parts that are shown this once."""
    shown, page = shown or Shown(), page_of(request, viewer)
    has_factor = factors.has_factor(conn, viewer.person_id)
    return respond(
        request,
        "factor.j2",
        page,
        status=400 if problem else 200,
        has_factor=has_factor,
        is_needed=viewer.role in context.factor_roles,
        left=factors.count_codes(conn, viewer.person_id) if has_factor else 0,
        secret=totp.write_secret(shown.secret) if shown.secret else "",
        drawing=_drawing(request, viewer, shown.secret),
        codes=shown.codes,
        notice=page.t(notice) if notice else "",
        problem=page.t(problem) if problem else "",
    )


def _drawing(request: Request, viewer: Viewer, secret: bytes | None) -> Markup:
    """The QR code that an authenticator reads; empty without a secret."""
    if secret is None:
        return Markup()
    return label(totp.write_address(secret, login=viewer.login, place=request.url.hostname or ""))


@router.get("/account/factor", response_class=HTMLResponse)
def factor_page(request: Request, conn: ServiceConn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """The page."""
    return show_factor(request, conn, context, viewer)


@router.post("/account/factor", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def offer(request: Request, conn: Conn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """Draw a secret and show it, this once; it counts after a first code."""
    if not factors.is_fresh(conn, digest(access.session_token(request) or ""), FRESH):
        return show_factor(request, conn, context, viewer, problem=FACTOR_NEWS["old"])
    secret = totp.new_secret()
    try:
        factors.offer(conn, viewer.person_id, seal(secret, viewer.person_id, factor_key(context.settings)))
    except CorrectInput:
        return show_factor(request, conn, context, viewer, problem=FACTOR_NEWS["twice"])
    return show_factor(request, conn, context, viewer, shown=Shown(secret=secret))


@router.post(
    "/account/factor/confirm", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def confirm(request: Request, conn: Conn, context: Ctx, viewer: Signed, code: CodeForm) -> HTMLResponse:
    """The first code: the factor counts from now on, all other sessions end, and recovery codes are shown. A
    session that is too old to draw a secret neither sees nor confirms one that another session has drawn.
    """
    if not factors.is_fresh(conn, digest(access.session_token(request) or ""), FRESH):
        return show_factor(request, conn, context, viewer, problem=FACTOR_NEWS["old"])
    key, account = factor_key(context.settings), _account(viewer)
    factor = factors.find_factor(conn, viewer.person_id)
    if factor is None or factor.confirmed_at is not None:
        return show_factor(request, conn, context, viewer, problem=FACTOR_NEWS["twice"] if factor else "")
    if totp.plain_code(code) is None or not take_code(conn, account, code, key, context.clock.now()):
        shown = Shown(secret=unseal(bytes(factor.secret), viewer.person_id, key))
        return show_factor(request, conn, context, viewer, shown=shown, problem=FACTOR_NEWS["wrong"])
    codes, digests = new_codes()
    factors.confirm(
        conn,
        viewer.person_id,
        viewer.login,
        codes_sha256=digests,
        session=digest(access.session_token(request) or ""),
        now=context.clock.now(),
    )
    notice = FACTOR_NEWS["added"]
    return show_factor(request, conn, context, viewer, shown=Shown(codes=codes), notice=notice)


@router.post("/account/factor/codes", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def renew(request: Request, conn: Conn, context: Ctx, viewer: Signed, code: CodeForm) -> HTMLResponse:
    """Other recovery codes, after a code."""
    if not _has_proven(request, conn, context, viewer, code):
        return show_factor(request, conn, context, viewer, problem=FACTOR_NEWS["wrong"])
    codes, digests = new_codes()
    factors.renew_codes(conn, viewer.person_id, viewer.login, digests, context.clock.now())
    return show_factor(request, conn, context, viewer, shown=Shown(codes=codes))


@router.post(
    "/account/factor/remove", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def remove(request: Request, conn: Conn, context: Ctx, viewer: Signed, code: CodeForm) -> HTMLResponse:
    """No second factor any more, after a code. Not for a role that needs one."""
    if viewer.role in context.factor_roles:
        return show_factor(request, conn, context, viewer, problem=FACTOR_NEWS["needed"])
    if not _has_proven(request, conn, context, viewer, code):
        return show_factor(request, conn, context, viewer, problem=FACTOR_NEWS["wrong"])
    factors.remove(conn, viewer.person_id, viewer.login, context.clock.now())
    return show_factor(request, conn, context, viewer, notice=FACTOR_NEWS["removed"])


def _account(viewer: Viewer) -> Account:
    return Account(viewer.person_id, viewer.login, None)


def _has_proven(request: Request, conn: Connection, context: Context, viewer: Viewer, code: str) -> bool:
    """True if the code is right; tries are limited, because the session may be stolen."""
    if not factors.has_factor(conn, viewer.person_id):
        return False
    try:
        prove(
            conn,
            _account(viewer),
            code=code,
            browser=access.browser_of(request),
            key=factor_key(context.settings),
            now=context.clock.now(),
        )
    except WrongCode:
        return False
    return True
