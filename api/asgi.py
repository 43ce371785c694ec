"""Around every request: limits, security headers, counting. It only passes messages on, so it is written for the event loop."""

from __future__ import annotations

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.measure import Meters
from api.problems import answer, unexpected

MAX_BODY_BYTES: Final = 1_048_576
_TOO_LARGE: Final = f"A request holds at most {MAX_BODY_BYTES} bytes."
_CSP: Final = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class Guard:
    """Refuses long bodies, adds headers that a route did not set itself, and counts."""

    def __init__(self, app: ASGIApp, *, meters: Meters) -> None:
        self._app, self._meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, taken = time.perf_counter(), 0, 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)  # FastAPI lets this one through, and no other
            return message

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _headers(scope) if h[0] not in present)]
            await send(message)

        try:
            if _announced(scope) > MAX_BODY_BYTES:
                await answer(Request(scope), 413, "too_large", _TOO_LARGE)(scope, receive, guarded)
            else:
                await self._app(scope, limited, guarded)
        except Exception as error:
            if status:  # the answer has begun: the connection can only end
                raise
            await unexpected(Request(scope), error)(scope, receive, guarded)
        finally:
            self._meters.request(scope, status, time.perf_counter() - started)


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    secure = [(b"strict-transport-security", b"max-age=31536000")] if scope["scheme"] == "https" else []
    return [(b"content-security-policy", _CSP.encode()), *_HEADERS, *secure]


def _announced(scope: Scope) -> int:
    text = next((content for name, content in scope["headers"] if name == b"content-length"), b"0")
    return int(text) if text.isdigit() else 0
