"""The births of Sparkplug edge nodes and their devices. The caller owns the transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from insitu.times import to_datetime, to_us
from store.database import Connection, run
from store.queries import Queries


class _SQL(Queries, file="births"):
    load_births: str
    save_births: str


class Defined(NamedTuple):
    """A metric as a birth defines it."""

    name: str
    datatype: int | None
    unit: str = ""
    """UCUM; empty if the birth states none."""


Names = dict[int, Defined]


@dataclass(slots=True)
class Birth:
    """`bd_seq`, `seq` and `stamp_us` (of the newest message) belong to the edge node, and are None on its
    devices.
    """

    address: str
    alive: bool = False
    bd_seq: int | None = None
    seq: int | None = None
    stamp_us: int | None = None
    born_us: int = 0
    names: Names = field(default_factory=dict)
    """By alias."""
    since_us: int | None = None
    """The names hold from this time, by the edge node's clock."""
    previous: Names = field(default_factory=dict)
    """Names of the birth before, for older data that arrives late."""

    def names_at(self, time_us: int | None) -> Names:
        old = self.since_us is not None and time_us is not None and time_us < self.since_us
        return {**self.names, **self.previous} if old else self.names

    def give(self, names: Names, time_us: int | None, received_us: int) -> None:
        """Store the names of a new birth."""
        self.previous, self.names = self.names, names
        self.since_us, self.born_us, self.alive = time_us, received_us, True


def load_births(conn: Connection, edges: Sequence[str]) -> list[Birth]:
    """Births of these edge nodes and their devices, locked until the transaction ends."""
    found = conn.execute(_SQL.load_births.encode(), {"edges": list(edges)}).fetchall()
    return [
        Birth(
            address, alive, bd_seq, seq, stamp_us, to_us(born_at), _names(aliases), since_us, _names(previous)
        )
        for address, alive, bd_seq, seq, stamp_us, born_at, aliases, since_us, previous in found
    ]


def _names(stored: dict[str, list[Any]]) -> Names:
    return {int(alias): Defined(*defined) for alias, defined in stored.items()}


def save_births(conn: Connection, births: Sequence[Birth]) -> None:
    if births:
        run(
            conn,
            _SQL.save_births,
            addresses=[birth.address for birth in births],
            alive=[birth.alive for birth in births],
            bd_seqs=[birth.bd_seq for birth in births],
            seqs=[birth.seq for birth in births],
            stamps=[birth.stamp_us for birth in births],
            born=[to_datetime(birth.born_us) for birth in births],
            aliases=[json.dumps(birth.names) for birth in births],
            since=[birth.since_us for birth in births],
            previous=[json.dumps(birth.previous) for birth in births],
        )
