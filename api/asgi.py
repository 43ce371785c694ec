"""Wraps every request: identifies the sender, reads the body, then calls the application; also limits,
security headers and counters.

The order matters. From an unknown sender only the sign-in form is read, and a body is complete before a
request takes a thread or a connection (`api.context.connection` grants those). It runs on the event loop.
"""

from __future__ import annotations

import re
import time
from collections.abc import Hashable
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.access import PROGRAM_PREFIX, AddFactor, bearer_token, session_token
from api.bodies import (
    MAX_BODY_BYTES,
    MAX_FILE_BODY_BYTES,
    MAX_OPEN_BODY_BYTES,
    Bodies,
    ClientGone,
    discard,
    replay,
)
from api.clients import address_of, behind_proxies, place_of
from api.context import connecting, context_of
from api.hosts import is_own_host, is_own_page, own_names
from api.lanes import Turnstile
from api.measure import Meters
from api.repeats import answering, repeat_of
from api.routes.ingest import DEVICE_PATH, answer_device, device_token
from api.routes.operations import AT_THE_DOOR
from ingest.http import WrongToken
from insitu.errors import InsituError, NotAcceptedHere
from insitu.settings import Settings, parse_networks
from store.access import Viewer
from store.tokens import Bearer

_OPEN_FORMS: Final = re.compile(r"/sign-in(?:/code)?|/language|/invitations/[\w-]+")
_FILES: Final = re.compile(r"(?:/api/v1)?/(?:trials/[^/]+/imports|sites/[^/]+/plans(?:/\d+(?:/image)?)?)")
_WITHOUT_FACTOR: Final = re.compile(r"/account/factor(?:/.*)?|/sign-out|/language")
_API: Final = "/api/"
FOREIGN_HOST: Final = (
    "This address is not one of this installation. Its operator can name it in INSITU_PUBLIC_HOST or "
    "INSITU_ALLOWED_HOSTS."
)
FOREIGN_PAGE: Final = "A page of another site sent this, so nothing was done."
DOES_NOT_WORK: Final = "This token does not work: it is wrong, was ended, or its time is over."
ONLY_READS: Final = "This token only reads: make one that also acts, or sign in, to change something."
NEEDS_PERSON: Final = "A token makes, tries and removes no channel and no wall: sign in for that."
_NOBODYS: Final = ("/static/",)
"""The same for everyone: served without a look-up of the session, so also while the database is down."""


class _Answered(NamedTuple):
    """Stands in for a route in the counters."""

    path: str


