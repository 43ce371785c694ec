"""Imports: which file or pull brought which results, and the withdrawal of an import. The caller owns the
transaction.

A withdrawn result leaves the observations and is kept beside them. Nothing else has to leave it out, and the
right file can be imported for the same times.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from insitu.errors import CorrectInput, NotFound
from insitu.model import ClockQuality
from insitu.times import to_us
from store import quality
from store.audit import record
from store.database import Connection, row, rows, run, scalar
from store.packed.codec import decode
from store.packed.days import days_within, unpack, unpack_newest
from store.queries import Queries
from store.spans import Span


class _SQL(Queries, file="imports"):
    begin_import: str
    share_import: str
    add_parts: str
    imports: str
    unknown_imports: str
    hold_import: str
    trials_of_import: str
    mark_withdrawn: str
    keep_withdrawn: str
    parts_of_import: str
    put_back: str
    take_out: str
    drop_flags: str
    latest_again: str
    no_latest: str
    withdrawn_counts: str
    same_file: str
    withdrawals: str
    withdrawn_of_devices: str
    origins: str
    files_of: str


_MOST_REASON = 500
_FROM_FILE: Final = (ClockQuality.FILE, ClockQuality.CORRECTED)


@dataclass(frozen=True, slots=True)
class Origin:
    """A file or a pull. `trial` None and no `file_sha256`: uplinks of a network server."""

    file: str
    login: str
    trial: str | None = None
    file_sha256: str | None = None
    understood: Sequence[str] = ()
    """Sentences about zone, units and columns."""


@dataclass(frozen=True, slots=True)
class Import:
    """An import. `trials`: how many have results of it; `results`: stored by it, or put in the place of
    others.
    """

    import_id: int
    trial: str | None
    trials: int
    file: str
    file_sha256: str | None
    login: str
    imported_at: datetime
    understood: list[str]
    results: int
    devices: list[str]
    first_time: datetime | None
    last_time: datetime | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_for: str | None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The outcome of a withdrawal. `is_new`: False if the import had been withdrawn before."""

    import_id: int
    is_new: bool
    taken_out: int
    """Results that are out of use."""
    put_back: int
    """Results that the import had corrected, and whose earlier value is in use again."""
    trials: list[str]
    same_file: list[int]
    """Other imports of the same file that are in use."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Results of one datastream that are out of use."""

    import_id: int
    file: str
    file_sha256: str | None
    login: str
    imported_at: datetime
    withdrawn_at: datetime
    withdrawn_by: str
    withdrawn_for: str
    datastream: str
    """device/name."""
    first_time: datetime
    last_time: datetime
    results: int


@dataclass(frozen=True, slots=True)
class ResultOrigin:
    """Where a stored result came from. `import_id` and `file` None: from its device, or from a file before
    imports had numbers.
    """

    datastream_id: int
    phenomenon_time: datetime
    import_id: int | None
    file: str | None
    is_from_file: bool


@dataclass(frozen=True, slots=True)
class _Counts:
    taken_out: int
    put_back: int


def begin_import(conn: Connection, origin: Origin, *, now: datetime) -> int:
    """Returns the number of the import."""
    number = int(
        scalar(
            conn,
            _SQL.begin_import,
            trial=origin.trial,
            file=origin.file,
            file_sha256=origin.file_sha256,
            login=origin.login,
            understood=json.dumps(list(origin.understood)),
            now=now,
        )
    )
    detail = {"import": number, "file": origin.file, "sha256": origin.file_sha256}
    record(conn, at=now, login=origin.login, action="import", subject=origin.trial or "–", detail=detail)
    return number


def add_parts(
    conn: Connection, import_id: int, datastream_ids: Sequence[int], times: Sequence[datetime]
) -> None:
    """Note where the results are that an import has just stored. CorrectInput if it was withdrawn
    meanwhile.
    """
    if datastream_ids:
        if scalar(conn, _SQL.share_import, import_id=import_id) is not None:
            raise CorrectInput(f"Import {import_id} was withdrawn while it ran.")
        run(
            conn,
            _SQL.add_parts,
            import_id=import_id,
            datastream_ids=list(datastream_ids),
            times=list(times),
        )


def list_imports(conn: Connection, trial: str | None = None, *, most: int = 1000) -> list[Import]:
    """Newest first; None: of all trials."""
    return rows(conn, Import, _SQL.imports, trial=trial, import_id=None, most=most)


