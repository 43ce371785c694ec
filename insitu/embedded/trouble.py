"""Translates an error of the operating system for the person who runs Insitu."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

from insitu.errors import FixPermissions, FreeSpace, InsituError, RetryLater

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_NOW = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR, errno.EIO)


def explained(error: OSError, place: Path) -> InsituError:
    """FreeSpace, RetryLater or FixPermissions, naming the file and what to do. `place`: the data directory,
    or a folder in it.
    """
    # shutil's own error has no errno, only the collected texts
    if error.errno in _NO_SPACE or os.strerror(errno.ENOSPC) in str(error):
        return FreeSpace(f"{place}: no space left. Free some, or choose another INSITU_DATA_DIR.")
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else place
    words = f"{path}: {error.strerror or error}"
    if error.errno in _NOT_NOW:
        return RetryLater(f"{words}. Nothing is lost: it is tried again.")
    return FixPermissions(f"{words}. {_advice(error, path, place)}")


def account_name(uid: int) -> str:
    """Of the password file; the number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _advice(error: OSError, path: Path, place: Path) -> str:
    if error.errno == errno.EROFS:
        return "Its file system is read-only: mount it for writing, or choose another INSITU_DATA_DIR."
    if os.path.islink(path) and not os.path.exists(path):
        return (
            f"It is a symbolic link to {os.readlink(path)}, which is not there: mount or make that folder, "
            "or choose another INSITU_DATA_DIR."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return _allowing(path, place)
    if error.errno == errno.ELOOP or os.path.islink(path):
        return "A symbolic link cannot stand here: put the file or folder itself in its place."
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and _is_no_folder(path, place):
        return "A folder is needed there, and this is none: move it away, or choose another INSITU_DATA_DIR."
    if error.errno == errno.EISDIR:
        return "A file is needed there, and this is a folder: move it away."
    return "Choose another INSITU_DATA_DIR."


def _is_no_folder(path: Path, place: Path) -> bool:
    return any(os.path.exists(one) and not os.path.isdir(one) for one in (path, place, *place.parents))


def _allowing(path: Path, place: Path) -> str:
    """How to let this account use `path`, or the nearest thing above it that is there."""
    us = account_name(os.geteuid())
    for one in (path, *path.parents):
        if one != place and place not in one.parents:
            break
        try:
            facts = one.lstat()
        except OSError:
            continue
        if facts.st_uid != os.geteuid():
            return (
                f"{one} belongs to {account_name(facts.st_uid)!r}, and this runs as {us!r}: run "
                f"`chown -R {us}: {place}` as root, or start it as {account_name(facts.st_uid)!r}."
            )
        if not os.access(one, os.R_OK | os.W_OK):
            return f"It is closed to its own account: run `chmod -R u+rwX {place}`."
    return f"Let {us!r} use it, or choose another INSITU_DATA_DIR."
