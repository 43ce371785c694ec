"""Corrections of entered or stored data, with a reason. The old value is kept and the audit log gets a line.
The caller owns the transaction.

An import replaces stored results; a deployment gets another start or end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from insitu.errors import CorrectInput
from insitu.model import Observation
from insitu.times import to_datetime
from store import quality
from store.audit import record
from store.database import Connection, row, rows, run
from store.imports import add_parts
from store.packed.days import days_of_keys, unpack
from store.queries import Queries
from store.spans import spans_of


class _SQL(Queries, file="corrections"):
    differing: str
    replace_results: str
    save_corrections: str
    check_again: str
    corrections: str
    corrections_by_file: str
    deployment_at: str
    correct_deployment: str


@dataclass(frozen=True, slots=True)
class Correction:
    """Who corrects, from which file, and why."""

    trial: str
    login: str
    reason: str
    file: str
    file_sha256: str
    import_id: int | None = None
    """The import that corrects."""


@dataclass(frozen=True, slots=True)
class Differing:
    datastream_id: int
    phenomenon_time: datetime
    old_result: float
    new_result: float
    old_received_at: datetime
    old_import_id: int | None
    old_clock_quality: int


@dataclass(frozen=True, slots=True)
class Corrected:
    device: str
    datastream: str
    phenomenon_time: datetime
    old_result: float
    new_result: float
    corrected_at: datetime
    login: str
    reason: str
    file: str
    is_withdrawn: bool
    """Its import was withdrawn."""


def correct(
    conn: Connection, observations: Sequence[Observation], *, correction: Correction, now: datetime
) -> int:
    """Replace stored results by different ones; returns how many. Of several results for one time the first
    counts. Times without a stored row are ignored.
    """
    offered: dict[tuple[int, int], float] = {}
    for one in observations:
        offered.setdefault((one.datastream_id, one.time_us), one.result)
    # A run of the checks then sees either all old or all new rows, and nobody else changes what differs.
    quality.take_turn(conn, correction.trial)
    _unpack(conn, offered)
    found = _replace(conn, offered, correction, now)
    if not found:
        return 0
    times = [one.phenomenon_time for one in found]
    keys = {"datastream_ids": [one.datastream_id for one in found], "times": times}
    results = [one.new_result for one in found]
    run(
        conn,
        _SQL.save_corrections,
        **keys,
        results=results,
        old_results=[one.old_result for one in found],
        received=[one.old_received_at for one in found],
        old_import_ids=[one.old_import_id for one in found],
        old_qualities=[one.old_clock_quality for one in found],
        import_id=correction.import_id,
        now=now,
        login=correction.login,
        reason=correction.reason,
        file=correction.file,
        file_sha256=correction.file_sha256,
    )
    run(conn, _SQL.check_again, **keys, now=now)
    if correction.import_id is not None:
        add_parts(conn, correction.import_id, [one.datastream_id for one in found], times)
    detail = {
        "reason": correction.reason,
        "file": correction.file,
        "sha256": correction.file_sha256,
        "results": len(found),
        "first": min(times).isoformat(),
        "last": max(times).isoformat(),
    }
    record(conn, at=now, login=correction.login, action="correct", subject=correction.trial, detail=detail)
    return len(found)


def _unpack(conn: Connection, offered: Mapping[tuple[int, int], float]) -> None:
    """Unpack the days in which an offered result differs from the stored one."""
    days = days_of_keys(conn, [stream for stream, _ in offered], [to_datetime(at) for _, at in offered])
    differing = []
    for day in days:
        columns, number = day.opened(), day.datastream_id
        stored = zip(columns.time_us.tolist(), columns.result.tolist(), strict=True)
        if any(offered.get((number, time_us), result) != result for time_us, result in stored):
            differing.append(day)
    unpack(conn, differing)


def _replace(
    conn: Connection, offered: Mapping[tuple[int, int], float], correction: Correction, now: datetime
) -> list[Differing]:
    """Replace the stored results that differ; returns those, span by span."""
    keys = [(stream, to_datetime(time_us)) for stream, time_us in offered]
    results = list(offered.values())
    replaced: list[Differing] = []
    for span, which in spans_of(keys):
        found = rows(
            conn,
            Differing,
            _SQL.differing,
            **asdict(span),
            times=[keys[n][1] for n in which],
            results=[results[n] for n in which],
            file_sha256=correction.file_sha256,
            reason=correction.reason,
        )
        if found:
            run(
                conn,
                _SQL.replace_results,
                **asdict(span),
                times=[one.phenomenon_time for one in found],
                results=[one.new_result for one in found],
                now=now,
                import_id=correction.import_id,
            )
        replaced += found
    return replaced


def corrections(conn: Connection, trial: str, *, most: int = 1000) -> list[Corrected]:
    """Corrections of a trial, newest first."""
    return rows(conn, Corrected, _SQL.corrections, trial=trial, most=most)


@dataclass(frozen=True, slots=True)
class CorrectedByFile:
    """Results of a datastream, `device/name`, that one file replaced, measured from `first` to `last`."""

    datastream: str
    file: str
    reason: str
    corrected_by: str
    corrected_at: datetime
    first: datetime
    last: datetime
    results: int
    moved: float
    """Mean of new − old."""


def corrections_by_file(conn: Connection, trial: str, before: datetime) -> list[CorrectedByFile]:
    """Corrections of a trial up to `before` that are in use then, in order of time."""
    return rows(conn, CorrectedByFile, _SQL.corrections_by_file, trial=trial, before=before)


@dataclass(frozen=True, slots=True)
class Placed:
    """A deployment, `[start, end)`; `end` is None while it lasts."""

    deployment_id: int
    site: str
    position: str
    start: datetime
    end: datetime | None


def correct_deployment(
    conn: Connection,
    *,
    device_id: int,
    subject: str,
    at: datetime | None,
    start: datetime | None,
    end: datetime | None,
    login: str,
    reason: str,
    now: datetime,
) -> Placed:
    """Change start or end of the deployment at `at` (None: the last one). A None for `start` or `end` keeps
    the old value.

    Raises CorrectInput if there is no such deployment, if it would end before it starts, or if it would
    overlap another one.
    """
    before = row(conn, Placed, _SQL.deployment_at, device_id=device_id, at=at)
    if before is None:
        raise CorrectInput(f"{subject} was not deployed {'at that time' if at else 'yet'}.")
    after = Placed(
        before.deployment_id, before.site, before.position, start or before.start, end or before.end
    )
    if after.end is not None and after.end <= after.start:
        raise CorrectInput(
            f"The deployment would end at {after.end:%Y-%m-%d %H:%M} and begin at "
            f"{after.start:%Y-%m-%d %H:%M} UTC."
        )
    try:
        run(
            conn,
            _SQL.correct_deployment,
            deployment_id=after.deployment_id,
            start=after.start,
            end=after.end,
        )
    except CorrectInput as overlap:
        raise CorrectInput(
            f"{subject} was deployed elsewhere during a part of that time: correct that deployment first."
        ) from overlap
    detail = {name: [str(getattr(before, name)), str(getattr(after, name))] for name in ("start", "end")}
    record(
        conn,
        at=now,
        login=login,
        action="correct deployment",
        subject=subject,
        detail={"reason": reason, **detail},
    )
    return after
