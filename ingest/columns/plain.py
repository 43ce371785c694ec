"""Plain messages as columns: `m` messages with `n` results in all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ingest.outcome import Booked
from ingest.reading import prepare
from insitu.arrays import Bools, Ints
from insitu.model import Message, Observation
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice
from store.observations import Rows, rows_of

Boot = tuple[int, str]
"""(device, boot)."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The plain messages of a batch, in order of arrival. Each has device times, at least one result, and no
    result that is refused.
    """

    batch: Sequence[Message]
    """All messages of the batch, also those that are not plain."""
    snapshot: CatalogueSnapshot
    devices: Sequence[KnownDevice]
    places: Ints
    """(m,) Place of each message in the batch."""
    senders: Ints
    """(m,) Index into `devices`."""
    received_us: Ints
    """(m,)"""
    times_us: Ints
    """(m,) Device time; all results of a message share it."""
    boots: Sequence[Boot | None]
    """m; None: it has no `boot` and `seq`."""
    seqs: Sequence[int]
    """m; 0 without a boot."""
    widths: Ints
    """(m,) Results of each message."""
    owners: Ints
    """(n,) Message of each result, 0 to m − 1."""
    rows: Rows
    """(n,) in each column."""

    def __len__(self) -> int:
        return len(self.places)

    def at(self, chosen: Bools) -> Plain:
        """The `chosen` messages; (m,)."""
        numbers = chosen.nonzero()[0]
        kept = chosen[self.owners]
        renumbered = chosen.cumsum() - 1
        return Plain(
            self.batch,
            self.snapshot,
            self.devices,
            self.places[numbers],
            self.senders[numbers],
            self.received_us[numbers],
            self.times_us[numbers],
            [self.boots[number] for number in numbers.tolist()],
            [self.seqs[number] for number in numbers.tolist()],
            self.widths[numbers],
            renumbered[self.owners[kept]],
            self.rows.at(kept.nonzero()[0]),
        )

    def numbered(self) -> Iterator[tuple[int, int, Boot, int]]:
        """Message, place in the batch, boot and seq of each message that has them."""
        for number, (place, boot, seq) in enumerate(
            zip(self.places.tolist(), self.boots, self.seqs, strict=True)
        ):
            if boot is not None:
                yield number, place, boot, seq

    def with_others(self, observations: Sequence[Observation], places: Sequence[int]) -> tuple[Rows, Ints]:
        """Results of these messages and of others in order of arrival: the rows, and the index of each, where
        the others follow these. `places`: of the others' messages in the batch, ascending.
        """
        if not observations:
            return self.rows, np.arange(len(self.owners))
        others = rows_of(observations)
        rows = Rows(*(np.concatenate([mine, theirs]) for mine, theirs in zip(self.rows, others, strict=True)))
        arrivals = np.concatenate([self.places[self.owners], np.array(places, np.int64)])
        order = np.argsort(arrivals, kind="stable")
        return rows.at(order), order


_NONE: Final = np.zeros(0, np.int64)
NO_PLAIN: Final = Plain(
    batch=(),
    snapshot=CatalogueSnapshot(0, frozenset(), {}, {}),
    devices=(),
    places=_NONE,
    senders=_NONE,
    received_us=_NONE,
    times_us=_NONE,
    boots=(),
    seqs=(),
    widths=_NONE,
    owners=_NONE,
    rows=Rows(_NONE, _NONE, np.zeros(0), _NONE, np.zeros(0)),
)


class Opened:
    """Plain messages of a batch that need to be objects after all: their number is known, or a stored result
    met one of theirs. `ingest.booking` owns it.
    """

    def __init__(self, plain: Plain) -> None:
        self.plain = plain
        self.objects: dict[int, Booked] = {}

    def open(self, number: int) -> Booked:
        """Message `number` as the path of objects reads it; the same object for each call."""
        booked = self.objects.get(number)
        if booked is None:
            place = int(self.plain.places[number])
            (item,) = prepare([self.plain.batch[place]], self.plain.snapshot)
            booked = self.objects[number] = Booked(item, place)
        return booked
