"""Many requests, one transaction: what arrives while a group is at work makes up the next one.

A thousand devices that post at the full minute are then a few transactions, and a flood of wrong tokens a few queries. The
requests wait as coroutines; one thread and one connection do the work.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from api.lanes import Busy
from insitu.errors import InsituError, RetryLater

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Grouped(Generic[Ask, Answer]):
    """`work` answers a group, each with its answer or its error, in order; what it raises is the answer for all.

    `most_waiting` bounds the queue, `most` a group. Ends with `close`; the thread never keeps the process alive.
    """

    def __init__(
        self, name: str, work: Callable[[Sequence[Ask]], Sequence[Answer | InsituError]], *, most: int, most_waiting: int
    ) -> None:
        self._work, self._most = work, most
        self._queue: queue.Queue[tuple[Ask, Future[Answer]] | None] = queue.Queue(most_waiting)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def answer(self, ask: Ask, patience_s: float) -> Answer:
        """Busy where the queue is full; RetryLater where the answer takes longer than `patience_s`.

        What has not begun by then is not done any more; what has begun may still be done.
        """
        promised: Future[Answer] = Future()
        try:
            self._queue.put_nowait((ask, promised))
        except queue.Full:
            raise Busy() from None
        try:
            return await asyncio.wait_for(asyncio.wrap_future(promised), patience_s)
        except TimeoutError:
            raise RetryLater("The database does not answer in time: nothing is lost, try again.") from None

    def close(self) -> None:
        """The group at work is finished; those that still wait hear nothing more."""
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                self._queue.get_nowait()
        self._thread.join(2.0)  # a database that hangs must not hold up the end

    def _run(self) -> None:
        while True:
            group = self._gather()
            if group is None:
                return
            begun = [(ask, promised) for ask, promised in group if promised.set_running_or_notify_cancel()]
            if begun:
                self._answer(begun)

    def _gather(self) -> list[tuple[Ask, Future[Answer]]] | None:
        """The first that comes and all that wait behind it; None at the end."""
        group = []
        entry = self._queue.get()
        while entry is not None:
            group.append(entry)
            if len(group) >= self._most or self._queue.empty():
                return group
            entry = self._queue.get()
        return None

    def _answer(self, group: Sequence[tuple[Ask, Future[Answer]]]) -> None:
        try:
            answers: Sequence[Answer | BaseException] = self._work([ask for ask, _ in group])
        except Exception as error:  # noqa: BLE001 - each asker raises it, and its request is answered and logged as a defect
            answers = [error] * len(group)
        for (_, promised), answer in zip(group, answers, strict=True):
            if isinstance(answer, BaseException):
                promised.set_exception(answer)
            else:
                promised.set_result(answer)
