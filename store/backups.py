"""The state of the backups of this installation, for `check`, alerts and the metrics. The caller
owns the transaction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from store.database import Connection, row, run
from store.queries import Queries

LATE: Final = 2
"""A scheduled backup is too old after this number of its intervals."""
NOT_RECEIVED: Final = timedelta(minutes=10)
"""Age of the last received change at which the archive counts as cut off."""


class BackupFault(StrEnum):
    """Of backups that are made by themselves."""

    OVERDUE = "overdue"
    NOT_RECEIVED = "not_received"
    """The changes since the newest backup."""
    FAILED = "failed"
    """The last attempt; the newest backup is young enough still."""
    NEVER = "never"
    """Every attempt failed so far."""


class _SQL(Queries, file="backups"):
    backup_state: str
    save_backup_state: str
    note_restore: str


@dataclass(frozen=True, slots=True)
class BackupState:
    """`made_at` to `seconds`: of the newest backup, None before the first. `every_hours`: None where no
    schedule is set. `received_at`: when the archive last had everything that was committed; None without one.
    """

    made_at: datetime | None = None
    place: str | None = None
    kind: str | None = None
    bytes: int | None = None
    seconds: float | None = None
    every_hours: float | None = None
    received_at: datetime | None = None
    trouble: str | None = None
    """Why the last attempt failed; None if it did not."""


def load_backup_state(conn: Connection) -> BackupState:
    return row(conn, BackupState, _SQL.backup_state) or BackupState()


def find_fault(state: BackupState, now: datetime) -> BackupFault | None:
    """None where nothing is wrong, or where no backup is made by itself. `now`: by the wall."""
    if state.every_hours is None:
        return None
    if state.made_at is None:
        return BackupFault.NEVER if state.trouble else None
    if now - state.made_at > LATE * timedelta(hours=state.every_hours):
        return BackupFault.OVERDUE
    if state.received_at is None or now - state.received_at > NOT_RECEIVED:
        return BackupFault.NOT_RECEIVED
    return BackupFault.FAILED if state.trouble else None


def save_backup_state(conn: Connection, state: BackupState) -> None:
    run(conn, _SQL.save_backup_state, **asdict(state))


def note_restore(conn: Connection, note: str) -> bool:
    """Remember a restore; False if it was remembered before."""
    return run(conn, _SQL.note_restore, note=note) > 0
