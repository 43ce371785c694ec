"""Signing in: passwords, sessions, form tokens, and the identity behind a request.

Passwords are stored as argon2id. A session is a random token in a cookie; the database stores its SHA-256.
`store` decides what a person may see.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Depends, Form, Request, Response

from api.attempts import admit_attempt, forgive
from api.clients import address_of, place_of
from api.context import context_of
from api.cookies import cookie_of, drop_cookie, set_cookie
from api.known import browser_key, know_browser, known_browser
from api.passwords import matches, nobody
from insitu.errors import CorrectInput, NotAcceptedHere, NotFound
from insitu.logins import fold_login
from store import people
from store.access import Viewer
from store.audit import record
from store.catalogue.trials import Trial
from store.database import Connection, Pool
from store.factors import begin_step, has_factor
from store.people import Account
from store.rights import Act
from store.tokens import Bearer

_MASK: Final = 32
"""Bytes of the secret of a form, and of its mask."""
LIFETIME: Final = timedelta(days=7)
KNOWN_FOR: Final = timedelta(days=180)
STEP_LIFETIME: Final = timedelta(minutes=10)
"""Between the first step of a sign-in and its code."""
STEP_COOKIE: Final = "insitu-step"
PROGRAM_PREFIX: Final = "insitu_"
"""Of the tokens with which programs read; scanners of leaked secrets find them by it."""
WRONG: Final = "The login or the password is wrong."


class AddFactor(NotAcceptedHere):
    """Your role needs a second factor, and you have none: sign in on the pages and add one."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A browser keeps these from a sign-in: the token of its session, and the cookie that makes it known.
    With `wants_code` the token is only that of a first step, and the browser is not known yet.
    """

    token: str
    known: str
    wants_code: bool = False

    def leads_to(self, next: str) -> str:
        """The page after this step, on the way to `next`."""
        return f"/sign-in/code?next={quote(next)}" if self.wants_code else next


@dataclass(frozen=True, slots=True)
class Browser:
    """The sender of a sign-in. `known`: its cookie from an earlier sign-in."""

    address: str
    name: str
    known: str | None


def sign_in(pool: Pool, *, login: str, password: str, browser: Browser, now: datetime) -> Entered:
    """Begins a session. Raises NotAcceptedHere for a wrong login or password, TooManyAttempts after many.

    Holds a connection before and after the comparison of the password, but not during it: that takes a tenth
    of a second.
    """
    login = fold_login(login)
    with pool.connection() as conn:
        device = known_browser(browser.known, login, browser_key(conn))
        attempt = admit_attempt(conn, address=browser.address, login=login, device=device)
        account = None if "\0" in login else people.find_login(conn, login)
    password_hash = account.password_hash if account else None
    if not matches(password_hash or nobody(), password) or account is None or password_hash is None:
        if attempt.is_last:
            with pool.connection() as conn:
                record_limit(conn, account, browser, now)
        raise NotAcceptedHere(WRONG)
    with pool.connection() as conn:
        forgive(conn, attempt)
        return begin_session(conn, account, browser, now)


def begin_session(
    conn: Connection,
    account: Account,
    browser: Browser,
    now: datetime,
    *,
    by: str = "password",
    id_token: str | None = None,
) -> Entered:
    """A session of a person whose sign-in was found right: by password, by invitation, or elsewhere; of a
    person with a second factor only a first step. Raises NotAcceptedHere if the person was disabled
    meanwhile.
    """
    if not has_factor(conn, account.person_id):
        return begin_full(conn, account, browser, now, by=by, id_token=id_token)
    token = secrets.token_urlsafe(32)
    begun = begin_step(
        conn,
        account,
        token_sha256=digest(token),
        lifetime=STEP_LIFETIME,
        browser=browser.name,
        address=browser.address,
        id_token=id_token,
    )
    if not begun:
        raise NotAcceptedHere(WRONG)
    return Entered(token, "", wants_code=True)


def begin_full(
    conn: Connection, account: Account, browser: Browser, now: datetime, *, by: str, id_token: str | None
) -> Entered:
    """A session, after every step. Raises NotAcceptedHere as above."""
    token = secrets.token_urlsafe(32)
    begun = people.begin_session(
        conn,
        account,
        token_sha256=digest(token),
        lifetime=LIFETIME,
        browser=browser.name,
        address=browser.address,
        now=now,
        by=by,
        id_token=id_token,
    )
    if not begun:
        raise NotAcceptedHere(WRONG)
    return Entered(token, know_browser(browser.known, account.login, browser_key(conn)))


def record_limit(conn: Connection, account: Account | None, browser: Browser, now: datetime) -> None:
    """A line about a reached limit. Not what was typed: that may be a password in the wrong field."""
    login, subject = (account.login, account.login) if account else ("job:insitu", "an unknown login")
    detail = {"address": browser.address}
    record(conn, at=now, login=login, action="sign-in limit", subject=subject, detail=detail)


async def admit_sign_in(request: Request) -> AsyncIterator[None]:
    """Wait for a place to compare a password; addresses take turns. A comparison takes 64 MiB, so without a
    limit anybody could fill the memory.
    """
    async with context_of(request).lanes.sign_in.place(place_of(address_of(request))):
        yield


async def admit_elsewhere(request: Request) -> AsyncIterator[None]:
    """Wait for a place to ask the provider of the other sign-in; addresses take turns. A slow provider holds
    no place of others.
    """
    async with context_of(request).lanes.elsewhere.place(place_of(address_of(request))):
        yield


def browser_of(request: Request) -> Browser:
    """The browser that signs in, with its name cut to what a list can show."""
    name = "".join(letter for letter in request.headers.get("user-agent", "") if letter.isprintable())
    known = cookie_of(request, "insitu-known")
    return Browser(address_of(request), name[:300], known)


def keep_entered(request: Request, response: Response, entered: Entered) -> None:
    """Give the browser its session, and make it known for later sign-ins; or its first step."""
    if entered.wants_code:
        set_cookie(request, response, STEP_COOKIE, entered.token, STEP_LIFETIME)
        return
    set_cookie(request, response, "insitu", entered.token, LIFETIME)
    set_cookie(request, response, "insitu-known", entered.known, KNOWN_FOR)
    if cookie_of(request, STEP_COOKIE) is not None:
        drop_cookie(request, response, STEP_COOKIE)


def new_token() -> str:
    """A token with which a program reads."""
    return PROGRAM_PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def session_token(request: Request) -> str | None:
    return cookie_of(request, "insitu")


def drop_session(request: Request, response: Response) -> None:
    drop_cookie(request, response, "insitu")


def bearer_token(request: Request) -> str | None:
    """The token of an Authorization header, of any kind."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def visit_token(request: Request) -> str:
    """A token that ties a form to a browser that has not signed in. A new one if the cookie is missing."""
    found = cookie_of(request, "insitu-visit")
    if found is None:
        found = getattr(request.state, "visit", None) or secrets.token_urlsafe(24)
        request.state.visit = found
    return found


