"""Translates an error of the operating system for the person who runs Insitu."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from insitu.errors import FixPermissions, FreeSpace, InsituError, RetryLater

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_NOW = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR, errno.EIO)


def explained(error: OSError, place: Path) -> InsituError:
    """FreeSpace, RetryLater or FixPermissions, naming the file."""
    # shutil's own error has no errno, only the collected texts
    if error.errno in _NO_SPACE or os.strerror(errno.ENOSPC) in str(error):
        return FreeSpace(f"{place}: no space left. Free some, or choose another INSITU_DATA_DIR.")
    words = f"{error.filename or place}: {error.strerror or error}"
    if error.errno in _NOT_NOW:
        return RetryLater(f"{words}. Nothing is lost: it is tried again.")
    return FixPermissions(f"{words}. Choose another INSITU_DATA_DIR.")
