"""Bodies of requests, read whole before anything scarce is taken, and not from somebody who sends byte by
byte for ever.
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
MAX_OPEN_BODY_BYTES: Final = 16_384
"""Of somebody who is not signed in: the form to sign in is all he may send."""
GRACE_S: Final = 10.0
SLOWEST_BYTES_S: Final = 4096
"""A body may take GRACE_S, and a second more for each so many bytes that came: a slow radio passes, a byte a
second does not.
"""
_IDLE_S: Final = 5.0
_MOST_AT_ONCE: Final = 8
"""Bodies that one device or one person sends at the same time."""
_MOST_BUFFERED: Final = 64 * 1024**2
_DISCARD_S: Final = 1.0


class ClientGone(Exception):
    """The client closed the connection amid its body: nobody waits for an answer."""


class Bodies:
    """Bounds what is read at a time: by client in number, in all by bytes. Lives on the event loop."""

    def __init__(self) -> None:
        self._reading: Counter[Hashable] = Counter()
        self._buffered = 0

    @asynccontextmanager
    async def read(self, receive: Receive, client: Hashable | None, *, most: int) -> AsyncIterator[bytes]:
        """The body, counted for as long as the block lasts. HTTPException 413 or 408, Busy, ClientGone.

        `client` None: somebody unknown, whose bodies are so small that the number of connections bounds them.
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
    """Read for a moment what nobody will look at, since an answer to a client that still sends may be lost;
    True where it ended.
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
    """`receive` for the application: the whole body at once, then whatever the connection says."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
