"""Declared windows: maintenance, incidents. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from insitu.errors import CorrectInput
from insitu.model import WindowKind
from store.audit import record
from store.database import Connection, require_found, rows, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/windows"):
    add_window: str
    windows_of_trial: str
    name_of_device: str


@dataclass(frozen=True, slots=True)
class DeclaredWindow:
    kind: WindowKind
    target_kind: str
    target: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime


def add_window(
    conn: Connection,
    *,
    kind: WindowKind,
    start: datetime,
    end: datetime,
    reason: str,
    declared_by: str,
    now: datetime,
    trial: str | None = None,
    site: str | None = None,
    device_id: int | None = None,
) -> int:
    """Declare a window for exactly one of trial, site and device. It may lie in the past; `declared_at` then
    shows that. NotFound if there is no such trial or site; CorrectInput if it does not end after its start.
    """
    if end <= start:
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
    detail = {"window": window_id, "kind": str(kind), "reason": reason}
    detail |= {"start": start.astimezone(UTC).isoformat(), "end": end.astimezone(UTC).isoformat()}
    subject = trial or site or scalar(conn, _SQL.name_of_device, device_id=device_id)
    record(conn, at=now, login=declared_by, action="window", subject=subject, detail=detail)
    return window_id


def list_windows(conn: Connection, trial: str) -> list[DeclaredWindow]:
    return rows(conn, DeclaredWindow, _SQL.windows_of_trial, trial=trial)
