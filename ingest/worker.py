"""take → commit → acknowledge → answer the devices: the order that loses nothing. All input and output is in
the ports.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.aside import Aside, explain_failure
from ingest.outbound import Outbound
from ingest.ports import Books, LeaseLost, Refusal, Session, Time, WallTime
from ingest.prepared import DEFECTS, Look
from insitu.errors import (
    CorrectInput,
    FreeSpace,
    InsituError,
    NotAcceptedHere,
    ProtocolLocked,
    RetryLater,
    RowRefused,
    TrySmaller,
)
from insitu.model import Message, RejectReason

_log = logging.getLogger("insitu.ingest")
HOUSEKEEPING_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
MOST_TRIES: Final = 3
"""Of a batch that the database cannot finish while it may finish a smaller one."""
ENOUGH_FAILURES: Final = 40
"""Parts of a batch that fail, without one that is stored, before the rest is not tried."""
_FAULT_OF_THE_MESSAGE: Final = (InsituError, *DEFECTS)
"""Errors that halving the batch can trace to one message; transient ones are handled before."""
_OF_CONTENT: Final = (RowRefused, CorrectInput, ProtocolLocked, *DEFECTS)
"""Those that the content of a message explains. Any other may be the database's, for every message."""


class _Fault(Exception):
    """The books raised `error` because of a message; halving finds it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _Stopped(Exception):
    """The worker was stopped while a batch waited; the broker delivers its messages again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Limits of a batch: `messages`, gathered for at most `gather_s`."""

    messages: int = 2000
    gather_s: float = 0.02


class Worker:
    """The only writer of its shard's messages while it has the lease; everything here runs in one thread."""

    def __init__(
        self, session: Session, books: Books, *, pace: Pace = Pace(), time: Time | None = None
    ) -> None:
        self._session = session
        self._books = books
        self._pace = pace
        self._time = time or WallTime()
        self._outbound = Outbound(session.publish)
        self._aside = Aside()
        self._stop = threading.Event()
        self._housekept_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop`. Raises LeaseLost and errors that a person must fix; retries all others."""
        self._stop = stop
        self._session.start()
        try:
            if self._wait_for_subscriptions():
                self._keep_house()
                while not stop.is_set():
                    self.step()
        except _Stopped:
            _log.info("stops with a batch that could not be committed: the broker keeps it")
        finally:
            self._session.stop()
            self._books.close()

    def _wait_for_subscriptions(self) -> bool:
        while not self._session.wait_granted(0.02):
            self._require_session()
            if self._stop.is_set():
                return False
        return True

    def step(self) -> None:
        """Process one batch, if there is one, and do pending work."""
        self._require_session()
        messages = self._session.take(
            self._pace.messages, gather_s=self._pace.gather_s, wait_s=HOUSEKEEPING_S / 2
        )
        if messages:
            self._session.ack(self._keep(messages))
        if done := self._keep_aside():
            self._session.ack(done)
        self._outbound.send()
        if self._time.monotonic() - self._housekept_at >= HOUSEKEEPING_S:
            self._keep_house()

    def _require_session(self) -> None:
        if self._session.fatal is not None:
            raise self._session.fatal

    # -- one batch

    def _keep(self, messages: Sequence[Message]) -> list[Message]:
        """Commit the batch, however long the database is away. If something in it fails, halve it, until the
        messages that fail are alone: those are refused, or set aside.

        Returns the committed messages, as rows or refusals. A message that cannot even be refused stays with
        the broker.
        """
        done: list[Message] = []
        waiting, failed, passed = [messages], 0, False  # the earliest part last: first come, first stored
        while waiting:
            part = waiting.pop()
            if failed >= ENOUGH_FAILURES and not passed:
                # It is not the messages: nothing can be stored at all.
                self._aside.add(part, RetryLater(), self._time.monotonic())
                continue
            try:
                self._commit(part)
                done += part
                passed = True
            except _Fault as fault:
                failed += 1
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                elif isinstance(fault.error, _OF_CONTENT):
                    done += self._refuse(part[0], fault.error)
                else:
                    self._aside.add(part, fault.error, self._time.monotonic())
        if passed:
            self._aside.passed(self._time.monotonic())
        return done

    def _keep_aside(self) -> list[Message]:
        """Try the messages that were set aside. Refuse those that fail although others are stored."""
        done: list[Message] = []
        for one in self._aside.due(self._time.monotonic()):
            try:
                self._commit([one.message])
            except _Fault as fault:
                one.error = fault.error
                if not self._aside.is_guilty(one, self._time.monotonic()):
                    continue
                done += self._refuse(one.message, fault.error)
                self._aside.remove([one])
                continue
            done.append(one.message)
            self._aside.remove([one])
            self._aside.passed(self._time.monotonic())
            rest = self._aside.clear()  # nothing stops them any more, it seems
            return [*done, *(self._keep(rest) if rest else [])]
        return done

    def _refuse(self, message: Message, error: Exception) -> list[Message]:
        refusal: Refusal
        if isinstance(error, RowRefused):
            _log.warning("the database refuses a message on %s: %s", message.topic, error)
            refusal = (RejectReason.DATABASE_REFUSED, str(error))
        else:
            _log.error(
                "Insitu fails on a message on %s: a defect, please report it", message.topic, exc_info=error
            )
            refusal = (RejectReason.INTERNAL_ERROR, explain_failure(error))
        for look in Look:
            try:
                self._commit([message], refusal, look=look)
                return [message]
            except _Fault as fault:
                error = fault.error
        _log.error(
            "a message on %s cannot even be refused and stays with the broker: please report it",
            message.topic,
            exc_info=error,
        )
        return []

    def _commit(
        self, messages: Sequence[Message], refusal: Refusal | None = None, *, look: Look = Look.INSIDE
    ) -> None:
        """Waits until the books accept or refuse the messages. Raises LeaseLost, and _Fault."""
        pause, tries = FIRST_PAUSE_S, 0
        while True:
            tries += 1
            try:
                outcome = self._books.commit(messages, refusal, look=look, ahead=self._ahead)
                break
            except (LeaseLost, NotAcceptedHere):
                raise
            except TrySmaller as error:
                if tries >= MOST_TRIES:
                    raise _Fault(error) from error
                _log.warning("the batch waits: %s", error)
            except (RetryLater, FreeSpace) as error:
                _log.warning("the batch waits: %s", error)
            except _FAULT_OF_THE_MESSAGE as error:
                raise _Fault(error) from error
            # An unexpected error: tried again, like every transient one.
            except Exception as error:  # noqa: BLE001
                _log.error("the batch waits: %r", error, exc_info=error)
            self._pause(pause)
            pause = min(LONGEST_PAUSE_S, pause * 2)
        self._outbound.note(outcome)

    def _ahead(self) -> Sequence[Message]:
        return self._session.ahead(self._pace.messages)

    def _pause(self, seconds: float) -> None:
        self._books.start_over()
        if self._stop.is_set():
            raise _Stopped()
        self._time.sleep(seconds)
        if self._stop.is_set():
            raise _Stopped()

    # -- between batches

    def _keep_house(self) -> None:
        self._housekept_at = self._time.monotonic()
        try:
            self._books.keep_house(self._aside.problem(self._housekept_at))
        except (LeaseLost, NotAcceptedHere):
            raise
        except (RetryLater, FreeSpace) as error:
            _log.warning("signs of life wait: %s", error)
            self._books.start_over()
        except Exception as error:  # noqa: BLE001 - a defect here must not stop the messages
            _log.error("signs of life wait: %r", error, exc_info=error)
            self._books.start_over()
