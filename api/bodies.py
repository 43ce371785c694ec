"""Reads bodies of requests completely before anything scarce is taken, and not for ever from a slow
sender.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from api.lanes import Busy

MAX_BODY_BYTES: Final = 1_048_576
MAX_FILE_BODY_BYTES: Final = 8_500_000
"""Limit for a form with a file of results or a plan: 8 MiB, and the fields beside it."""
MAX_OPEN_BODY_BYTES: Final = 16_384
"""Limit for a sender who is not signed in, enough for the sign-in form."""
GRACE_S: Final = 10.0
SLOWEST_BYTES_S: Final = 4096
"""A body may take GRACE_S, plus a second for each SLOWEST_BYTES_S bytes received: a slow radio passes, a byte
a second does not.
"""
_IDLE_S: Final = 5.0
_MOST_AT_ONCE: Final = 8
"""Bodies that one device or one person may send at the same time."""
_MOST_BUFFERED: Final = 64 * 1024**2
_DISCARD_S: Final = 1.0


class ClientGone(Exception):
    """The client closed the connection before the end of its body; nobody waits for an answer."""


class Bodies:
    """Limits the bodies read at a time: by number for each client, by bytes in total. Lives on the event
    loop.
    """

    def __init__(self) -> None:
        self._reading: Counter[Hashable] = Counter()
        self._buffered = 0

    @asynccontextmanager
    async def read(self, receive: Receive, client: Hashable | None, *, most: int) -> AsyncIterator[bytes]:
        """The body, counted until the block ends. Raises HTTPException 413 or 408, Busy, ClientGone.

        `client` None: an unknown sender; its bodies are so small that the number of connections bounds them.
        """
        body = bytearray()
        if client is not None and self._reading[client] >= _MOST_AT_ONCE:
            raise Busy(
                "This client sends too many requests at the same time: send the next when one is answered."
            )
        self._reading[client] += 1
        try:
            await self._fill(body, receive, most)
        except BaseException:
            self._buffered -= len(body)
            raise
        finally:
            self._reading[client] -= 1
            if not self._reading[client]:
                del self._reading[client]
        try:
            yield bytes(body)
        finally:
            self._buffered -= len(body)

    async def _fill(self, body: bytearray, receive: Receive, most: int) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        more = True
        while more:
            allowed = started + GRACE_S + len(body) / SLOWEST_BYTES_S - loop.time()
            message = await _next(receive, min(_IDLE_S, allowed))
            part = message.get("body", b"")
            if len(body) + len(part) > most:
                raise HTTPException(413, f"A request holds at most {most} bytes.")
            if self._buffered + len(part) > _MOST_BUFFERED:
                raise Busy()
            body += part
            self._buffered += len(part)
            more = message.get("more_body", False)


async def _next(receive: Receive, within_s: float) -> Message:
    try:
        message = await asyncio.wait_for(receive(), max(0.0, within_s))
    except TimeoutError:
        raise HTTPException(408, "The body of the request came too slowly: send it again.") from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


async def discard(receive: Receive) -> bool:
    """Read and drop the body for a moment, because a client that still sends may miss the answer; True if the
    body ended.
    """
    loop = asyncio.get_running_loop()
    limit = loop.time() + _DISCARD_S
    taken, more = 0, True
    while more and taken <= MAX_BODY_BYTES:
        try:
            message = await _next(receive, limit - loop.time())
        except (HTTPException, ClientGone):
            return False
        taken += len(message.get("body", b""))
        more = message.get("more_body", False)
    return not more


def replay(body: bytes, receive: Receive) -> Receive:
    """`receive` for the application: the whole body at once, then the connection's own messages."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
