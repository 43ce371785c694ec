"""Bytes → columns: recognises the plain messages of a batch. Pure.

A plain message is in Insitu's own JSON, on the topic of a device without mappings, with a time that states
its offset or unit, and with nothing but `boot`, `seq`, `time` and `results`. Each result has the type of a
datastream of the device, is finite in its unit, and its time lies within the latest deployment. In doubt a
message is not plain: the path of objects then accepts or refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np

from ingest.columns.layouts import Layouts
from ingest.columns.plain import NO_PLAIN, Boot, Plain
from ingest.decode import times
from ingest.place import FUTURE_US
from ingest.prepared import DEFECTS
from ingest.signs import SHORTEST_SILENCE_US
from insitu.arrays import Floats
from insitu.model import ClockQuality, Message
from insitu.wire import MAX_PAYLOAD_BYTES
from store.catalogue.snapshot import CatalogueSnapshot
from store.observations import Rows

FEWEST: Final = 16
"""Below this many messages arrays cost more than objects. It also means that halving a batch ends in the path
of objects, so a fault in columns costs time and no message.
"""
MOST_NAMES: Final = 200_000
"""In all layouts. Beyond, everything is forgotten: a device may leave out other results each time."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX: Final = 1.7976931348623157e308
_DEVICE, _REPAIRED = int(ClockQuality.DEVICE), int(ClockQuality.REPAIRED)


class _Row(NamedTuple):
    """A message that is plain as far as it was read alone."""

    place: int
    received_us: int
    time_us: int
    quality: int
    sender: int
    layout: int
    boot: Boot | None
    seq: int


@dataclass(slots=True)
class _Begun:
    """A batch that is read up to some place."""

    messages: Sequence[Message]
    upto: int = 0
    found: list[_Row] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    others: list[int] = field(default_factory=list)


class PlainReader:
    """Reads by one snapshot of the catalogue. One thread owns it."""

    def __init__(self, snapshot: CatalogueSnapshot) -> None:
        self.snapshot = snapshot
        self._layouts = Layouts(snapshot)
        self._ahead: _Begun | None = None

    def read(self, messages: Sequence[Message]) -> tuple[Plain, list[int]]:
        """The plain messages, and the places of all others in the batch."""
        everything = list(range(len(messages)))
        if not _may_be_plain(messages):
            return NO_PLAIN, everything
        begun = self._begin(messages)
        if begun is self._ahead:
            self._ahead = None
        self._go_on(begun, len(messages))
        if not begun.found:
            return NO_PLAIN, everything
        plain, refusable = self._judged(self._placed(messages, begun.found, begun.values))
        return plain, sorted(begun.others + refusable)

    def read_ahead(self, messages: Sequence[Message], most: int) -> None:
        """Read the next `most` messages of the batch that is read next. `read` goes on there, if it is given
        this very list.
        """
        if self._ahead is None or self._ahead.messages is not messages:
            if not _may_be_plain(messages):
                return
            self._ahead = self._begin(messages)
        try:
            self._go_on(self._ahead, most)
        except DEFECTS:  # of a later batch: raised again when that is read
            self._ahead = None

    def _begin(self, messages: Sequence[Message]) -> _Begun:
        if self._layouts.names > MOST_NAMES:
            self._layouts, self._ahead = Layouts(self.snapshot), None
        if self._ahead is not None and self._ahead.messages is messages:
            return self._ahead
        return _Begun(messages)

    def _go_on(self, begun: _Begun, most: int) -> None:
        """Read `most` more of its messages, or all that are left."""
        first, messages = begun.upto, begun.messages
        begun.upto = min(len(messages), first + most)
        for place in range(first, begun.upto):
            row = self._read(place, messages[place], begun.values)
            if row is None:
                begun.others.append(place)
            else:
                begun.found.append(row)

    def _read(self, place: int, message: Message, values: list[float]) -> _Row | None:
        """Appends the results to `values`. None if the message is not plain."""
        sender = self._layouts.find(message.topic)
        if sender is None or message.retained or message.unread or message.size > MAX_PAYLOAD_BYTES:
            return None
        try:
            said = sender.decode(message.payload)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return None
        names = (*said.results,)
        if names != sender.names:
            sender.names, sender.layout = names, self._layouts.layout(sender, names)
        layout, stamp, numbered = sender.layout, _stamp(said.time), sender.number_of(said.boot, said.seq)
        if layout is None or stamp is None or numbered is None:
            return None
        results = said.results.values()
        if layout.kinds and tuple(map(type, results)) != layout.kinds:
            return None
        time_us, quality, marks = stamp
        boot, seq = numbered
        quotes = layout.quotes + marks + (6 if boot is not None else 0)
        if message.payload.count(b'"') != quotes:  # an unknown key, or one that appears twice
            return None
        values += results
        return _Row(place, message.received_us, time_us, quality, sender.number, layout.number, boot, seq)

    def _placed(self, messages: Sequence[Message], found: list[_Row], values: list[float]) -> Plain:
        """The rows as columns, results in the units of their datastreams."""
        places, received, stamps, qualities, senders, layouts, boots, seqs = zip(*found, strict=True)
        tables, chosen = self._layouts.tables, np.array(layouts)
        received_us, times_us = np.array(received, np.int64), np.array(stamps, np.int64)
        widths = tables.widths[chosen]
        owners = np.repeat(np.arange(len(found)), widths)
        first = np.cumsum(widths) - widths  # of the results of each message
        at = np.arange(len(values)) + np.repeat(tables.starts[chosen] - first, widths)
        with np.errstate(over="ignore"):
            results: Floats = np.array(values, np.float64) * tables.scales[at]
            results += tables.shifts[at]
        quality = np.array(qualities, np.float64)
        return Plain(
            messages,
            self.snapshot,
            self._layouts.devices,
            np.array(places, np.int64),
            np.array(senders, np.int64),
            received_us,
            times_us,
            boots,
            seqs,
            widths,
            owners,
            Rows(tables.streams[at], times_us[owners], results, received_us[owners], quality[owners]),
        )

    def _judged(self, plain: Plain) -> tuple[Plain, list[int]]:
        """Those with plausible times and finite results, and the places of the others in the batch."""
        times_us, tables = plain.times_us, self._layouts.tables
        good = (times_us >= tables.begins[plain.senders]) & (times_us < tables.ends[plain.senders])
        good &= times_us <= plain.received_us + FUTURE_US
        results = plain.rows.results
        finite = (results >= -_MAX) & (results <= _MAX)
        good[plain.owners[~finite]] = False
        if good.all():
            return plain, []
        return plain.at(good), plain.places[~good].tolist()


def _stamp(time: datetime | float) -> tuple[int, int, int] | None:
    """(µs, clock quality, quotation marks around key and value); None if the path of objects must read it."""
    if isinstance(time, datetime):
        return None if time.tzinfo is None else ((time - _EPOCH) // _MICROSECOND, _DEVICE, 4)
    found = times.of_number(time)
    return None if found is None else (found[0], _REPAIRED if found[1] else _DEVICE, 2)


def _may_be_plain(messages: Sequence[Message]) -> bool:
    """False for so few that arrays do not pay, and if a device may have been silent within the batch: only
    the path of objects looks for that.
    """
    if len(messages) < FEWEST:
        return False
    received = [message.received_us for message in messages]
    return max(received) - min(received) <= SHORTEST_SILENCE_US
