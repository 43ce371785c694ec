"""The line of the audit log for a restore, which the first start afterwards writes: before there is no
server.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from insitu.embedded.backups.restoring import NOTE
from store.audit import record
from store.backups import note_restore

if TYPE_CHECKING:
    from store.database import Connection


def tell_restored(conn: Connection, data_dir: Path, now: datetime) -> None:
    """Write the line once; the caller commits, then removes the note."""
    path = data_dir / NOTE
    if not path.exists():
        return
    text = path.read_text("utf-8")
    if note_restore(conn, text):
        detail = json.loads(text)
        record(
            conn, at=now, login="job:restore", action="restore", subject=detail.pop("backup"), detail=detail
        )
