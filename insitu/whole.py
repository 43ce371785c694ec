"""Files that are written completely or not at all, even if the process is killed."""

from __future__ import annotations

import os
import re
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

    Raises OSError, and then leaves `path` as it was.
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
    """Write as `write_whole` does, but keep a non-empty file that another process wrote first.

    Read the file afterwards: its content is what all processes see.
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
    """The secret in `path`; drawn now if there is no whole one."""
    text = whole_secret(path, length=length)
    if text is None:
        text = secrets.token_urlsafe(length)
        write_whole(path, text)
    return text


def whole_secret(path: Path, *, length: int = 32) -> str | None:
    """The secret in `path`; None if there is no file, or one without the form of a drawn secret: emptied,
    half written or edited.
    """
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    letters = -(-length * 4 // 3)  # base64 without its padding
    return text if re.fullmatch(rf"[A-Za-z0-9_-]{{{letters}}}", text) else None


def secret_of(path: Path, draw: Callable[[], str]) -> str:
    """The secret in `path`; drawn now if there is no file, or only an empty one from an interrupted start."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    if not text:
        text = draw()
        write_whole(path, text)
    return text
