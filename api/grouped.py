"""Many requests, one transaction: requests that arrive while a group is processed form the next group.

So a thousand devices that post at the full minute are a few transactions, and a flood of wrong tokens a few
queries. The requests wait as coroutines; one thread and one connection do the work.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from api.lanes import Busy
from insitu.errors import InsituError, RetryLater

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True)
class _Asked(Generic[Ask, Answer]):
    ask: Ask
    answer: asyncio.Future[Answer]
    given_up: bool = False
    """Set when the caller stops waiting; the thread reads it before it begins."""


class Grouped(Generic[Ask, Answer]):
    """Answers requests in groups. `work` returns an answer or an error for each, in order; an exception from
    it goes to all.

    `most_waiting` bounds the queue, `most` a group. Ends with `close`; the thread never keeps the process
    alive. Use it from one event loop only.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Ask]], Sequence[Answer | InsituError]],
        *,
        most: int,
        most_waiting: int,
    ) -> None:
        self._work, self._most = work, most
        self._queue: queue.Queue[_Asked[Ask, Answer] | None] = queue.Queue(most_waiting)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def answer(self, ask: Ask, patience_s: float) -> Answer:
        """Raises Busy if the queue is full, RetryLater if the answer takes longer than `patience_s`.

        A request that has not begun by then is dropped; one that has begun may still be carried out.
        """
        asked: _Asked[Ask, Answer] = _Asked(ask, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(asked)
        except queue.Full:
            raise Busy() from None
        try:
            await asyncio.wait({asked.answer}, timeout=patience_s)
        finally:
            asked.given_up = True
        if not asked.answer.done():
            asked.answer.cancel()
            raise RetryLater("The database does not answer in time: nothing is lost, try again.")
        return asked.answer.result()

    def close(self) -> None:
        """Finishes the present group; requests that still wait get no answer."""
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                self._queue.get_nowait()
        self._thread.join(2.0)  # a hanging database must not block the end

    def _run(self) -> None:
        while True:
            group = self._gather()
            if group is None:
                return
            begun = [asked for asked in group if not asked.given_up]
            if begun:
                self._answer(begun)

    def _gather(self) -> list[_Asked[Ask, Answer]] | None:
        """The next request and all that wait behind it; None at the end."""
        group = []
        asked = self._queue.get()
        while asked is not None:
            group.append(asked)
            if len(group) >= self._most or self._queue.empty():
                return group
            asked = self._queue.get()
        return None

    def _answer(self, group: Sequence[_Asked[Ask, Answer]]) -> None:
        try:
            answers: Sequence[Answer | BaseException] = self._work([asked.ask for asked in group])
        # Each caller raises it, and its request is answered and logged as a defect.
        except Exception as error:  # noqa: BLE001
            answers = [error] * len(group)
        with suppress(RuntimeError):  # the loop has ended: nobody is waiting
            # one wake-up for all: one for each would switch between the threads each time
            group[0].answer.get_loop().call_soon_threadsafe(_deliver, group, answers)


def _deliver(group: Sequence[_Asked[Ask, Answer]], answers: Sequence[Answer | BaseException]) -> None:
    for asked, answer in zip(group, answers, strict=True):
        if asked.answer.done():
            continue  # the caller stopped waiting
        if isinstance(answer, BaseException):
            asked.answer.set_exception(answer)
        else:
            asked.answer.set_result(answer)
