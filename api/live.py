"""The live stream (Server-Sent Events): the only asynchronous code of Insitu.

One poller a process looks once a second which devices gave a sign of life; it runs while somebody listens. Each open stream
has a mailbox that holds *which* devices changed, not how often, so a slow reader costs no memory. What is sent is rendered on
the pool of threads, with the access rules of whoever listens.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, TypeVar

from starlette.concurrency import run_in_threadpool

from insitu.errors import RetryLater
from store.fleet import Contact

_LOG: Final = logging.getLogger("insitu.api.live")
Answer = TypeVar("Answer")


class News(NamedTuple):
    """Devices that gave a sign of life since the last news. `tick`: look at all of them, time alone may have changed one."""

    device_ids: frozenset[int]
    tick: bool


class Mailbox:
    """What one stream has not taken yet."""

    def __init__(self) -> None:
        self._changed: set[int] = set()
        self._something = asyncio.Event()
        self._closed = False

    def put(self, device_ids: frozenset[int]) -> None:
        self._changed |= device_ids
        self._something.set()

    def close(self) -> None:
        self._closed = True
        self._something.set()

    async def news(self, tick_s: float) -> AsyncIterator[News]:
        """Until closed: changes at once, and a tick where nothing else came for `tick_s`."""
        last_tick = asyncio.get_running_loop().time()
        while not self._closed:
            remaining = last_tick + tick_s - asyncio.get_running_loop().time()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), max(0.05, remaining))
            if self._closed:
                return
            changed, self._changed = frozenset(self._changed), set()
            self._something.clear()
            now = asyncio.get_running_loop().time()
            tick = now - last_tick >= tick_s
            last_tick = now if tick else last_tick
            if changed or tick:
                yield News(changed, tick)


class Live:
    """`look` gives the last sign of life of every device; it is called on a thread, once per `every_s` for all listeners."""

    def __init__(self, look: Callable[[], Mapping[int, Contact]], *, every_s: float = 1.0, most: int = 500) -> None:
        self._look, self._every_s, self._most = look, every_s, most
        self._mailboxes: set[Mailbox] = set()
        self._poller: asyncio.Task[None] | None = None
        self._closed = False

    @contextmanager
    def listen(self) -> Iterator[Mailbox]:
        """A mailbox for as long as the block lasts; RetryLater where too many listen already."""
        if self._closed or len(self._mailboxes) >= self._most:
            raise RetryLater("Too many live streams are open: reload the page in a while.")
        mailbox = Mailbox()
        self._mailboxes.add(mailbox)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)

    @property
    def listeners(self) -> int:
        return len(self._mailboxes)

    async def _poll(self) -> None:
        before: Mapping[int, Contact] | None = None
        while self._mailboxes and not self._closed:
            try:
                present = await run_in_threadpool(self._look)
            except RetryLater as error:
                _LOG.warning("the live stream waits for the database: %s", error)
            else:
                if before is not None:
                    changed = frozenset(key for key, contact in present.items() if before.get(key) != contact)
                    for mailbox in self._mailboxes if changed else ():
                        mailbox.put(changed)
                before = present
            await asyncio.sleep(self._every_s)

    def close(self) -> None:
        """End every stream; from the thread of the event loop."""
        self._closed = True
        for mailbox in self._mailboxes:
            mailbox.close()


def close_on_signals(live: Live) -> None:
    """End the streams at the first signal to stop: the server waits for open answers before it tells the application anything.

    Keeps what the server itself does at the signal. Nothing outside the main thread, where no signal arrives.
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


async def on_thread(work: Callable[..., Answer], *parameters: Any) -> Answer:
    """`work` on the pool of threads: nothing in a stream may block the event loop."""
    return await run_in_threadpool(work, *parameters)
