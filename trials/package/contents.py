"""The files of a package folder: every step sees the same bytes. Small ones are read once; a large table is
read again for each step, and has the same SHA-256 each time.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from insitu.errors import CorrectInput
from trials.package.tables import (
    DESCRIPTOR,
    FORMAT_1,
    FURTHER,
    NEEDED,
    NEEDED_SINCE_2,
    OBSERVATIONS,
    REPORT_SETS,
    SIGNATURE,
    VERSION_NAME,
    VERSIONS,
)

MOST_BYTES: Final = {".csv": 1 << 32, ".json": 1 << 27, ".html": 1 << 27, ".pdf": 1 << 27, ".md": 1 << 20}
_MOST_OTHER_BYTES: Final = 1 << 20
_MOST_FILES: Final = 2000
MOST_HELD: Final = 1 << 26
"""Bytes up to which a table is held in memory."""
_CHUNK: Final = 1 << 20
_NAMES: Final = frozenset(
    [
        *NEEDED,
        *NEEDED_SINCE_2,
        *(n for names in REPORT_SETS for n in names),
        "README.md",
        DESCRIPTOR,
        SIGNATURE,
    ]
)
_FOLDERS: Final = frozenset([VERSIONS, *(p.pattern.partition("/")[0] for p in FURTHER)])


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A table that is too large to be held in memory, as it was when it was read first."""

    path: Path
    size: int
    sha256: str

    def __len__(self) -> int:
        return self.size

    def chunks(self) -> Iterator[bytes]:
        """Its bytes. Raises CorrectInput at their end if they have changed since it was read first."""
        digest = hashlib.sha256()
        try:
            with os.fdopen(os.open(self.path, _PLAINLY), "rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    yield chunk
        except OSError as error:
            raise CorrectInput(f"{self.path} cannot be read ({error.strerror}).") from error
        if digest.hexdigest() != self.sha256:
            raise CorrectInput(
                f"{self.path} changed while it was read: let nobody write there, and try again."
            )


_PLAINLY: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Contents:
    """`files`: path within the package → bytes; only `observations.csv` may stay on disk. `problems`:
    sentences about entries that no package has.
    """

    folder: Path
    files: Mapping[str, bytes | OnDisk]
    problems: tuple[str, ...] = ()

    def of(self, name: str) -> bytes:
        """The bytes of a file, of any but `observations.csv`. CorrectInput if it is missing."""
        content = self.table(name)
        assert isinstance(content, bytes)  # `_read` holds all others
        return content

    def table(self, name: str) -> bytes | OnDisk:
        """The same for any file."""
        if name not in self.files:
            raise CorrectInput(f"{self.folder / name} is missing: the package is not whole.")
        return self.files[name]


def sha256_of(content: bytes | OnDisk) -> str:
    """In hexadecimal digits."""
    return content.sha256 if isinstance(content, OnDisk) else hashlib.sha256(content).hexdigest()


def load(folder: Path, *, most_held: int = MOST_HELD) -> Contents:
    """Reads every file of the folder that a package may hold, and names the other entries. `most_held`: bytes
    of `observations.csv` from which on it stays on disk.
    """
    files: dict[str, bytes | OnDisk] = {}
    problems: list[str] = []
    try:
        for name, entry in _walk(folder, ""):
            content = _read(name, entry, most_held if name == OBSERVATIONS else None)
            if isinstance(content, str):
                problems.append(content)
            else:
                files[name] = content
            if len(files) + len(problems) > _MOST_FILES:
                raise CorrectInput(f"{folder} has more than {_MOST_FILES} entries: it is no trial package.")
    except OSError as error:
        raise CorrectInput(f"{folder} cannot be read ({error.strerror}).") from error
    return Contents(folder, files, tuple(problems))


def _walk(folder: Path, above: str) -> Iterator[tuple[str, Path]]:
    """(path within the package, path) of each entry, in order. Enters only real folders that a package may
    have; an empty one is an entry.
    """
    with os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name)
    for entry in entries:
        name, path = above + entry.name, Path(entry.path)
        if not above and entry.name in _FOLDERS and entry.is_dir(follow_symlinks=False):
            inside = list(_walk(path, f"{name}/"))
            yield from inside or [(name, path)]
        else:
            yield name, path


def _read(name: str, path: Path, most_held: int | None) -> bytes | OnDisk | str:
    """The bytes of a file; a sentence about an entry that no package holds. `most_held`: of a table that may
    stay on disk.
    """
    if name not in _NAMES and not any(p.fullmatch(name) for p in (VERSION_NAME, *FURTHER)):
        return f"{_printable(name)} is not part of the package"
    try:
        descriptor = os.open(path, _PLAINLY)
    except OSError:
        return f"{name} is no plain file that can be read"
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        return f"{name} is no plain file"
    with os.fdopen(descriptor, "rb") as file:
        if facts.st_nlink != 1:
            return f"{name} has another name elsewhere (a hard link): copy the package, then verify the copy"
        most = MOST_BYTES.get(path.suffix, _MOST_OTHER_BYTES)
        if most_held is not None and facts.st_size > most_held:
            found: bytes | OnDisk = _on_disk(path, file, most)
        else:
            found = file.read(most + 1)
    if len(found) > most:
        return f"{name} is larger than {most} bytes"
    return found


def _on_disk(path: Path, file: IO[bytes], most: int) -> OnDisk:
    digest, size = hashlib.sha256(), 0
    while size <= most and (chunk := file.read(_CHUNK)):
        digest.update(chunk)
        size += len(chunk)
    return OnDisk(path, size, digest.hexdigest())


def _printable(name: str) -> str:
    return name if name.isascii() and name.isprintable() else ascii(name)


def missing_and_surplus(contents: Contents, form: int) -> Iterator[str]:
    """Sentences about files that a package of this format needs, or may not hold."""
    names = set(contents.files)
    needed = NEEDED if form == FORMAT_1 else (*NEEDED, *NEEDED_SINCE_2)
    yield from (f"{name} is missing" for name in needed if name not in names)
    if form == FORMAT_1:
        yield from (f"{name} is not part of the package" for name in NEEDED_SINCE_2 if name in names)
    reports = {name for name in names if name.startswith("report")}
    if reports and reports not in [set(one) for one in REPORT_SETS]:
        yield "the reports are not the five files that belong together"
    if reports and "README.md" not in names:
        yield "README.md is missing"
