"""Posts of devices, in groups: success is reported only after the commit of the group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from api.grouped import Grouped
from ingest.http import Answer, Post, Taker
from insitu.clock import Clock
from insitu.room import Room
from store.database import Connection, Pool
from store.rejects import Quota

_MOST: Final = 300
"""Posts in one transaction: some hundred cost little more than one, and nine halvings find a bad one."""
_MOST_WAITING: Final = 3000
PATIENCE_S: Final = 10.0
"""A device waits longer than a person: its message has already been sent, and sending it again costs more."""


class Posts:
    """Runs the taker on its thread."""

    def __init__(self, pool: Pool, clock: Clock, quota: Quota, room: Room) -> None:
        @contextmanager
        def connect() -> Iterator[Connection]:
            with pool.connection() as conn:
                yield conn

        taker = Taker(connect, clock, quota, room)
        self._grouped: Grouped[Post, Answer] = Grouped(
            "insitu-posts", taker.take, most=_MOST, most_waiting=_MOST_WAITING
        )

    async def store(self, post: Post) -> Answer:
        """The result of the post. Raises NotAcceptedHere for a token that is not the device's; RetryLater if
        the post was not stored in time.
        """
        return await self._grouped.answer(post, PATIENCE_S)

    def close(self) -> None:
        self._grouped.close()
