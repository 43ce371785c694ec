"""Signing in: passwords, sessions, form tokens, and the identity behind a request.

Passwords are stored as argon2id. A session is a random token in a cookie; the database stores its SHA-256.
`store` decides what a person may see.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Form, Request, Response

from api.attempts import count_failure, require_few_failures
from api.context import context_of
from api.passwords import matches, nobody
from insitu.errors import CorrectInput, NotAcceptedHere, NotFound
from store import access
from store.access import Viewer
from store.audit import record
from store.catalogue.trials import Trial
from store.database import Pool
from store.rights import Act

LIFETIME: Final = timedelta(days=7)


def sign_in(pool: Pool, *, login: str, password: str, address: str, now: datetime) -> str:
    """Returns the token of a new session. Raises NotAcceptedHere for a wrong login or password,
    TooManyAttempts after many.

    Holds a connection before and after the comparison of the password, but not during it: that takes a tenth
    of a second.
    """
    with pool.connection() as conn:
        require_few_failures(conn, address, login)
        known = access.password_of(conn, login)
    if not matches(known.password_hash if known else nobody(), password) or known is None:
        with pool.connection() as conn:
            count_failure(conn, address, login)
        raise NotAcceptedHere("The login or the password is wrong.")
    token = secrets.token_urlsafe(32)
    with pool.connection() as conn:
        access.sign_in(conn, person_id=known.person_id, token_sha256=digest(token), lifetime=LIFETIME)
        record(conn, at=now, login=login, action="sign in", subject=login, detail={"address": address})
    return token


async def admit_sign_in(request: Request) -> AsyncIterator[None]:
    """Wait for a place to compare a password; addresses take turns. A comparison takes 64 MiB, so without a
    limit anybody could fill the memory.
    """
    async with context_of(request).lanes.sign_in.place(request.client.host if request.client else ""):
        yield


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _cookie_name(request: Request, name: str) -> str:
    """`__Host-` binds a cookie to this host and to https; over plain http (loopback only) browsers reject
    such a name.
    """
    return f"__Host-{name}" if request.url.scheme == "https" else name


def _set_cookie(request: Request, response: Response, name: str, content: str, lifetime: timedelta) -> None:
    response.set_cookie(
        _cookie_name(request, name),
        content,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def session_token(request: Request) -> str | None:
    return request.cookies.get(_cookie_name(request, "insitu"))


def keep_session(request: Request, response: Response, token: str) -> None:
    _set_cookie(request, response, "insitu", token, LIFETIME)


def drop_session(request: Request, response: Response) -> None:
    response.delete_cookie(
        _cookie_name(request, "insitu"),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def visit_token(request: Request) -> str:
    """A token that ties a form to a browser that has not signed in. A new one if the cookie is missing."""
    found: str | None = request.cookies.get(_cookie_name(request, "insitu-visit"))
    if found is None:
        found = getattr(request.state, "visit", None) or secrets.token_urlsafe(24)
        request.state.visit = found
    return found


def keep_visit(request: Request, response: Response) -> None:
    if getattr(request.state, "visit", None):
        _set_cookie(request, response, "insitu-visit", request.state.visit, timedelta(hours=12))


def form_token(request: Request) -> str:
    """The secret in every form: derived from the session, or before sign-in from the visit, so that nothing
    is stored.
    """
    secret = session_token(request) or visit_token(request)
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


async def require_form_token(request: Request, form: Annotated[str, Form()] = "") -> None:
    """Raises CorrectInput for a form that comes from another site or is older than its session."""
    if not hmac.compare_digest(form.encode(), form_token(request).encode()):
        raise CorrectInput(
            "This form is too old, or was sent from elsewhere: go back, reload the page and send it again."
        )


async def viewer_or_nobody(request: Request) -> Viewer | None:
    """The person of the session, as found by `api.asgi`. The same for every part of one request."""
    found: Viewer | None = request.state.viewer
    return found


async def require_viewer(viewer: Annotated[Viewer | None, Depends(viewer_or_nobody)]) -> Viewer:
    if viewer is None:
        raise NotAcceptedHere("Sign in first.")
    return viewer


Signed = Annotated[Viewer, Depends(require_viewer)]
Anyone = Annotated[Viewer | None, Depends(viewer_or_nobody)]


def require_right(viewer: Viewer, act: Act, what: str, trial: Trial | None = None) -> None:
    """Raises NotFound, as for what does not exist, if the table of rights does not let this person do that.
    `trial`: one that the person sees.
    """
    if not viewer.may(act, trial):
        raise NotFound(f"There is no {what}, or you may not see it.")


def may_read_metrics(request: Request, viewer: Viewer | None) -> bool:
    """A signed-in person with that right, or a client that sends INSITU_METRICS_TOKEN as a bearer token."""
    secret = context_of(request).settings.metrics_token
    given = request.headers.get("authorization", "")
    if secret is not None and hmac.compare_digest(
        given.encode(), f"Bearer {secret.get_secret_value()}".encode()
    ):
        return True
    return viewer is not None and viewer.may(Act.READ_METRICS)
