"""Uses of tokens: when each was last used, and a line in the audit log for each new address."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from starlette.concurrency import run_in_threadpool

from insitu.errors import RetryLater
from store.database import Connection
from store.tokens import Bearer, note_use

_EVERY_S: Final = 60.0
_MOST: Final = 10_000


class Uses:
    """Remembers what this process wrote, so that a token costs at most one write a minute for each
    address. Lives on the event loop.
    """

    def __init__(self) -> None:
        self._written: dict[tuple[int, str], float] = {}

    async def note(
        self,
        bearer: Bearer,
        address: str,
        now: datetime,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
    ) -> None:
        """The token is used now. Gives up while the database is busy: the next use is written then."""
        key, moment = (bearer.access_token_id, address), time.monotonic()
        if self._written.get(key, -_EVERY_S) > moment - _EVERY_S:
            return
        if len(self._written) >= _MOST:
            self._written.clear()
        self._written[key] = moment
        try:
            async with connect() as conn:
                await run_in_threadpool(note_use, conn, bearer, address, now)
        except RetryLater:
            self._written.pop(key, None)
