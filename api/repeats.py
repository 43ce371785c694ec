"""Acts with an `Idempotency-Key`: a repeat gets the first answer, and nothing is done twice.

The key is claimed in the transaction of the act, so that the two stand or fall together; the answer is kept
in a transaction of its own before it is sent. After a crash between the two a repeat is refused in words. An
act that was refused claims nothing: its repeat is tried again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.sealing import OtherKey, factor_key, seal, unseal
from insitu.errors import AlreadyExists, InsituError, RetryLater
from insitu.settings import Settings
from store.answers import claim, keep_answer
from store.database import Connection, Pool

if TYPE_CHECKING:
    from store.viewers import Viewer

_LOG: Final = logging.getLogger("insitu.api")
HEADER: Final = "idempotency-key"
REPEATED: Final = "Idempotency-Replayed"
LONGEST_KEY: Final = 200
MOST_ANSWER: Final = 700_000
"""Bytes of an answer that is kept; sealed in base64 it stays below the bound of the database."""
ANSWERING: Final = timedelta(minutes=1)
"""So long after the act its answer may still come."""
_HEADERS: Final = ("content-type", "etag", "cache-control", "location")
BY_ITSELF: Final = {
    "/trials/{trial}/protocol/check": "stores nothing",
    "/trials/{trial}/mappings/try": "stores nothing",
    "/trials/{trial}/imports": "the same file again stores nothing twice",
}
"""POSTs of the API that ignore a key, and why a repeat does no harm."""
_BY_ITSELF: Final = re.compile("|".join("/api/v1" + path.replace("{trial}", "[^/]+") for path in BY_ITSELF))


_PARAMETER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A random UUID: the same request again with it gets the first answer, for a day, and does "
    "nothing twice; another request with it gets 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
}


class AnswerGone(AlreadyExists):
    """This was done with this key already, and its answer is not kept: look at what is there. If a token that
    was shown once is lost, make another one.
    """


class StillAnswering(RetryLater):
    """This is being done at the moment, by a request with the same Idempotency-Key: try again in a second."""


class OtherRequest(HTTPException):
    def __init__(self) -> None:
        super().__init__(422, "This Idempotency-Key was used for another request: take a new one for this.")


class Repeated(Exception):
    """The act was done before; `answer` is what was said then."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("done before")
        self.answer = answer


@dataclass(slots=True)
class Repeat:
    """A request that may be a repeat. Lives for one request, on the event loop and its thread in turn."""

    person_id: int
    key: str
    request_sha256: bytes
    secret: bytes
    is_claimed: bool = False

    @property
    def key_sha256(self) -> bytes:
        return hashlib.sha256(b"look up\0" + self.key.encode()).digest()

    @property
    def seal_key(self) -> bytes:
        """Needs the sender's key and the installation's: neither a dump nor a guess opens an answer."""
        return hashlib.sha256(b"answers\0" + self.secret + self.key.encode()).digest()

    def claim_in(self, conn: Connection, at: datetime) -> None:
        """Raises Repeated, OtherRequest, StillAnswering or AnswerGone, if the key was used before."""
        if self.is_claimed:
            return
        found = claim(
            conn,
            person_id=self.person_id,
            key_sha256=self.key_sha256,
            request_sha256=self.request_sha256,
            at=at,
        )
        if found is None:
            self.is_claimed = True
        elif bytes(found.request_sha256) != self.request_sha256:
            raise OtherRequest()
        elif found.answer is None:
            raise StillAnswering() if at - found.at < ANSWERING else AnswerGone()
        else:
            raise Repeated(self._open(bytes(found.answer)))

    def _open(self, sealed: bytes) -> bytes:
        try:
            return unseal(sealed, self.person_id, self.seal_key)
        except OtherKey:  # the installation has another key by now
            raise AnswerGone() from None


def repeat_of(request: Request, viewer: Viewer | None, body: bytes, settings: Settings) -> Repeat | None:
    """The key of an act over the API; None without one. Raises HTTPException for a key that is none."""
    key = request.headers.get(HEADER)
    path = request.url.path
    if key is None or viewer is None or request.method in ("GET", "HEAD") or not path.startswith("/api/"):
        return None
    if _BY_ITSELF.fullmatch(path):
        return None
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise HTTPException(
            400, f"An Idempotency-Key has 1 to {LONGEST_KEY} letters: a random UUID is a good one."
        )
    asked = "\0".join((request.method, path, request.url.query)).encode()
    digest = hashlib.sha256(asked + b"\0" + _unbounded(request, body)).digest()
    return Repeat(viewer.person_id, key, digest, factor_key(settings))


def _unbounded(request: Request, body: bytes) -> bytes:
    """Without the line between the parts of a form, which a client draws again for each sending."""
    kind = request.headers.get("content-type", "")
    bound = re.search(r'^multipart/.*boundary="?([^";]+)', kind, re.IGNORECASE)
    return body if bound is None else body.replace(b"--" + bound[1].encode("latin-1"), b"--")


def answering(app: ASGIApp, repeat: Repeat, pool: Pool) -> ASGIApp:
    """Keeps the answer of `app` before it is sent, if the act was done."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[Message] = []

        async def collect(message: Message) -> None:
            parts.append(message)

        await app(scope, receive, collect)
        if repeat.is_claimed:
            await _keep(repeat, parts, pool)
        for message in parts:
            await send(message)

    return answered


async def _keep(repeat: Repeat, parts: list[Message], pool: Pool) -> None:
    start = next(part for part in parts if part["type"] == "http.response.start")
    body = b"".join(part.get("body", b"") for part in parts if part["type"] == "http.response.body")
    if start["status"] >= 300 or len(body) > MOST_ANSWER:
        return
    headers = [
        (name.decode("latin-1"), text.decode("latin-1"))
        for name, text in start["headers"]
        if name.decode("latin-1").lower() in _HEADERS
    ]
    said = {"status": start["status"], "headers": headers, "body": base64.b64encode(body).decode()}
    sealed = seal(json.dumps(said).encode(), repeat.person_id, repeat.seal_key)
    try:
        await run_in_threadpool(_store, repeat, sealed, pool)
    except InsituError as error:  # the act is done, and its sender must hear of it
        _LOG.warning("an answer could not be kept for repeats: %s", error)


def _store(repeat: Repeat, sealed: bytes, pool: Pool) -> None:
    with pool.connection() as conn:
        keep_answer(conn, person_id=repeat.person_id, key_sha256=repeat.key_sha256, answer=sealed)


def say_again(error: Repeated) -> Response:
    said = json.loads(error.answer)
    response = Response(base64.b64decode(said["body"]), status_code=said["status"])
    for name, text in said["headers"]:
        response.headers[name] = text
    response.headers[REPEATED] = "true"
    return response


def document_keys(schema: dict[str, Any], of_devices: Collection[str]) -> dict[str, Any]:
    """Adds the header to every POST of the description that heeds it; `of_devices`: paths of devices' posts,
    which count their messages themselves.
    """
    for path, methods in schema["paths"].items():
        below = path.removeprefix("/api/v1")
        if "post" in methods and below not in BY_ITSELF and path not in of_devices:
            parameters = methods["post"].setdefault("parameters", [])
            parameters[:] = [one for one in parameters if one["name"].lower() != HEADER]
            parameters.append(_PARAMETER)
    return schema