def list_origins(
    conn: Connection, datastream_ids: Sequence[int], times: Sequence[datetime]
) -> dict[tuple[int, datetime], ResultOrigin]:
    """Of stored results, by datastream and time."""
    keys = list(zip(datastream_ids, times, strict=True))
    found: dict[tuple[int, datetime], tuple[int | None, int]] = {}
    parameters = {"datastream_ids": list(datastream_ids), "times": list(times)}
    for number, time, import_id, clock, columns in conn.execute(_SQL.origins.encode(), parameters).fetchall():
        if columns is None:
            found[number, time] = import_id, clock
            continue
        day = decode(columns)
        for key in keys:
            at = int(np.searchsorted(day.time_us, to_us(key[1])))
            if key[0] == number and at < len(day.time_us) and day.time_us[at] == to_us(key[1]):
                found[key] = int(day.import_id[at]) if day.import_id[at] >= 0 else None, int(day.quality[at])
    numbers = sorted({import_id for import_id, _ in found.values() if import_id is not None})
    files = dict(conn.execute(_SQL.files_of.encode(), {"import_ids": numbers}).fetchall()) if numbers else {}
    return {
        key: ResultOrigin(*key, import_id, files.get(import_id), clock in _FROM_FILE)
        for key, (import_id, clock) in found.items()
    }


def get_import(conn: Connection, import_id: int) -> Import:
    found = row(conn, Import, _SQL.imports, trial=None, import_id=import_id, most=1)
    if found is None:
        raise NotFound(f"There is no import {import_id}: `insitu imports` lists them.")
    return found


def count_unknown(conn: Connection, trial: str) -> int:
    """Results of a trial from files that were imported before imports had numbers."""
    return int(scalar(conn, _SQL.unknown_imports, trial=trial))


def trials_of_import(conn: Connection, import_id: int) -> list[str]:
    return [code for (code,) in conn.execute(_SQL.trials_of_import.encode(), {"import_id": import_id})]


def withdraw_import(conn: Connection, import_id: int, *, login: str, reason: str, now: datetime) -> Withdrawn:
    """Take the results of an import out of use. They are kept; a result that the import had corrected gets
    its
    earlier value back. Idempotent: the first call counts.

    NotFound if there is no such import; CorrectInput without a reason.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= _MOST_REASON:
        raise CorrectInput(f"Say why the import is withdrawn, in at most {_MOST_REASON} characters.")
    held = conn.execute(_SQL.hold_import.encode(), {"import_id": import_id}).fetchall()
    if not held:
        raise NotFound(f"There is no import {import_id}: `insitu imports` lists them.")
    trials = trials_of_import(conn, import_id)
    is_new = held == [(None,)]
    if is_new:
        _take_out(conn, import_id, trials, login=login, reason=reason, now=now)
    counts = row(conn, _Counts, _SQL.withdrawn_counts, import_id=import_id)
    assert counts is not None  # an aggregate always has a row
    found = Withdrawn(
        import_id,
        is_new,
        counts.taken_out,
        counts.put_back,
        trials,
        [number for (number,) in conn.execute(_SQL.same_file.encode(), {"import_id": import_id})],
    )
    if is_new:
        detail: dict[str, Any] = {"import": import_id, "reason": reason}
        detail |= {"taken_out": counts.taken_out, "put_back": counts.put_back}
        for trial in trials or ["–"]:
            record(conn, at=now, login=login, action="withdraw import", subject=trial, detail=detail)
    return found


def _take_out(
    conn: Connection, import_id: int, trials: Sequence[str], *, login: str, reason: str, now: datetime
) -> None:
    for trial in trials:
        quality.take_turn(conn, trial)  # a run of the checks then sees either all old or all new rows
    run(conn, _SQL.mark_withdrawn, import_id=import_id, login=login, reason=reason, now=now)
    parts = rows(conn, Span, _SQL.parts_of_import, import_id=import_id)
    streams = [part.datastream_id for part in parts]
    unpack(conn, days_within(conn, streams, [part.first for part in parts], [part.last for part in parts]))
    run(conn, _SQL.keep_withdrawn, import_id=import_id)
    for span in parts:
        run(conn, _SQL.put_back, import_id=import_id, **asdict(span))
        run(conn, _SQL.take_out, import_id=import_id, **asdict(span))
    run(conn, _SQL.drop_flags, import_id=import_id)
    unpack_newest(conn, streams)
    for step in (_SQL.latest_again, _SQL.no_latest):
        run(conn, step, import_id=import_id)


def list_withdrawals(conn: Connection, trial: str, before: datetime) -> list[Withdrawal]:
    """Results of a trial that were withdrawn up to `before`, by import and datastream."""
    return rows(conn, Withdrawal, _SQL.withdrawals, trial=trial, before=before)


def count_withdrawn(conn: Connection, trial: str) -> dict[str, int]:
    """Device → stored results that are out of use."""
    return dict(conn.execute(_SQL.withdrawn_of_devices.encode(), {"trial": trial}).fetchall())
