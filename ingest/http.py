"""The same payloads over HTTP: same decoders, same transaction, one answer for each post; many posts share a
transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple

from ingest.aside import explain_failure
from ingest.booking import book
from ingest.explain import REFUSED, Fate, explain
from ingest.outcome import Booked
from ingest.prepared import DEFECTS, Look, Prepared
from ingest.reading import prepare, prepare_refused
from insitu.clock import Clock
from insitu.errors import (
    FixPermissions,
    FreeSpace,
    InsituError,
    NotAcceptedHere,
    ReportDefect,
    RetryLater,
    RowRefused,
    RunMigrate,
)
from insitu.model import Message, RejectReason
from insitu.room import Room
from insitu.wire import MAX_PAYLOAD_BYTES
from store.access import token_holders
from store.catalogue.snapshot import CatalogueSnapshot, get_catalogue_version, load_snapshot
from store.database import Connection
from store.rejects import Quota

_log = logging.getLogger("insitu.ingest")
Connect = Callable[[], AbstractContextManager[Connection]]
"""Context manager for a connection: commits at the end of the block and rolls back after an error. Raises
Insitu's errors.
"""


@dataclass(frozen=True, slots=True)
class Post:
    """One message posted by a device, with its token."""

    trial: str
    device: str
    token_sha256: bytes
    message: Message


class Answer(NamedTuple):
    """Result of one post; `refused`: reason → (results, text)."""

    contained: int
    stored: int
    duplicate: int
    ignored: int
    repeated: bool
    refused: dict[str, tuple[int, str]]
    items: tuple[Fate, ...] = ()
    """The refused parts, each with its position in the message's list; at most 100."""

    @property
    def status(self) -> int:
        """HTTP status: everything was accepted, a part of it, or nothing."""
        if not self.refused:
            return 200
        return 207 if self.contained > sum(results for results, _ in self.refused.values()) else 422


class WrongToken(NotAcceptedHere):
    """This token is not valid for this device: it is wrong, expired or revoked, or belongs to another
    device.
    """


Outcome = Answer | InsituError
_MOST_ITEMS: Final = 100
_TRIES: Final = 2
"""A deadlock with the ingestor, or a connection broken by a restart, does not happen again at the second
try.
"""


def posted(topic: str, payload: bytes, clock: Clock) -> Message:
    """A message received now; only the beginning of an overlong payload is kept."""
    return Message(topic, payload[:MAX_PAYLOAD_BYTES], clock.now_us(), size=len(payload))


class Taker:
    """Stores posts, a group in one transaction. One thread only."""

    def __init__(
        self, connect: Connect, clock: Clock, quota: Quota | None = None, room: Room | None = None
    ) -> None:
        """`quota`: bytes of refused messages to keep; None: all. `room`: on the disk of the database."""
        self._connect, self._clock, self._quota, self._room = connect, clock, quota, room
        self._snapshot: CatalogueSnapshot | None = None

    def take(self, posts: Sequence[Post]) -> list[Outcome]:
        """The result of each post, in order. An Answer is committed; after RetryLater or FreeSpace that post
        was not stored.

        If the database refuses a row, or we fail on a message, the group is halved until that message is
        alone. After an error that is the installation's, its device keeps it.
        """
        if self._room is not None and (problem := self._room.problem()) is not None:
            return [FreeSpace(problem)] * len(posts)
        for attempt in range(1, _TRIES + 1):
            try:
                return self._commit(posts, None)
            except RetryLater as error:
                _log.warning("%d posted messages are not stored at try %d: %s", len(posts), attempt, error)
                last = error
            except (FreeSpace, NotAcceptedHere) as error:
                return [error] * len(posts)
            except (InsituError, *DEFECTS) as error:
                return self._bisect(posts, error)
        return [last] * len(posts)

    def _bisect(self, posts: Sequence[Post], error: Exception) -> list[Outcome]:
        if len(posts) > 1:
            middle = len(posts) // 2
            return [*self.take(posts[:middle]), *self.take(posts[middle:])]
        if isinstance(error, (RunMigrate, FixPermissions)):
            return [error]  # of the installation: the device keeps its message
        topic = posts[0].message.topic
        if isinstance(error, RowRefused):
            _log.warning("the database refuses a message on %s: %s", topic, error)
            refusal = (RejectReason.DATABASE_REFUSED, str(error))
        else:
            _log.error("Insitu fails on a message on %s: a defect, please report it", topic, exc_info=error)
            refusal = (RejectReason.INTERNAL_ERROR, explain_failure(error))
        return self._refuse(posts, refusal)

    def _refuse(self, posts: Sequence[Post], refusal: tuple[RejectReason, str]) -> list[Outcome]:
        for look in Look:
            try:
                return self._commit(posts, refusal, look=look)
            except (RetryLater, FreeSpace, NotAcceptedHere) as error:
                return [error]
            except (InsituError, *DEFECTS) as error:
                _log.error("a message on %s cannot be refused", posts[0].message.topic, exc_info=error)
                last = error
        return [last if isinstance(last, InsituError) else ReportDefect(repr(last))]

    def _commit(
        self, posts: Sequence[Post], refusal: tuple[RejectReason, str] | None, *, look: Look = Look.INSIDE
    ) -> list[Outcome]:
        """Commit the posts in one transaction; with a `refusal`, store each post as that refusal. Tokens are
        checked now.
        """
        with self._connect() as conn:
            holders = token_holders(conn, [post.token_sha256 for post in posts], self._clock.now())
            known = self._current_snapshot(conn)
            allowed: list[bool] = []
            present: list[Prepared] = []
            for post in posts:
                holder = holders.get(post.token_sha256)
                is_own = holder is not None and (holder.trial, holder.device) == (post.trial, post.device)
                allowed.append(is_own)
                if is_own:
                    present.append(_prepared(post.message, known, refusal, look=look))
            outcome = book(conn, present, client_id="http", now_us=self._clock.now_us(), quota=self._quota)
        booked = iter(outcome.messages)
        return [_answer(next(booked), known) if is_own else WrongToken() for is_own in allowed]

    def _current_snapshot(self, conn: Connection) -> CatalogueSnapshot:
        """The catalogue, checked for changes in every group, so that a device enrolled a moment ago is not
        refused.
        """
        if self._snapshot is None or self._snapshot.version != get_catalogue_version(conn):
            self._snapshot = load_snapshot(conn)
        return self._snapshot


def _prepared(
    message: Message, known: CatalogueSnapshot, refusal: tuple[RejectReason, str] | None, *, look: Look
) -> Prepared:
    (item,) = (
        prepare([message], known) if refusal is None else prepare_refused(message, known, *refusal, look=look)
    )
    return item


def _answer(booked: Booked, known: CatalogueSnapshot) -> Answer:
    contained = booked.message.contained
    refused = {str(reason): found for reason, found in booked.refused.items()}
    ignored = contained if booked.message.ignored_for is not None else sum(booked.message.left_out.values())
    items = _refused_items(booked, known) if refused else ()
    return Answer(contained, booked.stored, booked.duplicate, ignored, booked.repeated, refused, items)


def _refused_items(booked: Booked, known: CatalogueSnapshot) -> tuple[Fate, ...]:
    """Only a message in several parts needs them. A refusal of the database, or of the whole message, is not
    among them.
    """
    message = booked.message.message
    if message.unread or message.size > MAX_PAYLOAD_BYTES or RejectReason.INTERNAL_ERROR in booked.refused:
        return ()
    return tuple(fate for fate in explain(message, known) if fate.outcome == REFUSED)[:_MOST_ITEMS]