_CSP: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class Guard:
    """Identifies the sender, reads the body within limits, adds missing headers, and counts."""

    def __init__(self, app: ASGIApp, *, meters: Meters, settings: Settings) -> None:
        self._app, self._meters, self._bodies, self._turnstile = app, meters, Bodies(), Turnstile()
        self._names, self._proxies = own_names(settings), parse_networks(settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = behind_proxies(scope, self._proxies)
        started, status = time.perf_counter(), 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(h for h in _headers(scope) if h[0] not in present),
                ]
            await send(message)

        try:
            await self._answer(scope, receive, guarded)
        except ClientGone:
            status = 499  # a common code for this: the client is gone and nobody hears the answer
        except Exception as error:
            if status:  # the answer has begun, so only the connection can be ended
                raise
            await problems.unexpected(Request(scope), error)(scope, receive, guarded)
        finally:
            self._meters.request(scope, status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        app, unread, sent = self._app, _sends(scope), b""
        value = AT_THE_DOOR.get(request.url.path) if scope["method"] in ("GET", "HEAD") else None
        if value is not None:
            scope["route"] = _Answered(request.url.path)
            await value(context_of(request))(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            try:
                held.enter_context(self._turnstile.pass_(_shown(request)))
                self._require_own_host(request)
                client, device = await _who(request)
                if unread and (client is not None or _OPEN_FORMS.fullmatch(request.url.path)):
                    most = _most_bytes(request, client)
                    if _announced(scope) > most:
                        raise HTTPException(413, f"A request holds at most {most} bytes.")
                    body = await held.enter_async_context(self._bodies.read(receive, client, most=most))
                    receive, unread = replay(body, receive), False
                    sent = body
                    if device is not None:
                        scope["route"] = _Answered(f"/api/v1/trials/{{trial}}/devices/{{device}}/{device[3]}")
                        app = await answer_device(request, device[1], device[2], device[3], body)
                app = self._repeatable(request, app, sent)
            except (InsituError, HTTPException) as error:
                app = problems.refusal(request, error)
            if unread:  # an unknown sender or a refused request: nobody reads this body
                send = send if await discard(receive) else _closing(send)
                receive = replay(b"", receive)
            await app(scope, receive, send)

    def _repeatable(self, request: Request, app: ASGIApp, body: bytes) -> ASGIApp:
        """The application, for an act that may be the repeat of another one."""
        context = context_of(request)
        repeat = repeat_of(request, request.state.viewer, body, context.settings)
        request.state.repeat = repeat
        return app if repeat is None else answering(app, repeat, context.pool)

    def _require_own_host(self, request: Request) -> None:
        """Raises a refusal for a name that is not ours. A bearer's token leads nobody astray: no page of
        another site has it, as it would have a cookie.
        """
        if bearer_token(request) is None and not is_own_host(request, self._names):
            raise HTTPException(400, FOREIGN_HOST)


def _shown(request: Request) -> Hashable:
    """The sender that the request claims, before it is checked."""
    return request.headers.get("authorization") or session_token(request) or address_of(request)


async def _who(request: Request) -> tuple[Hashable | None, re.Match[str] | None]:
    """(the person or device of the session or token, None if unknown; the match of a device's path). Raises
    WrongToken for a post without a token of that device.
    """
    request.state.viewer = None
    context, client = context_of(request), _shown(request)
    device = DEVICE_PATH.fullmatch(request.url.path) if request.method == "POST" else None
    if device is not None:
        async with context.lanes.devices.place(client):
            holder = await context.door.device(device_token(request))
        if holder is None or (holder.trial, holder.device) != (device[1], device[2]):
            raise WrongToken()
        return (holder.trial, holder.device), device
    if request.url.path.startswith(_NOBODYS):
        return None, None
    token = bearer_token(request)
    async with context.lanes.people.place(client):
        if token is None:
            viewer = await context.door.viewer(session_token(request))
            _require_own_page(request, viewer)
        else:  # then the cookie does not count, also where the token is wrong
            viewer = await _bearer(request, token)
    if isinstance(viewer, Bearer):
        place, now = place_of(address_of(request)), context.clock.now()
        await context.uses.note(viewer, place, now, lambda: connecting(request, is_limited=False))
    _require_factor(request, viewer)
    request.state.viewer = viewer
    return viewer.person_id if viewer else None, None


def _require_factor(request: Request, viewer: Viewer | None) -> None:
    """A person of a role that needs a second factor, and has none, reaches only the page that adds one."""
    if viewer is None or viewer.has_factor or viewer.role not in context_of(request).factor_roles:
        return
    if not _WITHOUT_FACTOR.fullmatch(request.url.path):
        raise AddFactor()


def _in_person(path: str) -> bool:
    """Whether only a signed-in person may change what is below this path: a channel and a wall outlive the
    token that made them.
    """
    return path.startswith((f"{_API}v1/alerts/channels", f"{_API}v1/walls"))


async def _bearer(request: Request, token: str) -> Viewer | None:
    """The person with whose rights a program uses the API; nobody for a token of another kind."""
    if not token.startswith(PROGRAM_PREFIX) or not request.url.path.startswith(_API):
        return None
    bearer = await context_of(request).door.bearer(token)
    if bearer is None:
        raise NotAcceptedHere(DOES_NOT_WORK)
    if request.method not in ("GET", "HEAD") and not (bearer.acts and not _in_person(request.url.path)):
        words = NEEDS_PERSON if bearer.acts else ONLY_READS
        raise HTTPException(403, words, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})
    return bearer


def _require_own_page(request: Request, viewer: Viewer | None) -> None:
    """The API has no form tokens, so a browser must say that the page is one of ours."""
    changes = request.method not in ("GET", "HEAD", "OPTIONS")
    if viewer and changes and request.url.path.startswith(_API) and not is_own_page(request):
        raise HTTPException(403, FOREIGN_PAGE)


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    secure = [(b"strict-transport-security", b"max-age=31536000")] if scope["scheme"] == "https" else []
    return [(b"content-security-policy", _CSP.encode()), *_HEADERS, *secure]


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((content for name, content in scope["headers"] if name == wanted), None)


def _announced(scope: Scope) -> int:
    text = _header(scope, b"content-length") or b"0"
    return int(text) if text.decode("latin-1").isdecimal() else 0


def _most_bytes(request: Request, client: Hashable | None) -> int:
    """Largest body that is read from this sender here."""
    if client is None:
        return MAX_OPEN_BODY_BYTES
    return MAX_FILE_BODY_BYTES if _FILES.fullmatch(request.url.path) else MAX_BODY_BYTES


def _sends(scope: Scope) -> bool:
    """True if the request has a body."""
    return _announced(scope) > 0 or _header(scope, b"transfer-encoding") is not None


def _closing(send: Send) -> Send:
    """Make the answer end the connection, so that the rest of the body is not taken for the next request."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return closing
