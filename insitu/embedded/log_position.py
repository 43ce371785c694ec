"""Reading a log across restarts of its reader, rotation and truncation, in bounded pieces."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1024 * 1024
"""Bytes of one piece; the longest line, with a topic of 65,535 bytes, is far shorter."""


@dataclass(frozen=True, slots=True)
class Position:
    """The next byte to read; inode 0: nothing was read yet."""

    inode: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    lines: list[str]
    position: Position
    more: bool
    missed: bool
    """The file that was being read is gone: some of its lines may never have been read."""


def read_piece(path: Path, position: Position, most: int = MOST_BYTES) -> Piece:
    """The next complete lines after `position`, at most about `most` bytes of them. Raises OSError."""
    files = _files(path)
    inodes = [inode for _, inode, _ in files]
    missed = position.inode != 0 and position.inode not in inodes
    at = inodes.index(position.inode) if position.inode in inodes else 0
    file, inode, size = files[at]
    offset = position.offset if inode == position.inode and position.offset <= size else 0
    with file.open("rb") as source:
        source.seek(offset)
        content = source.read(most)
    is_last = at == len(files) - 1
    ended = offset + len(content) >= size
    # A line without an end is read later, but a rotated file grows no more.
    complete = content[: content.rfind(b"\n") + 1]
    if (ended and not is_last) or (not complete and len(content) == most):
        complete = content
    lines = complete.decode("utf-8", "replace").splitlines() if complete else []
    position = Position(inode, offset + len(complete))
    if ended and not is_last:
        position = Position(files[at + 1][1], 0)
    return Piece(
        lines, position, more=(ended and not is_last) or (bool(complete) and not ended), missed=missed
    )


def _files(path: Path) -> list[tuple[Path, int, int]]:
    """The log and what it was renamed to, oldest first: (path, inode, size)."""
    facts = path.stat()
    older = []
    for other in path.parent.glob(f"{path.name}.*"):
        if other.suffix not in (".gz", ".xz", ".bz2", ".zst"):
            found = _stat(other)
            if found is not None and found.st_ino != facts.st_ino:
                older.append((found.st_mtime, other, found.st_ino, found.st_size))
    return [*(entry[1:] for entry in sorted(older)), (path, facts.st_ino, facts.st_size)]


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # it was just removed
        return None
