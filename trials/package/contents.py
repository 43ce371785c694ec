"""The files of a package folder, each read once: every later step sees the same bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insitu.errors import CorrectInput
from trials.package.tables import (
    DESCRIPTOR,
    FORMAT_1,
    FURTHER,
    NEEDED,
    NEEDED_SINCE_2,
    REPORT_SETS,
    SIGNATURE,
    VERSION_NAME,
    VERSIONS,
)

MOST_BYTES: Final = {".csv": 1 << 32, ".json": 1 << 27, ".html": 1 << 27, ".pdf": 1 << 27, ".md": 1 << 20}
_MOST_OTHER_BYTES: Final = 1 << 20
_MOST_FILES: Final = 2000
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
class Contents:
    """`files`: path within the package → bytes. `problems`: sentences about entries that no package has."""

    folder: Path
    files: Mapping[str, bytes]
    problems: tuple[str, ...] = ()

    def of(self, name: str) -> bytes:
        """The bytes of a file. CorrectInput if it is missing."""
        if name not in self.files:
            raise CorrectInput(f"{self.folder / name} is missing: the package is not whole.")
        return self.files[name]


def load(folder: Path) -> Contents:
    """Reads every file of the folder that a package may hold, and names the other entries."""
    files: dict[str, bytes] = {}
    problems: list[str] = []
    try:
        for name, entry in _walk(folder, ""):
            content = _read(name, entry)
            if isinstance(content, bytes):
                files[name] = content
            else:
                problems.append(content)
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


def _read(name: str, path: Path) -> bytes | str:
    """The bytes of a file; a sentence about an entry that no package holds."""
    if name not in _NAMES and not any(p.fullmatch(name) for p in (VERSION_NAME, *FURTHER)):
        return f"{_printable(name)} is not part of the package"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
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
        content = file.read(most + 1)
    if len(content) > most:
        return f"{name} is larger than {most} bytes"
    return content


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
