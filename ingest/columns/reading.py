"""Bytes → columns: recognises the plain messages of a batch. Pure.

A plain message is in Insitu's own JSON, on the topic of a device without mappings, with a time that states
its offset or unit, and with nothing but `boot`, `seq`, `time` and `results`. Each result has the type of a
datastream of the device, is finite in its unit, and its time lies within the latest deployment. In doubt a
message is not plain: the path of objects then accepts or refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np

from ingest.columns.plain import NO_PLAIN, Boot, Plain
from ingest.decode import times
from ingest.place import DAY_US, FUTURE_US
from ingest.reading import find_route
from ingest.signs import SHORTEST_SILENCE_US
from ingest.stated_facts import may_state_facts
from insitu.arrays import Floats, Ints
from insitu.model import ClockQuality, Message
from insitu.wire import MAX_PAYLOAD_BYTES, MAX_RESULTS, MAX_SEQ, OBS, PREFIX
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice
from store.observations import Rows

FEWEST: Final = 16
"""Below this many messages arrays cost more than objects. It also means that halving a batch ends in the path
of objects, so a fault in columns costs time and no message.
"""
MOST_TOPICS: Final = 100_000
MOST_LAYOUTS: Final = 100_000
"""Remembered between batches; beyond, everything is forgotten. Devices choose topics below their own names."""
_NEVER_US: Final = 2**62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX: Final = 1.7976931348623157e308
_UNNUMBERED: Final[tuple[Boot | None, int]] = (None, 0)
_DEVICE, _REPAIRED = int(ClockQuality.DEVICE), int(ClockQuality.REPAIRED)


class _Numbers(msgspec.Struct, gc=False):
    results: dict[str, float]
    time: datetime | float
    boot: str | None = None
    seq: int | None = None


class _Mixed(msgspec.Struct, gc=False):
    results: dict[str, float | bool]
    time: datetime | float
    boot: str | None = None
    seq: int | None = None


_NUMBERS: Final = msgspec.json.Decoder(_Numbers)
_MIXED: Final = msgspec.json.Decoder(_Mixed)
Names = tuple[str, ...]


@dataclass(slots=True)
class _Layout:
    """Names of results that a device sends together, each a datastream of its own."""

    number: int
    quotes: int
    """Quotation marks of a message with these results and nothing else."""
    kinds: tuple[type, ...] | None
    """Types of the results; None: all are numbers."""


@dataclass(slots=True)
class _Sender:
    """The device behind a topic, with what its last message was like: the next one is seldom different."""

    number: int
    known: KnownDevice
    decode: Callable[[bytes], _Numbers | _Mixed]
    is_mixed: bool
    """Some of its datastreams are no numbers."""
    layouts: dict[Names, _Layout] = field(default_factory=dict)
    names: Names = ()
    layout: _Layout | None = None
    boot: Boot = (0, "")

    def number_of(self, boot: str | None, seq: int | None) -> tuple[Boot | None, int] | None:
        """((device, boot), seq), or (None, 0) for a message without them; None if it is not plain."""
        if boot is None or seq is None:
            return _UNNUMBERED if boot is None and seq is None else None
        if boot != self.boot[1]:
            if not 0 < len(boot) <= 64 or "@" in boot or not boot.isprintable():
                return None
            self.boot = self.known.device_id, boot
        return (self.boot, seq) if 0 <= seq <= MAX_SEQ else None


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


class PlainReader:
    """Reads by one snapshot of the catalogue, and remembers the routes of topics and layouts of messages. One
    thread owns it.
    """

    def __init__(self, snapshot: CatalogueSnapshot) -> None:
        self.snapshot = snapshot
        self._forget()

    def _forget(self) -> None:
        self._senders: dict[str, _Sender | None] = {}
        self._devices: list[KnownDevice] = []
        self._begins: list[int] = []
        """µs: the first time that each sender may state, and the first that it may not."""
        self._ends: list[int] = []
        self._starts: list[int] = []
        """Of each layout: place of its first datastream in the three lists below, and their number."""
        self._widths: list[int] = []
        self._streams: list[int] = []
        self._scales: list[float] = []
        self._shifts: list[float] = []

    def read(self, messages: Sequence[Message]) -> tuple[Plain, list[int]]:
        """The plain messages, and the places of all others in the batch."""
        everything = list(range(len(messages)))
        if len(messages) < FEWEST or _lasts_long(messages):
            return NO_PLAIN, everything
        if len(self._senders) > MOST_TOPICS or len(self._widths) > MOST_LAYOUTS:
            self._forget()
        found: list[_Row] = []
        values: list[float] = []
        others: list[int] = []
        for place, message in enumerate(messages):
            row = self._read(place, message, values)
            if row is None:
                others.append(place)
            else:
                found.append(row)
        if not found:
            return NO_PLAIN, everything
        plain, refusable = self._judged(self._placed(messages, found, values))
        return plain, sorted(others + refusable)

    def _read(self, place: int, message: Message, values: list[float]) -> _Row | None:
        """Appends the results to `values`. None if the message is not plain."""
        topic, payload, received_us = message.topic, message.payload, message.received_us
        sender = self._senders[topic] if topic in self._senders else self._find(topic)
        if sender is None or message.retained or message.unread or message.size > MAX_PAYLOAD_BYTES:
            return None
        try:
            said = sender.decode(payload)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return None
        results = said.results
        names = (*results,)
        if names != sender.names:
            sender.names, sender.layout = names, self._layout(sender, names)
        layout, stamp, numbered = sender.layout, _stamp(said.time), sender.number_of(said.boot, said.seq)
        if layout is None or stamp is None or numbered is None:
            return None
        if layout.kinds and tuple(map(type, results.values())) != layout.kinds:
            return None
        time_us, quality, marks = stamp
        boot, seq = numbered
        quotes = layout.quotes + marks + (6 if boot is not None else 0)
        if payload.count(b'"') != quotes:  # an unknown field, or a key that appears twice
            return None
        values += results.values()
        return _Row(place, received_us, time_us, quality, sender.number, layout.number, boot, seq)

    def _find(self, topic: str) -> _Sender | None:
        """The sender behind a topic, remembered; None if its messages are never plain."""
        route = find_route(topic, self.snapshot) if topic.startswith(PREFIX) else None
        sender = None
        if route is not None and route[0].suffix == OBS and route[2] is not None:
            known = route[2]
            if not known.rules and known.retired_us is None and known.deployments:
                start, end = max(known.deployments, key=lambda place: place[0])
                streams = known.datastreams.values()
                mixed = any(stream.result_type != "number" for stream in streams)
                sender = _Sender(len(self._devices), known, (_MIXED if mixed else _NUMBERS).decode, mixed)
                self._devices.append(known)
                self._begins.append(start - DAY_US)
                self._ends.append(_NEVER_US if end is None else end + DAY_US)
        self._senders[topic] = sender
        return sender

    def _layout(self, sender: _Sender, names: Names) -> _Layout | None:
        """None if one of the names is no datastream that plain messages may have, or if there are too many."""
        if names in sender.layouts:
            return sender.layouts[names]
        found = [sender.known.datastreams.get(name) for name in names]
        streams = [one for one in found if one is not None and one.result_type in ("number", "boolean")]
        if not 0 < len(streams) == len(names) <= MAX_RESULTS or any(map(may_state_facts, names)):
            return None
        kinds = tuple(float if stream.result_type == "number" else bool for stream in streams)
        layout = _Layout(len(self._starts), 2 + 2 * len(names), kinds if sender.is_mixed else None)
        self._starts.append(len(self._streams))
        self._widths.append(len(streams))
        self._streams += [stream.datastream_id for stream in streams]
        self._scales += [stream.scale for stream in streams]
        self._shifts += [stream.shift for stream in streams]
        sender.layouts[names] = layout
        return layout

    def _placed(self, messages: Sequence[Message], found: list[_Row], values: list[float]) -> Plain:
        """The rows as columns, results in the units of their datastreams."""
        places, received, stamps, qualities, senders, layouts, boots, seqs = zip(*found, strict=True)
        chosen = np.array(layouts)
        received_us, times_us = np.array(received, np.int64), np.array(stamps, np.int64)
        widths = np.array(self._widths)[chosen]
        owners = np.repeat(np.arange(len(found)), widths)
        first = np.cumsum(widths) - widths
        at = np.arange(len(values)) - np.repeat(first - np.array(self._starts)[chosen], widths)
        with np.errstate(over="ignore", invalid="ignore"):
            results: Floats = np.array(values, np.float64) * np.array(self._scales)[at]
            results += np.array(self._shifts)[at]
        streams: Ints = np.array(self._streams, np.int64)[at]
        quality = np.array(qualities, np.float64)
        return Plain(
            messages,
            self.snapshot,
            self._devices,
            np.array(places, np.int64),
            np.array(senders, np.int64),
            received_us,
            times_us,
            boots,
            seqs,
            widths,
            owners,
            Rows(streams, times_us[owners], results, received_us[owners], quality[owners]),
        )

    def _judged(self, plain: Plain) -> tuple[Plain, list[int]]:
        """Those with plausible times and finite results, and the places of the others in the batch."""
        times_us = plain.times_us
        good = (times_us >= np.array(self._begins)[plain.senders]) & (
            times_us < np.array(self._ends)[plain.senders]
        )
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


def _lasts_long(messages: Sequence[Message]) -> bool:
    """True if a device may have been silent within the batch: only the path of objects looks for that."""
    received = [message.received_us for message in messages]
    return max(received) - min(received) > SHORTEST_SILENCE_US
