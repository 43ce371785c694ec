"""A person's own page: name, language, password, sessions, tokens; and the page behind an invitation."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api import access
from api.access import Signed, admit_sign_in, digest, require_form_token
from api.attempts import admit_attempt, forgive
from api.clients import address_of
from api.context import Conn, Context, Ctx, ServiceConn
from api.inviting import is_name
from api.pages.words import PASSWORD_NEWS
from api.passwords import hash_password, matches, nobody, require_good_password
from api.rendering import Page, page_of, respond
from insitu.errors import CorrectInput, NotFound
from insitu.language import LANGUAGES
from store import people, tokens, walls
from store.access import Viewer
from store.database import Connection
from store.rights import Act

open_router = APIRouter()
router = APIRouter()
PasswordForm = Annotated[str, Form(max_length=512)]
NameForm = Annotated[str, Form(max_length=200)]
LanguageForm = Annotated[str, Form(max_length=8)]
EndsWallsForm = Annotated[bool, Form()]
Number = Annotated[int, Path(ge=1, lt=2**31)]
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone|iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(agent: str) -> str:
    """'Firefox, Linux' of what a browser says about itself; its first words if it is not known."""
    browser = next((name for mark, name in _BROWSERS if f"{mark}/" in agent), "")
    system = next((name for mark, name in _SYSTEMS if re.search(mark, agent)), "")
    return ", ".join(part for part in (browser, system) if part) or agent[:40]


def show_account(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    *,
    notice: str = "",
    problem: str = "",
    secret: str = "",
    ends_walls: bool = True,
) -> HTMLResponse:
    """The page, with a notice about what was done; `secret`: a token that is shown this once; `ends_walls`:
    the tick beside a new password.
    """
    page = page_of(request, viewer)
    own = digest(access.session_token(request) or "")
    return respond(
        request,
        "account.j2",
        page,
        status=400 if problem else 200,
        notice=notice,
        problem=problem,
        secret=secret,
        sessions=[
            (one, browser_name(one.browser), bytes(one.token_sha256) == own)
            for one in people.list_sessions(conn, viewer.person_id)
        ],
        tokens=tokens.list_tokens(conn, viewer.person_id),
        walls=_working_walls(conn, viewer.person_id),
        ends_walls=ends_walls,
        has_password=people.password_hash_of(conn, viewer.person_id) is not None,
        manages=viewer.may(Act.MANAGE_PEOPLE) or people.manages(conn, viewer.person_id),
    )


def _working_walls(conn: Connection, person_id: int) -> int:
    return sum(one.works for one in walls.list_walls(conn, person_id))


@router.get("/account", response_class=HTMLResponse)
def account(request: Request, conn: ServiceConn, viewer: Signed) -> HTMLResponse:
    """The page."""
    return show_account(request, conn, viewer)


@router.post("/account/profile", dependencies=[Depends(require_form_token)])
def change_profile(
    request: Request, conn: Conn, viewer: Signed, name: NameForm, language: LanguageForm
) -> Response:
    """Store the name and the language."""
    page = page_of(request, viewer)
    if not is_name(name) or language not in LANGUAGES:
        problem = page.t("A name is one line of at most 200 characters.")
        return show_account(request, conn, viewer, problem=problem)
    people.set_profile(conn, viewer.person_id, name=name.strip(), language=language)
    return RedirectResponse("/account", status_code=303)


@router.post(
    "/account/password",
    response_class=HTMLResponse,
    dependencies=[Depends(require_form_token), Depends(admit_sign_in, scope="function")],
)
def change_password(
    request: Request,
    context: Ctx,
    viewer: Signed,
    old: PasswordForm,
    new: PasswordForm,
    ends_walls: EndsWallsForm = False,
) -> HTMLResponse:
    """Compare the old password, then store the new one and end all other sessions, and the walls if the
    person asks for that.

    Holds no connection while passwords are computed, like a sign-in.
    """
    page = page_of(request, viewer)
    problem = _password_problem(context, viewer, old, new, address_of(request))
    notice = ""
    if not problem:
        password_hash = hash_password(new)
        with context.pool.connection() as conn:
            people.change_password(
                conn,
                viewer.person_id,
                viewer.login,
                password_hash=password_hash,
                session=digest(access.session_token(request) or ""),
                ends_walls=ends_walls,
                now=context.clock.now(),
            )
        notice = page.t("The password is changed, and all other sessions have ended.")
    with context.pool.connection() as conn:
        told = page.t(problem) if problem else ""
        return show_account(request, conn, viewer, notice=notice, problem=told, ends_walls=ends_walls)


def _password_problem(context: Context, viewer: Viewer, old: str, new: str, address: str) -> str:
    """The sentence of `words.PASSWORD_NEWS` that says why the password stays; empty if it may change. Tries
    are limited, because the session may be stolen.
    """
    with context.pool.connection() as conn:
        attempt = admit_attempt(
            conn, address=address, login=viewer.login, device=f"person {viewer.person_id}"
        )
        password_hash = people.password_hash_of(conn, viewer.person_id)
    if not matches(password_hash or nobody(), old) or password_hash is None:
        return PASSWORD_NEWS["wrong"]
    with context.pool.connection() as conn:
        forgive(conn, attempt)
    return weakness(new, viewer.login)


def weakness(password: str, login: str) -> str:
    """The sentence about a password that is easy to guess; empty for a good one."""
    try:
        require_good_password(password, login)
    except CorrectInput as error:
        return str(error)
    return ""


@router.post("/account/sessions/{number}/end", dependencies=[Depends(require_form_token)])
def end_session(
    number: Annotated[int, Path(ge=1, lt=2**63)], conn: Conn, context: Ctx, viewer: Signed
) -> Response:
    """End one session of this person."""
    people.end_session(conn, viewer.person_id, number, by=viewer.login, now=context.clock.now())
    return RedirectResponse("/account#sessions", status_code=303)


@router.post("/account/tokens", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def make_token(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    name: Annotated[str, Form(max_length=100)],
    days: Annotated[int, Form(ge=1, le=400)],
    acts: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Make a token and show it, this once."""
    page, secret = page_of(request, viewer), access.new_token()
    if not is_name(name):
        return show_account(request, conn, viewer, problem=page.t("Give the token a name."))
    tokens.add_token(
        conn,
        person_id=viewer.person_id,
        login=viewer.login,
        is_machine=False,
        acts=acts,
        name=name.strip(),
        token_sha256=digest(secret),
        lifetime=timedelta(days=days),
        by=viewer.login,
        now=context.clock.now(),
    )
    return show_account(request, conn, viewer, secret=secret)


