"""Topics and the results in their messages as the catalogue has them: numbers into arrays. Remembered from
message to message, since the next one of a device seldom looks different.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import numpy as np

from ingest.columns.plain import Boot
from ingest.place import DAY_US
from ingest.reading import find_route
from ingest.stated_facts import may_state_facts
from insitu.arrays import Floats, Ints
from insitu.wire import MAX_RESULTS, MAX_SEQ, OBS, PREFIX
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice

_NEVER_US: Final = 2**62
_UNNUMBERED: Final[tuple[Boot | None, int]] = (None, 0)
Names = tuple[str, ...]


class OnlyNumbers(msgspec.Struct, gc=False):
    """A message of a device whose datastreams are numbers. Unknown keys are skipped: `Layout.quotes` finds
    them.
    """

    results: dict[str, float]
    time: datetime | float
    boot: str | None = None
    seq: int | None = None


class AlsoBooleans(msgspec.Struct, gc=False):
    """The same of a device that has datastreams of true and false."""

    results: dict[str, float | bool]
    time: datetime | float
    boot: str | None = None
    seq: int | None = None


_ONLY_NUMBERS: Final = msgspec.json.Decoder(OnlyNumbers)
_ALSO_BOOLEANS: Final = msgspec.json.Decoder(AlsoBooleans)


@dataclass(slots=True)
class Layout:
    """Names of results that a device sends together, each a datastream of its own."""

    number: int
    """Place in `Tables.starts` and `Tables.widths`."""
    quotes: int
    """Quotation marks of a message with these results and nothing else."""
    kinds: tuple[type, ...] | None
    """Types of the results; None: all are numbers."""


@dataclass(slots=True)
class Sender:
    """The device behind a topic, with what its last message was like."""

    number: int
    """Place in `Tables.begins`, `Tables.ends` and `Layouts.devices`."""
    known: KnownDevice
    decode: Callable[[bytes], OnlyNumbers | AlsoBooleans]
    has_booleans: bool
    layouts: dict[Names, Layout] = field(default_factory=dict)
    names: Names = ()
    layout: Layout | None = None
    boot: Boot = (0, "")

    def number_of(self, boot: str | None, seq: int | None) -> tuple[Boot | None, int] | None:
        """((device, boot), seq), or (None, 0) for a message without them; None if it is not plain."""
        if boot is None or seq is None:
            return _UNNUMBERED if boot is None and seq is None else None
        if boot != self.boot[1] or not boot:
            if not 0 < len(boot) <= 64 or "@" in boot or not boot.isprintable():
                return None
            self.boot = self.known.device_id, boot
        return (self.boot, seq) if 0 <= seq <= MAX_SEQ else None


class Tables(NamedTuple):
    """Arrays over layouts, over the datastreams of all layouts, and over senders."""

    starts: Ints
    """(layouts,) Place of the first datastream of each in the next three arrays, and how many it has."""
    widths: Ints
    streams: Ints
    """(sum of widths,) Datastream; stored = sent · scale + shift."""
    scales: Floats
    shifts: Floats
    begins: Ints
    """(senders,) µs: the first time that a message may state, and the first that it may not."""
    ends: Ints


class Layouts:
    """Grows as messages come; `names` bounds it. Valid for one snapshot of the catalogue."""

    def __init__(self, snapshot: CatalogueSnapshot) -> None:
        self._snapshot = snapshot
        self.senders: dict[str, Sender | None] = {}
        """By topic; None: its messages are never plain."""
        self.devices: list[KnownDevice] = []
        self._spans: list[tuple[int, int]] = []
        self._starts: list[int] = []
        self._streams: list[tuple[int, float, float]] = []
        self._tables: Tables | None = None

    @property
    def names(self) -> int:
        """In all layouts."""
        return len(self._streams)

    def find(self, topic: str) -> Sender | None:
        """The sender behind a topic; None if its messages are never plain. Remembers topics that some decoder
        reads: their number and length are the catalogue's, while anybody may make up others.
        """
        if topic in self.senders:
            return self.senders[topic]
        route = find_route(topic, self._snapshot) if topic.startswith(PREFIX) else None
        if route is None or route[1] is None or route[2] is None:
            return None
        sender, known = None, route[2]
        if route[0].suffix == OBS and not known.rules and known.retired_us is None and known.deployments:
            booleans = any(stream.result_type != "number" for stream in known.datastreams.values())
            decoder = _ALSO_BOOLEANS if booleans else _ONLY_NUMBERS
            sender = Sender(len(self.devices), known, decoder.decode, booleans)
            start, end = max(known.deployments, key=lambda place: place[0])
            self.devices.append(known)
            self._spans.append((start - DAY_US, _NEVER_US if end is None else end + DAY_US))
            self._tables = None
        self.senders[topic] = sender
        return sender

    def layout(self, sender: Sender, names: Names) -> Layout | None:
        """None if one of the names is no datastream that plain messages may have, or if they are too many."""
        if names in sender.layouts:
            return sender.layouts[names]
        found = [sender.known.datastreams.get(name) for name in names]
        streams = [one for one in found if one is not None and one.result_type in ("number", "boolean")]
        if not 0 < len(streams) == len(names) <= MAX_RESULTS or any(map(may_state_facts, names)):
            return None
        kinds = tuple(float if stream.result_type == "number" else bool for stream in streams)
        layout = Layout(len(self._starts), 2 + 2 * len(names), kinds if sender.has_booleans else None)
        self._starts.append(len(self._streams))
        self._streams += [(stream.datastream_id, stream.scale, stream.shift) for stream in streams]
        self._tables = None
        sender.layouts[names] = layout
        return layout

    @property
    def tables(self) -> Tables:
        """Remade when a sender or layout is new."""
        if self._tables is None:
            streams, scales, shifts = zip(*self._streams, strict=True)
            begins, ends = zip(*self._spans, strict=True)
            self._tables = Tables(
                np.array(self._starts, np.int64),
                np.diff([*self._starts, len(self._streams)]).astype(np.int64),
                np.array(streams, np.int64),
                np.array(scales, np.float64),
                np.array(shifts, np.float64),
                np.array(begins, np.int64),
                np.array(ends, np.int64),
            )
        return self._tables
