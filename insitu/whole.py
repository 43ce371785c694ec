"""Files that are there whole or not at all, whatever is killed in between."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_whole(
    path: Path, content: str | bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Write to a temporary name beside `path`, fsync, rename, fsync the folder. `owner`: (uid, gid), for root
    only.

    Raises OSError, and leaves what was at `path` untouched then.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_once(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Write as `write_whole` does, but keep what another process has put there first, unless that is empty.

    Read the file afterwards: what it holds is what all processes see.
    """
    if path.exists() and path.stat().st_size == 0:
        write_whole(path, content, mode=mode)
        return
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_whole(fresh, content, mode=mode)
    try:
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that were created or renamed in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def secret_file(path: Path, *, length: int = 32) -> str:
    """The secret that `path` holds; drawn now where there is no file, or an empty one that an interrupted
    start has left.
    """
    return secret_of(path, lambda: secrets.token_urlsafe(length))


def secret_of(path: Path, draw: Callable[[], str]) -> str:
    """The same, drawn by `draw`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    if not text:
        text = draw()
        write_whole(path, text)
    return text