@router.post("/account/tokens/{number}/end", dependencies=[Depends(require_form_token)])
def end_token(number: Number, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """End one of this person's own tokens."""
    token = tokens.get_token(conn, number)
    if token.person_id != viewer.person_id or token.organisation_id is not None:
        raise NotFound(f"There is no token {number}, or it is not yours.")
    tokens.end_token(conn, token, by=viewer.login, now=context.clock.now())
    return RedirectResponse("/account#tokens", status_code=303)


Secret = Annotated[str, Path(max_length=100)]


def _show_invitation(
    request: Request,
    invited: people.Invited,
    page: Page,
    *,
    problem: str = "",
    name: str | None = None,
    ends_walls: bool = True,
) -> HTMLResponse:
    shown = respond(
        request,
        "invitation.j2",
        page,
        status=400 if problem else 200,
        invited=invited,
        name=invited.name if name is None else name,
        problem=problem,
        ends_walls=ends_walls,
    )
    shown.headers["Cache-Control"] = "no-store"
    return shown


@open_router.get("/invitations/{token}", response_class=HTMLResponse)
def invitation(request: Request, token: Secret, conn: ServiceConn) -> HTMLResponse:
    """The form behind a link; looking at it does not use it up."""
    return _show_invitation(request, people.find_invitation(conn, digest(token)), page_of(request, None))


@open_router.post(
    "/invitations/{token}",
    response_class=HTMLResponse,
    dependencies=[Depends(require_form_token), Depends(admit_sign_in, scope="function")],
)
def accept(
    request: Request,
    context: Ctx,
    token: Secret,
    name: NameForm,
    language: LanguageForm,
    password: PasswordForm,
    ends_walls: EndsWallsForm = False,
) -> Response:
    """Use the link, once: store name, language and password, and sign the person in. Walls of before end if
    the person asks for that.
    """
    page, now = page_of(request, None), context.clock.now()
    with context.pool.connection() as conn:
        invited = people.find_invitation(conn, digest(token))
    problem = weakness(password, invited.login)
    if not is_name(name) or language not in LANGUAGES:
        problem = "A name is one line of at most 200 characters."
    if problem:
        told = page.t(problem)
        return _show_invitation(request, invited, page, problem=told, name=name, ends_walls=ends_walls)
    password_hash = hash_password(password)
    with context.pool.connection() as conn:
        account = people.accept_invitation(
            conn,
            invited,
            token_sha256=digest(token),
            name=name.strip(),
            language=language,
            password_hash=password_hash,
            ends_walls=ends_walls,
            now=now,
        )
        entered = access.begin_session(conn, account, access.browser_of(request), now)
    response = RedirectResponse(entered.leads_to("/"), status_code=303)
    access.keep_entered(request, response, entered)
    return response
