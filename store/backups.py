"""The state of the backups of this installation, for `check` and the metrics. The caller owns the
transaction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from store.database import Connection, row, run
from store.queries import Queries


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


def save_backup_state(conn: Connection, state: BackupState) -> None:
    run(conn, _SQL.save_backup_state, **asdict(state))


def note_restore(conn: Connection, note: str) -> bool:
    """Remember a restore; False if it was remembered before."""
    return run(conn, _SQL.note_restore, note=note) > 0
