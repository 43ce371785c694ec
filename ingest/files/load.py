"""Sends the messages of a file through place, merge, ledger and rejects, one transaction for each batch.
After an interruption, run it again to complete the import.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest.booking import book
from ingest.failpoints import reach
from ingest.files.messages import Made, messages
from ingest.files.shape import Layout
from ingest.from_files import from_file
from ingest.outcome import Booked
from ingest.prepared import Prepared
from ingest.reading import prepare
from insitu.clock import Clock
from insitu.errors import FreeSpace, RowRefused
from insitu.model import Message, RejectReason
from insitu.room import Room
from insitu.wire import MAX_PAYLOAD_BYTES
from store.catalogue.snapshot import load_snapshot
from store.corrections import Correction, correct
from store.database import Connection
from store.imports import Origin, begin_import

BATCH = 4000


@dataclass(slots=True)
class Refused:
    results: int = 0
    rows: int = 0
    first_row: int = 0
    detail: str = ""


@dataclass(slots=True)
class Summary:
    """Result of an import."""

    rows: int = 0
    """Rows with content; the last one read is `last_row`."""
    last_row: int = 0
    empty: int = 0
    """Rows without a result."""
    contained: int = 0
    """Results in readable rows."""
    stored: int = 0
    duplicate: int = 0
    corrected: int = 0
    """Duplicates whose stored result was replaced."""
    refused: dict[RejectReason, Refused] = field(default_factory=dict)
    elapsed_s: float = 0.0
    import_id: int | None = None
    """Number of the import: `insitu withdraw` takes its results out of use. None: nothing was written."""


class Loader:
    """`correction`: replace different stored results, for this reason; without it the first result stays.
    `dry`: roll back every batch. `origin`: gives the import its number; None: its results do not know where
    they came from. `room`: on the disk of the database.
    """

    def __init__(
        self,
        conn: Connection,
        layout: Layout,
        *,
        clock: Clock,
        dry: bool = False,
        correction: Correction | None = None,
        origin: Origin | None = None,
        room: Room | None = None,
    ) -> None:
        self._conn, self._layout, self._clock, self._dry, self._correction = (
            conn,
            layout,
            clock,
            dry,
            correction,
        )
        self._origin, self._room = origin, room
        self.summary = Summary()

    def run(self, say: Callable[[float, Summary], None]) -> Summary:
        """Commits after each batch and then calls `say` with the share done (0 to 1). Raises FreeSpace where
        the disk has too little room for the next batch.
        """
        began = time.monotonic()
        self._begin()
        made = messages(self._layout)
        while batch := list(itertools.islice(made, BATCH)):
            if self._room is not None and (problem := self._room.problem()) is not None:
                raise FreeSpace(f"{problem} Then run the import again, which completes it.")
            self._keep([one for one in batch if one.topic])
            self._count_rows(batch)
            self.summary.elapsed_s = time.monotonic() - began
            say(self._layout.source.done(), self.summary)
        self.summary.elapsed_s = time.monotonic() - began
        return self.summary

    def _begin(self) -> None:
        """Give the import its number."""
        if self._dry or self._origin is None:
            return
        self.summary.import_id = number = begin_import(self._conn, self._origin, now=self._clock.now())
        self._conn.commit()
        if self._correction is not None:
            self._correction = replace(self._correction, import_id=number)

    def _count_rows(self, batch: Sequence[Made]) -> None:
        numbers = {one.row for one in batch} - {self.summary.last_row}
        self.summary.rows += len(numbers)
        self.summary.empty += sum(not one.topic for one in batch)
        self.summary.last_row = max(self.summary.last_row, *numbers, 0)

    def _keep(self, batch: Sequence[Made], *, refused: str = "") -> None:
        """Halve the batch if the database refuses a row, as for live messages."""
        if not batch:
            return
        try:
            items = self._items(batch, refused)
            self._correct(items)
            outcome = book(
                self._conn,
                items,
                client_id="import",
                now_us=self._clock.now_us(),
                import_id=self.summary.import_id,
            )
            self._end()
        except RowRefused as error:
            self._conn.rollback()
            middle = len(batch) // 2
            if not middle:
                if refused:
                    raise
                self._keep(batch, refused=str(error))
                return
            self._keep(batch[:middle])
            self._keep(batch[middle:])
            return
        for made, booked in zip(batch, outcome.messages, strict=True):
            self._count(made.row, booked)

    def _items(self, batch: Sequence[Made], refused: str) -> list[Prepared]:
        now_us = self._clock.now_us()
        sent = [
            Message(one.topic, one.payload[:MAX_PAYLOAD_BYTES], now_us, size=len(one.payload))
            for one in batch
        ]
        known = load_snapshot(self._conn)
        items = prepare(sent, known)
        return [self._item(made, item, refused) for made, item in zip(batch, items, strict=True)]

    def _item(self, made: Made, item: Prepared, refused: str) -> Prepared:
        # The same row again is the same message: a file has no deliveries.
        item = from_file(item)._replace(source=f"{self._layout.file}, row {made.row}", by_delivery=False)
        if made.problem:
            problem = {RejectReason.INVALID_SHAPE: (0, made.problem)}
            item = item._replace(observations=(), contained=0, refused=problem)
        if refused:
            lost = {RejectReason.DATABASE_REFUSED: (len(item.observations), refused)}
            item = item._replace(observations=(), refused={**item.refused, **lost})
        return item

    def _correct(self, items: Sequence[Prepared]) -> None:
        """In a transaction of its own, except in a dry run."""
        if self._correction is None:
            return
        observations = [observation for item in items for observation in item.observations]
        corrected = correct(self._conn, observations, correction=self._correction, now=self._clock.now())
        self.summary.corrected += corrected
        if not self._dry:
            self._end()

    def _end(self) -> None:
        if self._dry:
            self._conn.rollback()
            return
        reach("before_commit")
        self._conn.commit()

    def _count(self, row: int, booked: Booked) -> None:
        summary = self.summary
        summary.contained += booked.message.contained
        summary.stored += len(booked.message.observations) - booked.duplicate - booked.conflicting
        summary.duplicate += booked.duplicate
        for reason, (results, sentence) in booked.refused.items():
            detail = _of_file(reason, sentence)
            found = summary.refused.setdefault(reason, Refused(first_row=row, detail=detail))
            found.results += results
            found.rows += 1
            if row < found.first_row:
                found.first_row, found.detail = row, detail


def fingerprint(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_file(reason: object, detail: str) -> str:
    """The advice for a device is none for a file."""
    what, mark, _ = detail.partition(": send it without quotes")
    return f"{what}. If the text means no result, say --missing and the text." if mark else detail
