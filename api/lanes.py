"""Admission: which request may have a database connection now, and which one waits.

A lane has as many places as connections reserved for it, so no thread ever waits for a connection. A request
without a place waits as a coroutine, which costs nothing, and only for a short time. Clients take turns: one
that sends 500 requests at once waits behind its own, and the next client is served after at most one of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from anyio import CapacityLimiter

from insitu.errors import RetryLater

PATIENCE_S: Final = 1.0
"""A request waits this long for a place; after that a quick refusal is better than more waiting."""
_MOST_WAITING: Final = 2000
_MOST_OF_ONE: Final = 100
_ARRIVING: Final = 16


class Busy(RetryLater):
    """Too many requests arrive at this moment: nothing is lost, try again in a few seconds."""


class Turnstile:
    """Limits the requests of one client that are in progress; more are refused at almost no cost.

    `most` is generous, because many people may share an address; the lanes limit what they get.
    """

    def __init__(self, most: int = _MOST_OF_ONE) -> None:
        self._most = most
        self._inside: Counter[Hashable] = Counter()

    @contextmanager
    def pass_(self, client: Hashable) -> Iterator[None]:
        """Raises Busy if this client has too many requests in progress."""
        if self._inside[client] >= self._most:
            raise Busy()
        self._inside[client] += 1
        try:
            yield
        finally:
            self._inside[client] -= 1
            if not self._inside[client]:
                del self._inside[client]


class DrawnLater(Busy):
    """Other plans are being drawn at this moment: nothing was stored, send this one again in a minute."""


class Lane:
    """Places that clients share in turns. Lives on the event loop: no other thread may touch it.

    `per_client`: a single client holds at most this many places, so that its slow pages leave room for
    others. `most_waiting`: of a single client.
    """

    def __init__(
        self,
        places: int,
        *,
        per_client: int,
        patience_s: float = PATIENCE_S,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        self._free, self._per_client, self._patience_s = places, per_client, patience_s
        self._most_waiting = most_waiting
        self._held: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiters = 0

    @asynccontextmanager
    async def place(self, client: Hashable) -> AsyncIterator[None]:
        """A place until the block ends; raises Busy if none becomes free in time."""
        await self._enter(client)
        try:
            yield
        finally:
            self._leave(client)

    async def _enter(self, client: Hashable) -> None:
        if self._free and self._held[client] < self._per_client:
            self._take(client)
            return
        if self._waiters >= _MOST_WAITING or len(self._waiting.get(client, ())) >= self._most_waiting:
            raise Busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        self._waiters += 1
        try:
            await asyncio.wait({turn}, timeout=self._patience_s)
        except asyncio.CancelledError:
            if turn.done():
                self._leave(client)
            else:
                self._forget(client, turn)
            raise
        if not turn.done():
            self._forget(client, turn)
            raise Busy()

    def _take(self, client: Hashable) -> None:
        self._free -= 1
        self._held[client] += 1

    def _forget(self, client: Hashable, turn: asyncio.Future[None]) -> None:
        turns = self._waiting[client]
        turns.remove(turn)
        self._waiters -= 1
        if not turns:
            del self._waiting[client]

    def _leave(self, client: Hashable) -> None:
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        self._hand_on()

    def _hand_on(self) -> None:
        """Give the free place to the client whose turn it is; that client then moves to the end of the
        queue.
        """
        for client in self._waiting:
            if self._held[client] < self._per_client:
                turn = self._waiting[client].popleft()
                self._waiters -= 1
                if self._waiting[client]:
                    self._waiting.move_to_end(client)
                else:
                    del self._waiting[client]
                self._take(client)
                turn.set_result(None)
                return


PAGES: Final = 6
SIGN_IN: Final = 2
LIVE: Final = 2
GROUPED: Final = 2
EXPORTS: Final = 2
ELSEWHERE: Final = 2
DRAWINGS: Final = 2
DRAWING_S: Final = 25.0
"""Longer than the longest drawing: so an organisation waits for the place of one, not of many."""
POOL_SIZE: Final = PAGES + SIGN_IN + LIVE + GROUPED + EXPORTS + ELSEWHERE
"""The sum of all places, so a request with a place never waits for a connection."""


THREADS: Final = POOL_SIZE
"""No more than connections: Python computes on one thread at a time, so more threads would only compete."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """One lane for each kind of work, so that no kind takes another's places."""

    pages: Lane = field(default_factory=lambda: Lane(PAGES, per_client=PAGES // 2))
    people: Lane = field(default_factory=lambda: Lane(_ARRIVING, per_client=_ARRIVING // 2))
    """Requests whose session is being looked up. Others wait without a look-up; clients take turns."""
    devices: Lane = field(default_factory=lambda: Lane(8 * _ARRIVING, per_client=8, patience_s=10.0))
    """The same for posts of devices, which wait longer, because sending again costs them more."""
    sign_in: Lane = field(default_factory=lambda: Lane(SIGN_IN, per_client=SIGN_IN // 2))
    """A password costs 64 MiB and a tenth of a second: as many at a time as the machine can bear."""
    elsewhere: Lane = field(default_factory=lambda: Lane(ELSEWHERE, per_client=ELSEWHERE // 2))
    """Sign-ins at another provider, which may take seconds to answer."""
    exports: Lane = field(default_factory=lambda: Lane(EXPORTS, per_client=1))
    """A whole trial takes minutes, so exports never take a page's place."""
    reports: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    """A report takes seconds and a process: one at a time; waiting ones hold neither a thread nor a
    connection.
    """
    drawings: Lane = field(
        default_factory=lambda: Lane(DRAWINGS, per_client=1, patience_s=DRAWING_S, most_waiting=3)
    )
    """Plans of sites, which are drawn again, take seconds and a process: one of an organisation at a time."""
    bundle: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    """The same for the charts' JavaScript, which is made while the server starts."""
