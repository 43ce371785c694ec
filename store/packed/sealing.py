"""Seals of days with packed results: the same digests as those of observations, worked out here because the
server cannot open a packed day. The caller owns the transaction.

A day is sealed without a lock. Its notes are taken away first. A change that is committed since then has a
note of its own that the next statement sees, and the seal leaves that change out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from insitu.model import Flag
from insitu.times import to_datetime, to_us
from store.database import Connection, rows, run
from store.packed.codec import Columns, Damaged, decode
from store.packed.digests import digests_of
from store.queries import Queries

log = logging.getLogger("insitu.store")


class _SQL(Queries, file="packed/sealing"):
    ready: str
    new_days: str
    noted_packed: str
    take_notes: str
    one_day: str
    doubtful: str
    save_days: str
    move_end: str
    sealed_packed: str
    outside: str


Notes = dict[int, bytes | None]
"""Time of a result in µs since 1970 → its digest before it changed; None: it was not there."""


class Content(NamedTuple):
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DaySeal:
    """A sealed day, and how many more rows there are now."""

    part: int
    from_time: datetime
    to_time: datetime
    more: int


@dataclass(frozen=True, slots=True)
class _Ready:
    part: int
    sealed_until: str
    """Perhaps "-infinity", which no `datetime` is."""
    noted_until: datetime
    time_zone: str


@dataclass(frozen=True, slots=True)
class _Noted:
    part: int
    from_time: datetime
    to_time: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class _Material:
    """The parts of the digest of a span, as the database's `results_of` gives it; `rows` and `sha256` are
    those of its seal.
    """

    part: int
    from_time: datetime
    to_time: datetime
    rows: int
    sha256: str
    times: list[int] | None
    digests: list[bytes] | None
    noted: list[int] | None
    was: list[bytes | None] | None
    packed: list[bytes] | None

    @property
    def notes(self) -> Notes:
        return dict(zip(self.noted or (), self.was or (), strict=True))


@dataclass(slots=True)
class _Opener:
    """Opens packed days and keeps the last ones, because neighbouring spans share them."""

    _kept: dict[tuple[int, bytes], tuple[list[int], list[bytes]]] = field(default_factory=dict)

    def results(self, part: int, packed: Sequence[bytes], since: int, until: int) -> list[tuple[int, bytes]]:
        """(time, digest) of the results in `[since, until)`; raises Damaged."""
        found: list[tuple[int, bytes]] = []
        for key in [(part, record) for record in packed]:
            if key not in self._kept:
                self._kept[key] = self._opened(*key)
            times, digests = self._kept[key]
            found += [
                (time, digest) for time, digest in zip(times, digests, strict=True) if since <= time < until
            ]
        for key in list(self._kept)[:-2]:
            del self._kept[key]
        return found

    @staticmethod
    def _opened(part: int, record: bytes) -> tuple[list[int], list[bytes]]:
        columns = decode(record)
        return columns.time_us.tolist(), digests_of(part, columns)


def seal_new_days(conn: Connection, seal: int) -> int:
    """Seal the noted days of datastreams with packed results; returns how many days. Call it after the
    statement that seals those of the others. A datastream with a damaged packed day waits until that is
    restored.
    """
    count = 0
    for one in rows(conn, _Ready, _SQL.ready):
        try:
            with conn.transaction():  # a savepoint: the notes stay if the days are not sealed
                count += _seal_new(conn, seal, one)
        except Damaged as error:
            log.error("Results of datastream %d are not sealed: %s", one.part, error)
    return count


def _seal_new(conn: Connection, seal: int, one: _Ready) -> int:
    _take_notes(conn, one.part, one.sealed_until, one.noted_until)
    opener, sealed = _Opener(), []
    for day in _materials(
        conn,
        _SQL.new_days,
        part=one.part,
        since=one.sealed_until,
        until=one.noted_until,
        zone=one.time_zone,
    ):
        content = _content(day, day.notes, opener)
        if content.rows:
            sealed.append((day.from_time, day.to_time, content))
    _save(conn, seal, one.part, sealed)
    run(conn, _SQL.move_end, part=one.part, until=one.noted_until)
    return len(sealed)


def seal_days_again(conn: Connection, seal: int) -> int:
    """Seal the days with packed results again in which acts changed something, if nothing else did; returns
    how many.
    """
    count, opener = 0, _Opener()
    for one in rows(conn, _Noted, _SQL.noted_packed):
        try:
            with conn.transaction():  # a savepoint: the notes stay if the day is not sealed
                content = _content_again(conn, one, opener)
                _save(conn, seal, one.part, [(one.from_time, one.to_time, content)])
        except (Damaged, _Unexplained):
            continue  # the day stays named
        count += 1
    return count


class _Unexplained(Exception):
    """Acts do not explain how a day differs from its seal."""


def _content_again(conn: Connection, one: _Noted, opener: _Opener) -> Content:
    """The day as it is now, without its notes. Raises Damaged and _Unexplained."""
    taken = _take_notes(conn, one.part, one.from_time, one.to_time)
    (day,) = _materials(conn, _SQL.one_day, part=one.part, since=one.from_time, until=one.to_time)
    before = _content(day, day.notes | taken, opener)
    if before.sha256 != one.sha256 or not _are_explained(conn, day, taken):
        raise _Unexplained
    return _content(day, day.notes, opener)


def find_differing(conn: Connection, *, most: int, salt: str) -> list[DaySeal]:
    """Sealed days with packed results that are not those of their seal; of the days that `salt` chooses."""
    found, opener = [], _Opener()
    for day in _materials(conn, _SQL.sealed_packed, most=most, salt=salt):
        try:
            content = _content(day, day.notes, opener)
        except Damaged:
            content = Content(day.rows, "")
        if content.sha256 != day.sha256:
            found.append(DaySeal(day.part, day.from_time, day.to_time, content.rows - day.rows))
    return found


def find_outside(conn: Connection) -> list[DaySeal]:
    """Packed results in days that were sealed without any: times of the first and last, and how many, of each
    datastream. Of a packed day that is damaged nothing: `find_wrong_days` names it.
    """
    found: dict[int, list[int]] = {}
    opener = _Opener()
    for day in _materials(conn, _SQL.outside):
        noted = set(day.noted or ())
        try:
            results = opener.results(day.part, day.packed or (), to_us(day.from_time), to_us(day.to_time))
        except Damaged:
            continue
        times = [time for time, _ in results if time not in noted]
        if times:
            found.setdefault(day.part, []).extend(times)
    return [
        DaySeal(part, to_datetime(min(times)), to_datetime(max(times)), len(times))
        for part, times in found.items()
    ]


def explains(part: int, packed: Sequence[bytes], doubtful: Notes) -> bool:
    """Whether each of these results is in a packed day, perhaps under another flag."""
    left = {time: was for time, was in doubtful.items() if was is not None}
    for record in packed:
        try:
            columns = decode(record)
        except Damaged:
            continue
        mine = columns.at(np.isin(columns.time_us, list(left)))
        times = mine.time_us.tolist()
        for flag in Flag:
            flagged: Columns = mine._replace(flag=np.full(len(times), flag, np.int8))
            for time, digest in zip(times, digests_of(part, flagged), strict=True):
                if left.get(time) == digest:
                    del left[time]
    return not left


def _are_explained(conn: Connection, day: _Material, taken: Notes) -> bool:
    times, was = list(taken), list(taken.values())
    parameters = {"part": day.part, "times": [to_datetime(time) for time in times], "was": was}
    doubtful = [n - 1 for (n,) in conn.execute(_SQL.doubtful.encode(), parameters).fetchall()]
    return explains(day.part, day.packed or (), {times[n]: was[n] for n in doubtful})


def _content(day: _Material, notes: Notes, opener: _Opener) -> Content:
    """Number and digest of the results of a span as they were before the changes that are noted."""
    results = list(zip(day.times or (), day.digests or (), strict=True))
    results += opener.results(day.part, day.packed or (), to_us(day.from_time), to_us(day.to_time))
    kept = [one for one in results if one[0] not in notes]
    kept += [(time, was) for time, was in notes.items() if was is not None]
    kept.sort()
    return Content(len(kept), sha256(b"".join(digest for _, digest in kept)).hexdigest())


def _materials(conn: Connection, statement: str, **parameters: Any) -> Iterator[_Material]:
    with conn.cursor() as cursor:
        for values in cursor.stream(statement.encode(), parameters):
            yield _Material(*values)


def _take_notes(conn: Connection, part: int, since: datetime | str, until: datetime) -> Notes:
    parameters = {"part": part, "since": since, "until": until}
    return dict(conn.execute(_SQL.take_notes.encode(), parameters).fetchall())


def _save(conn: Connection, seal: int, part: int, days: Sequence[tuple[datetime, datetime, Content]]) -> None:
    run(
        conn,
        _SQL.save_days,
        seal=seal,
        part=part,
        starts=[start for start, _, _ in days],
        ends=[end for _, end, _ in days],
        rows=[content.rows for *_, content in days],
        digests=[content.sha256 for *_, content in days],
    )
