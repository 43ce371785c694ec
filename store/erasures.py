"""Erasure of results, messages and persons: one function of the database does it and writes what went; the
audit log gets a line, which the installation signs. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from insitu.errors import CorrectInput, NotFound
from store import quality
from store.audit import AuditLine, record
from store.catalogue.devices import find_device
from store.catalogue.trials import get_trial
from store.database import Connection, row, rows, scalar
from store.packed.days import note_whole_days, unpack_beside
from store.people import disable, get_member
from store.queries import Queries


class _SQL(Queries, file="erasures"):
    streams_of: str
    erase: str
    erase_person: str
    erasures: str
    erased_of_devices: str
    erased_after: str
    erased_results: str
    copies: str
    line_of_erasure: str


PARTS: Final = ("results", "messages", "statuses")
ACTION: Final = "erase"
_MOST_REASON: Final = 500
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Scope:
    """Parts of a trial, or of one device of it, in `[since, until)`: by the time of a result, and by the
    receipt of a message. None: without an end.
    """

    trial: str
    device: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    parts: Sequence[str] = PARTS


@dataclass(frozen=True, slots=True)
class Erasure:
    """`erased`: rows by table; `results_by_device`: results that the ledger counts as stored."""

    erasure_id: int
    at: datetime
    by_login: str
    reason: str
    trial: str | None
    device: str | None
    person_id: int | None
    from_time: datetime | None
    to_time: datetime | None
    parts: list[str]
    erased: dict[str, int]
    results_by_device: dict[str, int]

    @property
    def rows(self) -> int:
        return sum(self.erased.values())


@dataclass(frozen=True, slots=True)
class ErasedSince:
    """`device` None: of the whole trial."""

    erasure_id: int
    at: datetime
    reason: str
    device: str | None

    def __str__(self) -> str:
        return f"erasure {self.erasure_id} of {self.at:%Y-%m-%d}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ErasedResults:
    """The results that an erasure took from a device, in `[from_time, to_time)`; None: without a limit."""

    erasure_id: int
    at: datetime
    reason: str
    device: str
    from_time: datetime | None
    to_time: datetime | None
    results: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of results that somebody took away: erasure does not reach it."""

    action: str
    login: str
    at: datetime


def erase(conn: Connection, scope: Scope, *, login: str, reason: str, now: datetime) -> Erasure:
    """CorrectInput without a reason or with an empty span; NotFound if there is no such trial or device."""
    reason = _reason(reason)
    if scope.since is not None and scope.until is not None and scope.since >= scope.until:
        raise CorrectInput("The span ends before it begins: --from is earlier than --to.")
    if scope.trial != _UNKNOWN:
        get_trial(conn, scope.trial)
        quality.take_turn(conn, scope.trial)  # a run of the checks sees all of it or nothing
    if scope.device is not None:
        find_device(conn, scope.trial, scope.device)
    if "results" in scope.parts:
        found = conn.execute(
            _SQL.streams_of.encode(), {"trial": scope.trial, "device": scope.device}
        ).fetchall()
        streams = [number for (number,) in found]
        unpack_beside(conn, streams, scope.since, scope.until)
        note_whole_days(conn, streams, scope.since, scope.until)
    number = scalar(
        conn,
        _SQL.erase,
        now=now,
        login=login,
        reason=reason,
        trial=scope.trial,
        device=scope.device,
        since=scope.since,
        until=scope.until,
        parts=list(scope.parts),
    )
    return _recorded(conn, int(number), scope.trial, login=login, now=now)


def erase_person(conn: Connection, person: str, *, login: str, reason: str, now: datetime) -> Erasure:
    """Name, login, sessions, addresses and tokens of a person. The lines of the audit log stay."""
    found = get_member(conn, person)
    if found.disabled_at is None:
        disable(conn, found, by=login, now=now)  # not the last person of the lab
    number = scalar(
        conn,
        _SQL.erase_person,
        now=now,
        login=login,
        reason=_reason(reason),
        person_id=found.person_id,
    )
    return _recorded(conn, int(number), f"person {found.person_id}", login=login, now=now)


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not 1 <= len(reason) <= _MOST_REASON:
        raise CorrectInput(f"Say why it is erased, in at most {_MOST_REASON} characters.")
    return reason


def _recorded(conn: Connection, number: int, subject: str, *, login: str, now: datetime) -> Erasure:
    done = get_erasure(conn, number)
    record(conn, at=now, login=login, action=ACTION, subject=subject, detail=_detail(done))
    return done


def _detail(done: Erasure) -> dict[str, Any]:
    """As `pairs` of evidence.sql compares it."""
    return {
        "erasure": done.erasure_id,
        "reason": done.reason,
        "trial": done.trial,
        "device": done.device,
        "person": done.person_id,
        "from": None if done.from_time is None else done.from_time.isoformat(),
        "to": None if done.to_time is None else done.to_time.isoformat(),
        "parts": list(done.parts),
        "erased": done.erased,
        "results_by_device": done.results_by_device,
    }


def get_erasure(conn: Connection, number: int) -> Erasure:
    found = row(conn, Erasure, _SQL.erasures, trial=None, number=number, most=1)
    if found is None:
        raise NotFound(f"There is no erasure {number}: `insitu erasures` lists them.")
    return found


def list_erasures(conn: Connection, trial: str | None = None, *, most: int = 1000) -> list[Erasure]:
    """Newest first; None: of all trials, and of persons."""
    return rows(conn, Erasure, _SQL.erasures, trial=trial, number=None, most=most)


def count_erased(conn: Connection, trial: str) -> dict[str, int]:
    """Device → stored results that were erased."""
    return dict(conn.execute(_SQL.erased_of_devices.encode(), {"trial": trial}).fetchall())


def erased_since(conn: Connection, trial: str, after: datetime) -> list[ErasedSince]:
    """Erasures of results of a trial at or after a moment, oldest first."""
    return rows(conn, ErasedSince, _SQL.erased_after, trial=trial, after=after)


def erased_results(conn: Connection, trial: str, until: datetime) -> list[ErasedResults]:
    """Results of a trial that were erased up to a moment, by erasure and device, oldest first."""
    return rows(conn, ErasedResults, _SQL.erased_results, trial=trial, until=until)


def list_copies(conn: Connection, trial: str) -> list[Copy]:
    """Exports and downloads of a trial's results, oldest first."""
    return rows(conn, Copy, _SQL.copies, trial=trial)


def line_of_erasure(conn: Connection, number: int) -> AuditLine:
    """The line of the audit log that tells of it."""
    found = row(conn, AuditLine, _SQL.line_of_erasure, number=str(number))
    assert found is not None  # both are written in one transaction
    return found
