"""The people of an organisation, for who manages them: the lab all, others their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api import access
from api.access import Signed, digest, require_form_token
from api.context import Conn, Ctx, ServiceConn
from api.inviting import invite_person, make_link, require_manager, write_link
from api.pages.words import SEATS
from api.rendering import Page, page_of, respond
from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.language import LANGUAGES
from insitu.logins import LONGEST_LOGIN, fold_login
from insitu.model import Role
from store import factors, linked, people, tokens, walls
from store.access import Viewer
from store.database import Connection
from store.people import Member

router = APIRouter()
LoginForm = Annotated[str, Form(max_length=LONGEST_LOGIN)]
Number = Annotated[int, Path(ge=1, lt=2**31)]


def show_people(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    *,
    notice: str = "",
    problem: str = "",
    secret: str = "",
) -> HTMLResponse:
    """The page; `secret`: a link or a token that is shown this once."""
    organisation_id = require_manager(conn, viewer)
    everybody = people.list_members(conn, organisation_id)
    organisations = people.list_organisations(conn, organisation_id)
    roles = {role for one in organisations for role in one.kind.roles}
    return respond(
        request,
        "people.j2",
        page_of(request, viewer),
        status=400 if problem else 200,
        notice=notice,
        problem=problem,
        secret=secret,
        people=everybody,
        active=[one for one in everybody if one.is_active and one.disabled_at is None],
        organisations=organisations,
        tokens=tokens.list_machine_tokens(conn, organisation_id),
        walls=walls.list_all_walls(conn, organisation_id),
        is_lab=organisation_id is None,
        words=SEATS,
        seats={role: word for role, word in SEATS.items() if role in roles},
    )


def _member(conn: Connection, viewer: Viewer, login: str) -> Member:
    """One of the people that the viewer manages."""
    return people.get_member(conn, fold_login(login), require_manager(conn, viewer))


@router.get("/people", response_class=HTMLResponse)
def people_page(request: Request, conn: ServiceConn, viewer: Signed) -> HTMLResponse:
    """The page."""
    return show_people(request, conn, viewer)


@router.post("/people/invite", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def invite(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    login: LoginForm,
    name: Annotated[str, Form(max_length=200)] = "",
    organisation: Annotated[str, Form(max_length=64)] = "",
    role: Annotated[Role | Literal[""], Form()] = "",
    language: Annotated[str, Form(max_length=8)] = "fr",
    manages: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Invite a person and show the link, this once."""
    page, managed = page_of(request, viewer), require_manager(conn, viewer)
    codes = [one.code for one in people.list_organisations(conn, managed)]
    if organisation not in codes or language not in LANGUAGES:
        raise NotFound("There is no such organisation, or you do not manage its people.")
    try:
        with conn.transaction():
            token = invite_person(
                conn,
                login=login,
                name=name,
                organisation=organisation,
                role=role or None,
                language=language,
                manages=manages and managed is None,
                by=viewer.login,
                now=context.clock.now(),
            )
    except AlreadyExists:
        problem = page.t(
            "That login is taken. For somebody who has forgotten the password, make a new link below."
        )
        return show_people(request, conn, viewer, problem=problem)
    except CorrectInput:
        problem = page.t("A login is an e-mail address, or 1 to 64 letters, digits, '.', '-' and '_'.")
        return show_people(request, conn, viewer, problem=problem)
    return _show_link(request, conn, viewer, page, fold_login(login), token)


def _show_link(
    request: Request, conn: Connection, viewer: Viewer, page: Page, login: str, token: str
) -> HTMLResponse:
    notice = page.t(
        "Give {login} this link. It works once, within 7 days, and is shown this once.", login=login
    )
    link = write_link(str(request.base_url), token)
    return show_people(request, conn, viewer, notice=notice, secret=link)