def keep_visit(request: Request, response: Response) -> None:
    if getattr(request.state, "visit", None):
        set_cookie(request, response, "insitu-visit", request.state.visit, timedelta(hours=12))


def form_token(request: Request) -> str:
    """The secret in every form, under another mask each time: the length of a compressed page must not tell
    it.
    """
    mask = secrets.token_bytes(_MASK)
    return (mask + _masked(_form_secret(request), mask)).hex()


def _form_secret(request: Request) -> bytes:
    """Derived from the session, or before sign-in from the visit, so that nothing is stored."""
    secret = session_token(request) or visit_token(request)
    return hmac.digest(secret.encode(), b"form", "sha256")


def _masked(content: bytes, mask: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(content, mask, strict=True))


def _unmasked(form: str) -> bytes:
    """Empty for anything that no form holds."""
    try:
        given = bytes.fromhex(form)
    except ValueError:
        return b""
    return _masked(given[_MASK:], given[:_MASK]) if len(given) == 2 * _MASK else b""


async def require_form_token(request: Request, form: Annotated[str, Form()] = "") -> None:
    """Raises CorrectInput for a form that comes from another site or is older than its session."""
    if not hmac.compare_digest(_unmasked(form), _form_secret(request)):
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


def record_download(conn: Connection, viewer: Viewer, what: str, subject: str, now: datetime) -> None:
    """A line about a file that leaves the installation. Call it last: it ends the transaction that read the
    file, which could not write, and others wait for the log until the next one ends.
    """
    conn.commit()
    detail = {"file": what}
    if isinstance(viewer, Bearer):
        detail["token"] = viewer.token_name
    record(conn, at=now, login=viewer.login, action="download", subject=subject, detail=detail)


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
