"""Signing in and out, and the reader's language."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api import access
from api.access import Anyone, Signed, admit_sign_in, require_form_token
from api.context import Conn, Context, Ctx, PersonConn
from api.rendering import LANGUAGE_COOKIE, page_of, respond
from insitu.errors import NotAcceptedHere
from insitu.language import LANGUAGES
from insitu.logins import LONGEST_LOGIN
from store.access import set_language, sign_out
from store.audit import record
from store.linked import id_token_of

open_router = APIRouter()
router = APIRouter()


def own_path(text: str) -> str:
    """`text` if it is a path of this site, else the start page: a link must not lead a signed-in reader to
    another site.
    """
    safe = (
        text.startswith("/")
        and not text.startswith(("//", "/\\"))
        and not any(ord(letter) < 33 for letter in text)
    )
    return text if safe and "\\" not in text else "/"


def show_sign_in(
    request: Request, context: Context, next: str, *, login: str = "", problem: str = ""
) -> HTMLResponse:
    """The form, with the reason why nobody is signed in yet."""
    return respond(
        request,
        "sign_in.j2",
        page_of(request, None),
        status=403 if problem else 200,
        next=own_path(next),
        login=login,
        problem=problem,
        elsewhere=context.provider.label if context.provider else "",
    )


@open_router.get("/sign-in", response_class=HTMLResponse)
def sign_in_page(
    request: Request, context: Ctx, viewer: Anyone, next: Annotated[str, Query(max_length=2000)] = "/"
) -> Response:
    """The form."""
    if viewer is not None:
        return RedirectResponse(own_path(next), status_code=303)
    return show_sign_in(request, context, next)


@open_router.post(
    "/sign-in",
    response_class=HTMLResponse,
    dependencies=[Depends(require_form_token), Depends(admit_sign_in, scope="function")],
)
def sign_in(
    request: Request,
    context: Ctx,
    login: Annotated[str, Form(max_length=LONGEST_LOGIN)],
    password: Annotated[str, Form(max_length=512)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Start a session, or show the form again with the error."""
    try:
        entered = access.sign_in(
            context.pool,
            login=login,
            password=password,
            browser=access.browser_of(request),
            now=context.clock.now(),
        )
    except NotAcceptedHere as error:
        return show_sign_in(request, context, next, login=login, problem=str(error))
    response = RedirectResponse(entered.leads_to(own_path(next)), status_code=303)
    access.keep_entered(request, response, entered)
    return response


@router.post("/sign-out", dependencies=[Depends(require_form_token)])
def leave(request: Request, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """End the session in the browser and in the database; one that began elsewhere goes on there."""
    token, id_token = access.session_token(request), None
    if token:
        id_token = id_token_of(conn, access.digest(token))
        sign_out(conn, access.digest(token))
        record(conn, at=context.clock.now(), login=viewer.login, action="sign out", subject=viewer.login)
    response = _leave_elsewhere(request, context, id_token) or RedirectResponse("/sign-in", status_code=303)
    access.drop_session(request, response)
    return response


def _leave_elsewhere(request: Request, context: Context, id_token: str | None) -> Response | None:
    """A page that leads to the provider, where its own session ends too. A redirect would not: pages
    let a form lead to this site only.
    """
    if id_token is None or context.provider is None:
        return None
    address = context.provider.leave(id_token, str(request.url_for("sign_in_page")))
    label = context.provider.label
    return respond(request, "signed_out.j2", page_of(request, None), address=address, label=label)


@open_router.post("/language", dependencies=[Depends(require_form_token)])
def language(
    request: Request,
    conn: PersonConn,
    viewer: Anyone,
    language: Annotated[str, Form(max_length=8)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Store the language with the signed-in person, else in a cookie."""
    response = RedirectResponse(own_path(next), status_code=303)
    if language in LANGUAGES:
        if viewer is not None and conn is not None:
            set_language(conn, viewer, language)
        lifetime = int(timedelta(days=365).total_seconds())
        secure = request.url.scheme == "https"
        response.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=lifetime,
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )
    return response
