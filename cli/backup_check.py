"""The questions of `check` about backups and the disk."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.policy import CannotAsk, LookAt
from cli.reports import in_utc
from insitu.errors import InsituError
from insitu.room import Room, least_free, megabytes
from store.backups import BackupFault, find_fault, load_backup_state

if TYPE_CHECKING:
    from store.database import Connection

SELDOM: Final = timedelta(days=8)
"""Age at which a backup that nothing makes by itself needs a look."""


def describe_backups(conn: Connection, *, is_simulated: bool, now: datetime) -> str:
    """Raises InsituError where a scheduled one is too old, LookAt where there is none, CannotAsk in a
    simulated time. `now`: by the wall.
    """
    if is_simulated:
        raise CannotAsk("this installation runs in a simulated time, and is made again, not restored.")
    state = load_backup_state(conn)
    why = f" The last attempt: {state.trouble}" if state.trouble else ""
    if state.made_at is None:
        raise LookAt(
            "there is none. Set INSITU_BACKUP_DIR to a folder on another disk and start `insitu up` "
            "again, or "
            f"run `insitu backup --to FOLDER`.{why}"
        )
    age = now - state.made_at
    words = f"the newest is of {in_utc(state.made_at)} UTC, in {state.place}"
    if state.every_hours is None:
        if age > SELDOM:
            raise LookAt(f"{words}: {age.days} days old, and none is made by itself. Set INSITU_BACKUP_DIR.")
        return f"{words}; none is made by itself"
    fault = find_fault(state, now)
    if fault is BackupFault.OVERDUE:
        raise InsituError(
            f"{words}, though one is due every {state.every_hours:g} h. See logs/backup.log of the data "
            f"directory.{why}"
        )
    if fault is BackupFault.NOT_RECEIVED:
        raise InsituError(
            f"{words}, and the changes since are not received. See logs/backup.log and logs/archive.log "
            "of the "
            f"data directory.{why}"
        )
    if fault is not None:
        raise LookAt(f"{words}.{why}")
    received = "–" if state.received_at is None else in_utc(state.received_at)
    return f"{words}; changes are received up to {received} UTC"


def describe_disk(folder: Path | None, least: int) -> str:
    """Raises InsituError where nothing is taken in, LookAt where that is near, CannotAsk where the disk is
    not known.
    """
    if folder is None:
        raise CannotAsk("the database is not known to be on this machine: set INSITU_DATABASE_DISK if it is.")
    room = Room(folder, least)
    if (problem := room.problem()) is not None:
        raise InsituError(problem)
    usage = shutil.disk_usage(folder)
    floor = least_free(least, usage.total)
    words = f"{megabytes(usage.free)} MB free of {megabytes(usage.total)} MB"
    if usage.free < 2 * floor:
        raise LookAt(f"{words}; below {megabytes(floor)} MB nothing is taken in. Free some space.")
    return words
