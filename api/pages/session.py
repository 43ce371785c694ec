"""Signing in and out, and the reader's language."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api import access
from api.access import Anyone, Signed, admit_sign_in, require_form_token
from api.context import Conn, Ctx, PersonConn
from api.rendering import LANGUAGE_COOKIE, page_of, respond
from insitu.errors import NotAcceptedHere
from insitu.language import LANGUAGES
from insitu.logins import LONGEST_LOGIN
from store.access import set_language, sign_out
from store.audit import record

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


@open_router.get("/sign-in", response_class=HTMLResponse)
def sign_in_page(
    request: Request, viewer: Anyone, next: Annotated[str, Query(max_length=2000)] = "/"
) -> Response:
    """The form."""
    if viewer is not None:
        return RedirectResponse(own_path(next), status_code=303)
    return respond(request, "sign_in.j2", page_of(request, None), next=own_path(next), login="", problem=None)


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
        page = page_of(request, None)
        return respond(
            request, "sign_in.j2", page, status=403, next=own_path(next), login=login, problem=str(error)
        )
    response = RedirectResponse(own_path(next), status_code=303)
    access.keep_entered(request, response, entered)
    return response


@router.post("/sign-out", dependencies=[Depends(require_form_token)])
def leave(request: Request, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """End the session in the browser and in the database."""
    token = access.session_token(request)
    if token:
        sign_out(conn, access.digest(token))
        record(conn, at=context.clock.now(), login=viewer.login, action="sign out", subject=viewer.login)
    response = RedirectResponse("/sign-in", status_code=303)
    access.drop_session(request, response)
    return response


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
