"""Uses of tokens: when each was last used, and a line in the audit log for each new address."""

from __future__ import annotations

import time
from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.access import address_of
from api.clients import place_of
from api.context import connecting, context_of
from insitu.errors import RetryLater
from store.tokens import Bearer, note_use

_EVERY_S: Final = 60.0
_MOST: Final = 10_000


class Uses:
    """Remembers what this process wrote, so that a token costs at most one write a minute for each
    address. Lives on the event loop.
    """

    def __init__(self) -> None:
        self._written: dict[tuple[int, str], float] = {}

    async def note(self, request: Request, bearer: Bearer) -> None:
        """The token is used now. Gives up while the database is busy: the next use is written then."""
        place, now = place_of(address_of(request)), time.monotonic()
        key = (bearer.access_token_id, place)
        if self._written.get(key, -_EVERY_S) > now - _EVERY_S:
            return
        if len(self._written) >= _MOST:
            self._written.clear()
        self._written[key] = now
        try:
            async with connecting(request) as conn:
                await run_in_threadpool(note_use, conn, bearer, place, context_of(request).clock.now())
        except RetryLater:
            self._written.pop(key, None)
