"""The live stream (Server-Sent Events).

One poller in each process checks once a second which devices gave a sign of life, while anybody listens.
Streams with the same content (same rights, language and filter) share a channel, which renders a change once
for all of them on the thread pool. A channel stores *which* devices changed, not how often, and a stream's
outbox one part for each element of the page, so a slow reader costs no memory.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from anyio import CapacityLimiter, to_thread

from api.lanes import LIVE
from insitu.errors import NotFound, RetryLater
from store.read.fleet import Contact

_LOG: Final = logging.getLogger("insitu.api.live")
Answer = TypeVar("Answer")
TICK_S: Final = 15.0
"""How often a stream checks all of its devices, because a device becomes late without any message."""


class News(NamedTuple):
    """Devices that gave a sign of life since the last news. `tick`: check all devices, because time alone may
    have changed one.
    """

    device_ids: frozenset[int]
    tick: bool


class Part(NamedTuple):
    """HTML that replaces the element with that id."""

    element: str
    html: str


class Source(Protocol):
    """The common content of the streams of one channel. Several threads may call it at once."""

    def first(self, made: datetime | None) -> list[Part]:
        """Parts that changed since the page was `made`; all parts if that is not known."""

    def changed(self, news: News) -> list[Part]:
        """Parts that differ from the last call."""


class Outbox:
    """Unsent parts of one stream: only the newest for each element."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._something = asyncio.Event()
        self._closed = False

    def put(self, parts: list[Part]) -> None:
        self._parts.update((part.element, part) for part in parts)
        self._something.set()

    def close(self) -> None:
        self._closed = True
        self._something.set()

    async def parts(self, tick_s: float) -> AsyncIterator[list[Part]]:
        """Yields parts as they come, and an empty list every `tick_s`, until closed."""
        loop = asyncio.get_running_loop()
        last_tick = loop.time()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), max(0.05, last_tick + tick_s - loop.time()))
            if self._closed:
                return
            self._something.clear()
            taken, self._parts = list(self._parts.values()), {}
            if taken:
                yield taken
            if loop.time() - last_tick >= tick_s:
                last_tick = loop.time()
                yield []


class Channel:
    """Renders the common content of several streams once. Runs while one of them listens."""

    def __init__(self, source: Source, limiter: CapacityLimiter) -> None:
        self.source, self._limiter = source, limiter
        self.outboxes: set[Outbox] = set()
        self._changed: set[int] = set()
        self._something = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def put(self, device_ids: frozenset[int]) -> None:
        self._changed |= device_ids
        self._something.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        last_tick = loop.time()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), max(0.05, last_tick + TICK_S - loop.time()))
            self._something.clear()
            changed, self._changed = frozenset(self._changed), set()
            tick = loop.time() - last_tick >= TICK_S
            last_tick = loop.time() if tick else last_tick
            if not changed and not tick:
                continue
            try:
                parts = await to_thread.run_sync(
                    self.source.changed, News(changed, tick), limiter=self._limiter
                )
            except RetryLater:
                continue  # the poller logs it; the next news includes the missed changes
            except NotFound:
                self.close()
                return
            except Exception:
                self.close()
                raise
            for outbox in self.outboxes if parts else ():
                outbox.put(parts)

    def close(self) -> None:
        for outbox in self.outboxes:
            outbox.close()


class Live:
    """`look` returns the last sign of life of every device; a thread calls it once per `every_s` for all
    listeners.
    """

    def __init__(
        self,
        look: Callable[[], Mapping[int, Contact]],
        *,
        every_s: float = 1.0,
        most: int = 300,
        per_person: int = 10,
    ) -> None:
        self._look, self._every_s, self._most, self._per_person = look, every_s, most, per_person
        self._channels: dict[Hashable, Channel] = {}
        self._listening: Counter[Hashable] = Counter()
        self._poller: asyncio.Task[None] | None = None
        self._watching = asyncio.Event()
        self._limiter = CapacityLimiter(LIVE)
        self._closed = False

    def require_room(self, person: Hashable) -> None:
        """Raises RetryLater if this person, or all together, have too many streams."""
        if self._listening[person] >= self._per_person:
            raise RetryLater("You have too many live pages open: close some, then reload this one.")
        if self._closed or self.listeners >= self._most:
            raise RetryLater("Too many live streams are open: reload the page in a while.")

    @contextmanager
    def listen(self, person: Hashable, key: Hashable, source: Source) -> Iterator[tuple[Source, Outbox]]:
        """The source and an outbox until the block ends; raises RetryLater like `require_room`.

        Streams with the same `key` have the same content, and share the source of the first one.
        """
        self.require_room(person)
        if key not in self._channels or self._channels[key].task.done():
            self._channels[key] = Channel(source, self._limiter)
        channel, outbox = self._channels[key], Outbox()
        channel.outboxes.add(outbox)
        self._listening[person] += 1
        if self._poller is None or self._poller.done():
            self._watching.clear()
            self._poller = asyncio.create_task(self._poll())
        try:
            yield channel.source, outbox
        finally:
            self._leave(person, key, channel, outbox)

    def _leave(self, person: Hashable, key: Hashable, channel: Channel, outbox: Outbox) -> None:
        self._listening[person] -= 1
        if not self._listening[person]:
            del self._listening[person]
        channel.outboxes.discard(outbox)
        if not channel.outboxes:
            channel.task.cancel()
            if self._channels.get(key) is channel:
                del self._channels[key]

    @property
    def listeners(self) -> int:
        return self._listening.total()

    async def _poll(self) -> None:
        before: Mapping[int, Contact] | None = None
        while self._channels and not self._closed:
            try:
                present = await self.on_thread(self._look)
            except RetryLater as error:
                _LOG.warning("the live stream waits for the database: %s", error)
            else:
                if before is not None:
                    changed = frozenset(key for key, contact in present.items() if before.get(key) != contact)
                    for channel in self._channels.values() if changed else ():
                        channel.put(changed)
                before = present
                self._watching.set()
            await asyncio.sleep(self._every_s)

    async def first(self, source: Source, made: datetime | None) -> list[Part]:
        """The first parts for a reader of `source`. Waits until the poller can compare, so that every later
        change is news.
        """
        await self._watching.wait()
        return await self.on_thread(source.first, made)

    async def on_thread(self, work: Callable[..., Answer], *parameters: Any) -> Answer:
        """Run `work` on a thread and a connection reserved for streams, so that only streams wait for each
        other.
        """
        return await to_thread.run_sync(work, *parameters, limiter=self._limiter)

    def close(self) -> None:
        """End every stream; from the thread of the event loop."""
        self._closed = True
        self._watching.set()
        for channel in self._channels.values():
            channel.close()


def close_on_signals(live: Live) -> None:
    """End the streams at the first stop signal: the server waits for open answers before it tells the
    application.

    Keeps the server's own handlers. Does nothing outside the main thread, which receives all signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if not callable(before):
            continue

        def stop(received: int, frame: Any, before: Callable[..., Any] = before) -> None:
            loop.call_soon_threadsafe(live.close)
            before(received, frame)

        signal.signal(number, stop)
