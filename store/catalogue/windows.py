"""Declared windows: maintenance, access, incidents. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from insitu.errors import CorrectInput, NotFound
from insitu.model import WindowKind
from store.audit import record
from store.database import Connection, require_found, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/windows"):
    add_window: str
    same_window: str
    windows_of_trial: str
    stored_windows: str
    name_of_device: str
    hold_window: str
    end_window: str
    withdraw_window: str


@dataclass(frozen=True, slots=True)
class DeclaredWindow:
    """A window that counts. `[start, end)`; `end` None while it is open."""

    kind: WindowKind
    target_kind: str
    target: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime
    ended_at: datetime | None
    """When somebody ended it; None: it ends as declared."""


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A window with its history. `target`: the code of a trial or site, or TRIAL/DEVICE. `end`: as declared;
    `ended_at`: earlier, by somebody's word.
    """

    window_id: int
    kind: WindowKind
    target_kind: str
    target: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_for: str | None

    @property
    def until(self) -> datetime | None:
        """Its end, as it counts."""
        return self.ended_at or self.end

    @property
    def is_afterwards(self) -> bool:
        """Declared after its start."""
        return self.declared_at > self.start

    def has_begun(self, now: datetime) -> bool:
        return self.start <= now

    def is_over(self, now: datetime) -> bool:
        return self.withdrawn_at is not None or (self.until is not None and self.until <= now)


def add_window(
    conn: Connection,
    *,
    kind: WindowKind,
    start: datetime,
    end: datetime | None,
    reason: str,
    declared_by: str,
    now: datetime,
    trial: str | None = None,
    site: str | None = None,
    device_id: int | None = None,
) -> int:
    """Declare a window for exactly one of trial, site and device; `end` None: open. It may lie in the past;
    `declared_at` then shows that. NotFound if there is no such trial or site; CorrectInput if it does not end
    after its start.
    """
    if end is not None and end <= start:
        raise CorrectInput(f"The window ends at {end} but begins at {start}: the end must come later.")
    number = scalar(
        conn,
        _SQL.add_window,
        kind=str(kind),
        trial=trial,
        site=site,
        device_id=device_id,
        start=start,
        end=end,
        reason=reason,
        declared_by=declared_by,
        declared_at=now,
    )
    window_id = require_found(number, f"There is no {'trial' if trial else 'site'} {trial or site!r}.")
    detail = {"window": window_id, "kind": str(kind), "reason": reason, "start": _in_utc(start)}
    detail |= {} if end is None else {"end": _in_utc(end)}
    subject = trial or site or scalar(conn, _SQL.name_of_device, device_id=device_id)
    record(conn, at=now, login=declared_by, action="window", subject=subject, detail=detail)
    return window_id


def find_same_window(
    conn: Connection,
    *,
    kind: WindowKind,
    start: datetime,
    end: datetime | None,
    reason: str,
    declared_by: str,
    trial: str | None = None,
    site: str | None = None,
    device_id: int | None = None,
) -> int | None:
    """The number of a window that the same person has declared in the same words."""
    found: int | None = scalar(
        conn,
        _SQL.same_window,
        kind=str(kind),
        start=start,
        end=end,
        reason=reason,
        declared_by=declared_by,
        trial=trial,
        site=site,
        device_id=device_id,
    )
    return found


def list_windows(conn: Connection, trial: str) -> list[DeclaredWindow]:
    """Windows that count in a trial, in order of their start."""
    return rows(conn, DeclaredWindow, _SQL.windows_of_trial, trial=trial)


def list_stored_windows(
    conn: Connection, *, trial: str | None = None, site: str | None = None, most: int = 200
) -> list[StoredWindow]:
    """Windows of a site, or those that touch a trial, newest first; withdrawn ones too."""
    return rows(conn, StoredWindow, _SQL.stored_windows, window_id=None, trial=trial, site=site, most=most)


def get_window(conn: Connection, window_id: int) -> StoredWindow:
    """Raises NotFound if there is none."""
    found = row(conn, StoredWindow, _SQL.stored_windows, window_id=window_id, trial=None, site=None, most=1)
    if found is None:
        raise NotFound(f"There is no window {window_id}.")
    return found


def hold_window(conn: Connection, window_id: int) -> StoredWindow:
    """The same; nobody else changes it until the transaction ends."""
    scalar(conn, _SQL.hold_window, window_id=window_id)
    return get_window(conn, window_id)


def end_window(conn: Connection, window: StoredWindow, *, at: datetime, login: str) -> None:
    """The window ends at `at`, which lies in it."""
    run(conn, _SQL.end_window, window_id=window.window_id, at=at, login=login)
    detail = {"window": window.window_id}
    record(conn, at=at, login=login, action="end window", subject=window.target, detail=detail)


def withdraw_window(conn: Connection, window: StoredWindow, *, at: datetime, login: str, reason: str) -> None:
    """The window counts no longer; the row stays."""
    run(conn, _SQL.withdraw_window, window_id=window.window_id, at=at, login=login, reason=reason)
    detail = {"window": window.window_id, "reason": reason}
    record(conn, at=at, login=login, action="withdraw window", subject=window.target, detail=detail)


def _in_utc(when: datetime) -> str:
    return when.astimezone(UTC).isoformat()
