"""Identifies senders before anything is read or held for them: sessions of people, tokens of people and of
devices, many in one query.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from api.grouped import Grouped
from api.lanes import PATIENCE_S
from insitu.clock import Clock
from insitu.errors import InsituError
from store import access, people, tokens
from store.access import TokenHolder, Viewer
from store.database import Connection, Pool
from store.tokens import Bearer

_LONGEST_TOKEN: Final = 200
_MOST: Final = 500


_TOUCH_S: Final = 60.0
_MOST_TOUCHED: Final = 10_000
Known = Viewer | TokenHolder


class Kind(Enum):
    """The owner of a secret: a browser, a program, a device."""

    SESSION = auto()
    TOKEN = auto()
    DEVICE = auto()


class Shown(NamedTuple):
    """The SHA-256 of the secret that a request presents."""

    sha256: bytes
    kind: Kind


class Door:
    """Uses one connection of the pool for any number of requests."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._touched: dict[bytes, float] = {}
        self._grouped: Grouped[Shown, Known | None] = Grouped(
            "insitu-door", self._look, most=_MOST, most_waiting=8 * _MOST
        )

    async def viewer(self, token: str | None) -> Viewer | None:
        """The person of a session at this moment; raises RetryLater if the database does not answer within a
        second.
        """
        found = await self._ask(token, Kind.SESSION)
        assert found is None or isinstance(found, Viewer)
        return found

    async def bearer(self, token: str | None) -> Bearer | None:
        """The person with whose rights a token reads at this moment; raises RetryLater as above."""
        found = await self._ask(token, Kind.TOKEN)
        assert found is None or isinstance(found, Bearer)
        return found

    async def device(self, token: str | None) -> TokenHolder | None:
        """The device that holds a token at this moment; raises RetryLater as above."""
        found = await self._ask(token, Kind.DEVICE)
        assert found is None or isinstance(found, TokenHolder)
        return found

    async def _ask(self, token: str | None, kind: Kind) -> Known | None:
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        return await self._grouped.answer(Shown(hashlib.sha256(token.encode()).digest(), kind), PATIENCE_S)

    def _look(self, asked: Sequence[Shown]) -> Sequence[Known | InsituError | None]:
        shown = {kind: [one.sha256 for one in asked if one.kind is kind] for kind in Kind}
        found: dict[Shown, Known] = {}
        with self._pool.connection() as conn:
            if shown[Kind.SESSION]:
                viewers = access.signed_in(conn, shown[Kind.SESSION])
                found |= {Shown(key, Kind.SESSION): one for key, one in viewers.items()}
                self._touch(conn, list(viewers))
            if shown[Kind.TOKEN]:
                bearers = tokens.list_bearers(conn, shown[Kind.TOKEN])
                found |= {Shown(key, Kind.TOKEN): one for key, one in bearers.items()}
            if shown[Kind.DEVICE]:
                holders = access.token_holders(conn, shown[Kind.DEVICE], self._clock.now())
                found |= {Shown(key, Kind.DEVICE): one for key, one in holders.items()}
        return [found.get(one) for one in asked]

    def _touch(self, conn: Connection, sessions: list[bytes]) -> None:
        """Write when these sessions were used, at most once a minute for each."""
        now = time.monotonic()
        due = [one for one in sessions if self._touched.get(one, -_TOUCH_S) <= now - _TOUCH_S]
        if due:
            people.touch_sessions(conn, due)
        if len(self._touched) > _MOST_TOUCHED:
            self._touched.clear()
        self._touched.update(dict.fromkeys(due, now))

    def close(self) -> None:
        self._grouped.close()