@router.post("/people/link", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def link(request: Request, conn: Conn, context: Ctx, viewer: Signed, login: LoginForm) -> HTMLResponse:
    """A new link: of the invitation, or to reset a forgotten password."""
    member = _member(conn, viewer, login)
    token = make_link(conn, member, by=viewer.login, now=context.clock.now())
    return _show_link(request, conn, viewer, page_of(request, viewer), member.login, token)


@router.post("/people/disable", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def disable(request: Request, conn: Conn, context: Ctx, viewer: Signed, login: LoginForm) -> Response:
    """End every session, link and token of a person."""
    member = _member(conn, viewer, login)
    try:
        people.disable(conn, member, by=viewer.login, now=context.clock.now())
    except CorrectInput:
        page = page_of(request, viewer)
        problem = page.t(
            "{login} is the last active person of the lab: invite another one first.", login=member.login
        )
        return show_people(request, conn, viewer, problem=problem)
    return RedirectResponse("/people", status_code=303)


@router.post("/people/enable", dependencies=[Depends(require_form_token)])
def enable(conn: Conn, context: Ctx, viewer: Signed, login: LoginForm) -> Response:
    """Let a disabled person sign in again."""
    people.enable(conn, _member(conn, viewer, login), by=viewer.login, now=context.clock.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/people/manager", dependencies=[Depends(require_form_token)])
def manager(
    conn: Conn, context: Ctx, viewer: Signed, login: LoginForm, manages: Annotated[bool, Form()]
) -> Response:
    """Let a person manage the people of the own organisation, or no longer. Only for the lab."""
    member = _of_lab(conn, viewer, login)
    people.set_manages(conn, member, manages, by=viewer.login, now=context.clock.now())
    return RedirectResponse("/people", status_code=303)


def _of_lab(conn: Connection, viewer: Viewer, login: str) -> Member:
    """The person of a form that only the lab may send."""
    if require_manager(conn, viewer) is not None:
        raise NotFound("Only the lab may do that.")
    return people.get_member(conn, fold_login(login))


@router.post("/people/factor", dependencies=[Depends(require_form_token)])
def reset_factor(conn: Conn, context: Ctx, viewer: Signed, login: LoginForm) -> Response:
    """Remove the second factor of a person who lost it. Only for the lab, and not the own one: for that the
    account's page asks for a code.
    """
    member = _of_lab(conn, viewer, login)
    if member.person_id == viewer.person_id:
        raise NotFound("Your own second factor is on your account's page.")
    factors.reset(conn, member, by=viewer.login, now=context.clock.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/people/unlink", dependencies=[Depends(require_form_token)])
def unlink(conn: Conn, context: Ctx, viewer: Signed, login: LoginForm) -> Response:
    """The other sign-in knows the person no longer, until it links the login again. Only for the lab."""
    linked.unlink(conn, _of_lab(conn, viewer, login), by=viewer.login, now=context.clock.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/people/tokens", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def make_token(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    login: LoginForm,
    name: Annotated[str, Form(min_length=1, max_length=100)],
    days: Annotated[int, Form(ge=1, le=400)],
) -> HTMLResponse:
    """Make a machine's token and show it, this once. The person of `login` answers for it."""
    member, secret = _member(conn, viewer, login), access.new_token()
    tokens.add_token(
        conn,
        person_id=member.person_id,
        login=member.login,
        is_machine=True,
        name=name.strip(),
        token_sha256=digest(secret),
        lifetime=timedelta(days=days),
        by=viewer.login,
        now=context.clock.now(),
    )
    page = page_of(request, viewer)
    notice = page.t("This is the token of {name}. It is shown this once.", name=name.strip())
    return show_people(request, conn, viewer, notice=notice, secret=secret)


def _machine_token(conn: Connection, viewer: Viewer, number: int) -> tokens.Token:
    managed, token = require_manager(conn, viewer), tokens.get_token(conn, number)
    if token.organisation_id is None or managed not in (None, token.organisation_id):
        raise NotFound(f"There is no token {number}, or you do not manage it.")
    return token


@router.post("/people/tokens/{number}/end", dependencies=[Depends(require_form_token)])
def end_token(number: Number, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """End a machine's token."""
    token = _machine_token(conn, viewer, number)
    tokens.end_token(conn, token, by=viewer.login, now=context.clock.now())
    return RedirectResponse("/people#tokens", status_code=303)


@router.post("/people/tokens/{number}/hand-over", dependencies=[Depends(require_form_token)])
def hand_over(number: Number, conn: Conn, context: Ctx, viewer: Signed, login: LoginForm) -> Response:
    """Let another person of the organisation answer for a machine's token."""
    token = _machine_token(conn, viewer, number)
    tokens.hand_over(conn, token, fold_login(login), by=viewer.login, now=context.clock.now())
    return RedirectResponse("/people#tokens", status_code=303)


@router.post("/people/walls/{number}/end", dependencies=[Depends(require_form_token)])
def end_wall(number: Number, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """A person's wall shows nothing any more."""
    managed = require_manager(conn, viewer)
    walls.end_any_wall(conn, number, organisation_id=managed, by=viewer.login, now=context.clock.now())
    return RedirectResponse("/people#walls", status_code=303)
