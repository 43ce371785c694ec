"""What devices post, in groups: a success is answered after the commit of its group, never before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from api.grouped import Grouped
from ingest.http import Answer, Post, Taker
from insitu.clock import Clock
from store.database import Connection, Pool
from store.rejects import Quota

_MOST: Final = 300
"""Posts in one transaction: some hundred cost little more than one, and a bad one is found in nine
halvings.
"""
_MOST_WAITING: Final = 3000
PATIENCE_S: Final = 10.0
"""A device waits longer than a person: its message is on its way already, and to send it again costs more."""


class Posts:
    """The taker on its thread."""

    def __init__(self, pool: Pool, clock: Clock, quota: Quota) -> None:
        @contextmanager
        def connect() -> Iterator[Connection]:
            with pool.connection() as conn:
                yield conn

        taker = Taker(connect, clock, quota)
        self._grouped: Grouped[Post, Answer] = Grouped(
            "insitu-posts", taker.take, most=_MOST, most_waiting=_MOST_WAITING
        )

    async def store(self, post: Post) -> Answer:
        """What became of it. NotAcceptedHere for a token that is not the device's; RetryLater where it was
        not stored in time.
        """
        return await self._grouped.answer(post, PATIENCE_S)

    def close(self) -> None:
        self._grouped.close()
