"""Flags of the quality checks: their roll-up in the observation, and flags by check in a table. The caller
owns the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Ints
from insitu.times import to_datetime
from store.database import Connection, rows, run
from store.packed.days import raise_packed_flags
from store.queries import Queries


class _SQL(Queries, file="quality"):
    take_turn: str
    make_staging: str
    raise_flags: str
    empty_staging: str
    clear_flags: str
    save_run: str
    mark_checked: str
    unchecked: str
    runs: str
    check_counts: str
    flags_of: str


@dataclass(frozen=True, slots=True)
class QualityRun:
    datastream_id: int
    checked_at: datetime
    checks: list[str]
    ran: list[str]
    parameters: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    datastream_id: int
    unchecked_from: datetime


@dataclass(frozen=True, slots=True)
class CheckCount:
    datastream_id: int
    check_name: str
    n: int


@dataclass(frozen=True, slots=True)
class CheckFlag:
    datastream_id: int
    phenomenon_time: datetime
    check_name: str
    flag: int


def save_flags(
    conn: Connection,
    *,
    datastream_id: int,
    times_us: Ints,
    flags: NDArray[np.int8],
    by_check: Mapping[str, tuple[Ints, NDArray[np.int8]]],
    checks: Sequence[str],
    ran: Sequence[str],
    parameters: str,
    sha256: str,
    now: datetime,
    received_before: datetime,
) -> None:
    """Save one run over one datastream. `flags` is the roll-up for each observation it saw; `by_check` holds
    the flags that are not PASS.

    `received_before`: the newest receipt that the run has seen; later observations stay unchecked.
    """
    if len(times_us):
        run(conn, _SQL.make_staging)
        run(conn, _SQL.empty_staging)
        with conn.cursor().copy("COPY quality_staging FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["timestamptz", "int2"])
            for time_us, flag in zip(times_us.tolist(), flags.tolist(), strict=True):
                copy.write_row((to_datetime(time_us), flag))
        first, last = to_datetime(int(times_us.min())), to_datetime(int(times_us.max()))
        run(conn, _SQL.raise_flags, datastream_id=datastream_id, first=first, last=last)
        raise_packed_flags(conn, datastream_id, times_us, flags)
        run(conn, _SQL.clear_flags, datastream_id=datastream_id, first=first, last=last)
        _copy_flags(conn, datastream_id, by_check, sha256)
    run(
        conn,
        _SQL.save_run,
        datastream_id=datastream_id,
        now=now,
        checks=list(checks),
        ran=list(ran),
        parameters=parameters,
        sha256=sha256,
    )
    run(conn, _SQL.mark_checked, datastream_id=datastream_id, received_before=received_before)


def _copy_flags(
    conn: Connection,
    datastream_id: int,
    by_check: Mapping[str, tuple[Ints, NDArray[np.int8]]],
    sha256: str,
) -> None:
    with conn.cursor().copy("COPY quality_flag FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "timestamptz", "text", "int2", "text"])
        for check, (times, flags) in by_check.items():
            for time_us, flag in zip(times.tolist(), flags.tolist(), strict=True):
                copy.write_row((datastream_id, to_datetime(time_us), check, flag, sha256))


def take_turn(conn: Connection, trial: str) -> None:
    """Wait until no other transaction runs the checks over this trial."""
    run(conn, _SQL.take_turn, trial=trial)


def unchecked(conn: Connection, trial: str) -> list[Unchecked]:
    return rows(conn, Unchecked, _SQL.unchecked, trial=trial)


def quality_runs(conn: Connection, datastream_ids: Sequence[int]) -> dict[int, QualityRun]:
    found = rows(conn, QualityRun, _SQL.runs, datastream_ids=list(datastream_ids))
    return {one.datastream_id: one for one in found}


def check_counts(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> list[CheckCount]:
    """Observations of `[start, end)` that did not pass, by check."""
    return rows(
        conn, CheckCount, _SQL.check_counts, datastream_ids=list(datastream_ids), start=start, end=end
    )


def flags_of(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> list[CheckFlag]:
    return rows(conn, CheckFlag, _SQL.flags_of, datastream_ids=list(datastream_ids), start=start, end=end)
