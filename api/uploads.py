"""Files of results between the questions about them and their import: for an hour at most, for their person
alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from insitu.errors import CorrectInput, RetryLater

MOST_BYTES: Final = 8 * 1024**2
MOST_UNPACKED: Final = 64 * 1024**2
_KEPT_S: Final = 3600.0
_MOST_KEPT: Final = 256 * 1024**2
_MOST_OF_ONE: Final = 4
"""Files of one person; the oldest that nobody reads makes room."""
_MOST_NAME: Final = 200
"""Bytes; file systems take 255."""
_TOKEN: Final = re.compile(r"[\w-]{43}")
_NAME: Final = re.compile(r"[^\w.() +=@-]")
_GONE: Final = "That file is not here any more: choose it again."


class Uploads:
    """Files below `folder`, one folder for each: PERSON-TRIAL-TOKEN/NAME. Another process of the pages with
    another folder does not find them, and asks for the file again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, owner: str, name: str, content: bytes) -> str:
        """Keeps a file; returns the token by which its owner finds it again. RetryLater if the person's files
        are all being imported, or too many wait here.
        """
        self.sweep()
        own = sorted(self._all(owner), key=_age, reverse=True)
        surplus = len(own) - _MOST_OF_ONE + 1
        for old in own:
            if surplus > 0 and _remove(old):
                surplus -= 1
        if surplus > 0:
            raise RetryLater(f"{_MOST_OF_ONE} files of yours are being imported: try again when one is done.")
        if sum(map(_size, self._folder.glob("*/*"))) + len(content) > _MOST_KEPT:
            raise RetryLater("Too many files wait for an answer: try again in an hour.")
        token = secrets.token_urlsafe(32)
        place = self._folder / f"{owner}-{token}"
        place.mkdir(parents=True, mode=0o700)
        (place / safe_name(name)).write_bytes(content)
        return token

    def find(self, owner: str, token: str) -> Path:
        """The file. CorrectInput if it is gone, or was never this owner's."""
        place = self._folder / f"{owner}-{token}"
        found = sorted(place.glob("*")) if _TOKEN.fullmatch(token) else []
        if not found or _age(place) > _KEPT_S:
            raise CorrectInput(_GONE)
        return found[0]

    @contextmanager
    def reading(self, owner: str, token: str) -> Iterator[Path]:
        """The file, as `find`; it stays until the block ends."""
        path = self.find(owner, token)
        try:
            held = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another request has just removed it
            raise CorrectInput(_GONE) from None
        try:
            fcntl.flock(held, fcntl.LOCK_SH)
            if not path.exists():
                raise CorrectInput(_GONE)
            yield path
        finally:
            os.close(held)

    def drop(self, owner: str, token: str) -> None:
        if _TOKEN.fullmatch(token):
            shutil.rmtree(self._folder / f"{owner}-{token}", ignore_errors=True)

    def sweep(self) -> None:
        """Remove what is older than an hour and not being read."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for place in self._folder.glob("*"):
            if _age(place) > _KEPT_S:
                _remove(place)

    def _all(self, owner: str) -> list[Path]:
        return [place for place in self._folder.glob(f"{owner}-*") if place.is_dir()]


def _remove(place: Path) -> bool:
    """Removes a folder, unless its file is being read; whether it is gone."""
    try:
        held = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # another request has just removed it
        return True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(place, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _age(place: Path) -> float:
    try:
        return time.time() - place.stat().st_mtime
    except FileNotFoundError:  # another request has just removed it
        return _KEPT_S + 1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another request has just removed it
        return 0


def owner_of(person_id: int, trial_id: int) -> str:
    return f"{person_id}-{trial_id}"


def safe_name(name: str) -> str:
    """A name for the file that leads nowhere else, and that a reader still knows."""
    plain = _NAME.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(". ")
    return plain[-80:].encode()[-_MOST_NAME:].decode(errors="ignore") or "file"
