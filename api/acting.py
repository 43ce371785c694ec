"""Acts that the broker must take up as well: the act in one transaction, then a wait that holds no
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.context import connecting
from api.lanes import Lane
from ingest.acts.effect import AtBroker, Effect, effect_at_broker
from insitu.errors import RetryLater
from store.database import Connection

Made = TypeVar("Made")
PATIENCE_S: Final = 6.0
"""The part that owns the broker looks for changes five times a second, and its first look after a start takes
longer.
"""
_PAUSE_S: Final = 0.15


async def acting(request: Request, work: Callable[[Connection], Made], *, lane: Lane | None = None) -> Made:
    """The result of `work`, committed. Its transaction has the rights of the service. `lane`: the pages' by
    default.
    """
    async with connecting(request, lane, is_limited=False) as conn:
        return await run_in_threadpool(work, conn)


async def taken_up(request: Request) -> Effect:
    """Waits until the broker uses what was committed, for PATIENCE_S at most. Never raises for a broker or
    database that is away: what was made, such as a token that is shown once, must reach its reader.
    """
    loop = asyncio.get_running_loop()
    limit = loop.time() + PATIENCE_S
    found = Effect(AtBroker.WAITING)
    while found.state is AtBroker.WAITING and not found.problem and loop.time() < limit:
        try:
            found = await acting(request, effect_at_broker)
        except RetryLater as error:
            return Effect(AtBroker.WAITING, str(error))
        if found.state is AtBroker.WAITING:
            await asyncio.sleep(_PAUSE_S)
    return found
