"""The archive of the write-ahead log: everything that the database has written since a backup.

One installation writes one archive. A restored installation begins another one, because from then on it
writes another history. `pg_receivewal` receives the log as it is written, through a slot that keeps what was
not received yet.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insitu.whole import write_whole

SLOT: Final = "insitu_archive"
_NOTE: Final = "archive.id"
_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
SEGMENT_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Archive:
    """`data_dir` names it; it lies in `folder`."""

    data_dir: Path
    folder: Path

    @property
    def note(self) -> Path:
        """Its id, and the folder in which it was begun."""
        return self.data_dir / _NOTE

    @property
    def name(self) -> str | None:
        """Its folder's name; None before it was begun."""
        text = self._noted()[0]
        return f"wal-{text}" if text else None

    def is_begun_in(self, folder: Path) -> bool:
        """False also for an archive of an earlier version, which noted no folder."""
        return self._noted()[1] == str(folder)

    def begin(self) -> str:
        """Begin another archive, and return its name: what the one before lacks can be in no other."""
        made = secrets.token_hex(6)
        (self.folder / f"wal-{made}").mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self.note, f"{made}\n{self.folder}")
        return f"wal-{made}"

    def forget(self) -> None:
        """It has ended: the next one begins with a backup of its own."""
        self.note.unlink(missing_ok=True)

    def _noted(self) -> tuple[str, str]:
        text = self.note.read_text("utf-8") if self.note.exists() else ""
        made, _, folder = text.partition("\n")
        return made, folder


def list_segments(archive: Path, since: str) -> list[Path]:
    """Its files from the segment `since` on, in order; the last may be one that was not full yet
    (`….partial`).
    """
    whole = {path.name: path for path in archive.iterdir() if _SEGMENT.fullmatch(path.name)}
    begun = {
        path.name.removesuffix(".partial"): path
        for path in archive.glob("*.partial")
        if _SEGMENT.fullmatch(path.name.removesuffix(".partial"))
    }
    found = begun | whole
    return [found[name] for name in sorted(found) if name >= since]


def remove_older(archive: Path, first: str) -> int:
    """Remove the segments before `first`; returns how many."""
    doomed = [path for path in archive.iterdir() if _SEGMENT.fullmatch(path.name) and path.name < first]
    for path in doomed:
        path.unlink()
    return len(doomed)


def number_of(segment: str) -> int:
    """Place of a segment in the log, whatever its timeline."""
    return int(segment[8:16], 16) * (2**32 // SEGMENT_BYTES) + int(segment[16:24], 16)


def segment_at(position: str) -> int:
    """Place of the segment that holds a position such as `0/3000158`."""
    high, low = position.split("/")
    return (int(high, 16) * 2**32 + int(low, 16)) // SEGMENT_BYTES
