"""Identifies senders before anything is read or held for them: sessions of people and tokens of devices, many
in one query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from api.grouped import Grouped
from api.lanes import PATIENCE_S
from insitu.clock import Clock
from insitu.errors import InsituError
from store import access
from store.access import TokenHolder, Viewer
from store.database import Pool

_LONGEST_TOKEN: Final = 200
_MOST: Final = 500


class Shown(NamedTuple):
    """The SHA-256 of the session or device token that a request presents."""

    sha256: bytes
    is_device: bool


class Door:
    """Uses one connection of the pool for any number of requests."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._grouped: Grouped[Shown, Viewer | TokenHolder | None] = Grouped(
            "insitu-door", self._look, most=_MOST, most_waiting=8 * _MOST
        )

    async def viewer(self, token: str | None) -> Viewer | None:
        """The person of a session at this moment; raises RetryLater if the database does not answer within a
        second.
        """
        found = await self._ask(token, is_device=False)
        assert found is None or isinstance(found, Viewer)
        return found

    async def device(self, token: str | None) -> TokenHolder | None:
        """The device that holds a token at this moment; raises RetryLater as above."""
        found = await self._ask(token, is_device=True)
        assert found is None or isinstance(found, TokenHolder)
        return found

    async def _ask(self, token: str | None, *, is_device: bool) -> Viewer | TokenHolder | None:
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        return await self._grouped.answer(
            Shown(hashlib.sha256(token.encode()).digest(), is_device), PATIENCE_S
        )

    def _look(self, asked: Sequence[Shown]) -> Sequence[Viewer | TokenHolder | InsituError | None]:
        sessions = [one.sha256 for one in asked if not one.is_device]
        tokens = [one.sha256 for one in asked if one.is_device]
        with self._pool.connection() as conn:
            viewers = access.signed_in(conn, sessions) if sessions else {}
            holders = access.token_holders(conn, tokens, self._clock.now()) if tokens else {}
        return [holders.get(one.sha256) if one.is_device else viewers.get(one.sha256) for one in asked]

    def close(self) -> None:
        self._grouped.close()
