"""The manifest of a backup: what it holds, the SHA-256 of each file, and what it leaves out.

A backup is a folder. It is made under a name that begins with a point, and renamed when its manifest is
complete and on disk: a folder of the other name is whole, or somebody has changed it since.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from insitu.errors import CorrectInput, UpgradeInsitu
from insitu.whole import sync_folder, write_whole

FORMAT: Final = 1
NAME: Final = "backup.json"
KEYS: Final = "keys"
"""The folder of the files of the data directory."""
BASE: Final = "base.tar.gz"
WAL: Final = "pg_wal.tar.gz"
SERVER_MANIFEST: Final = "backup_manifest"
DUMP: Final = "database.dump"
_FOLDER: Final = re.compile(r"insitu-\d{8}T\d{6}Z(-\d+)?")
_BLOCK: Final = 2**20


class DamagedBackup(CorrectInput):
    """This backup is not as it was made: take another one."""


@dataclass(frozen=True, slots=True)
class FileSum:
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files`: by path in the folder. `began_at` to `ended_at`: while it was made; it holds what was
    committed before `ended_at`, if it is physical, and before `began_at`, if it is a dump.
    """

    kind: Literal["physical", "dump"]
    insitu: str
    schema: str
    """Name of the latest migration."""
    postgres: int
    """Major version of the server."""
    began_at: datetime
    ended_at: datetime
    archive: str | None
    """Name of the folder, beside that of the backup, which receives the changes since; None: there is none.
    """
    first_segment: str | None
    """The first file of the write-ahead log that a restore needs; None: it is a dump."""
    not_included: tuple[str, ...]
    files: Mapping[str, FileSum]

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.files.values())


# -- writing


def sum_file(path: Path) -> FileSum:
    """Bytes and SHA-256, read in blocks."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileSum(size, digest.hexdigest())


def sum_files(folder: Path) -> dict[str, FileSum]:
    """Of every file below `folder` but the manifest itself."""
    return {
        path.relative_to(folder).as_posix(): sum_file(path) for path in _files(folder) if path.name != NAME
    }


def seal_folder(unfinished: Path, finished: Path, manifest: Manifest) -> None:
    """Write the manifest and give the folder its name, when everything is on disk."""
    for path in _files(unfinished):
        path.chmod(0o600)
        _sync(path)
    write_whole(unfinished / NAME, _dumps(manifest))
    for place, _, _ in os.walk(unfinished):
        sync_folder(Path(place))
    unfinished.rename(finished)
    sync_folder(finished.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed backups have left. The caller holds the lock of `folder`."""
    for path in folder.glob(".insitu-*.part*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_backup(folder: Path) -> None:
    """Remove a backup; one whose removal is interrupted no longer looks whole."""
    doomed = folder.with_name(f".{folder.name}.part")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _dumps(manifest: Manifest) -> str:
    content = asdict(manifest) | {
        "format": FORMAT,
        "began_at": manifest.began_at.isoformat(),
        "ended_at": manifest.ended_at.isoformat(),
    }
    return json.dumps(content | {"sha256": _own_sum(content)}, indent=1, sort_keys=True) + "\n"


def _own_sum(content: dict[str, Any]) -> str:
    rest = {name: part for name, part in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in sorted(names))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- reading


def list_backups(folder: Path) -> list[tuple[Path, Manifest]]:
    """The backups in `folder` that have a readable manifest, the oldest first."""
    found = []
    for path in sorted(folder.glob("insitu-*")):
        if _FOLDER.fullmatch(path.name) and path.is_dir():
            try:
                found.append((path, read_manifest(path)))
            except CorrectInput:
                continue  # `restore` names it if somebody asks for it
    return sorted(found, key=lambda one: one[1].ended_at)


def read_manifest(folder: Path) -> Manifest:
    """Raises CorrectInput if there is none, DamagedBackup if it was changed, UpgradeInsitu for a newer
    form.
    """
    path = folder / NAME
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if content["format"] > FORMAT:
            raise UpgradeInsitu(
                f"{folder} was made by a newer Insitu ({content.get('insitu')}): install that version or a "
                "newer one, and restore with it."
            )
        if content["sha256"] != _own_sum(content):
            raise DamagedBackup(f"{path} was changed after the backup was made: take another backup.")
        return _manifest(content)
    except FileNotFoundError as error:
        raise CorrectInput(
            f"{folder} is no backup: it has no {NAME}. Name the folder insitu-… that `insitu backup` "
            "made, or "
            "the folder that holds several."
        ) from error
    except OSError as error:
        raise CorrectInput(f"Cannot read {path} ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedBackup(f"{path} cannot be read as a manifest: take another backup.") from error


def _manifest(content: dict[str, Any]) -> Manifest:
    return Manifest(
        kind=content["kind"],
        insitu=content["insitu"],
        schema=content["schema"],
        postgres=int(content["postgres"]),
        began_at=datetime.fromisoformat(content["began_at"]),
        ended_at=datetime.fromisoformat(content["ended_at"]),
        archive=content["archive"],
        first_segment=content["first_segment"],
        not_included=tuple(content["not_included"]),
        files={name: FileSum(**one) for name, one in content["files"].items()},
    )


def require_whole(folder: Path, manifest: Manifest) -> None:
    """Read every file; raises DamagedBackup that names those that differ, are missing, or are too many."""
    present = {path.relative_to(folder).as_posix() for path in _files(folder)} - {NAME}
    wrong = [f"{name} is missing" for name in sorted(set(manifest.files) - present)]
    wrong += [f"{name} is not in the manifest" for name in sorted(present - set(manifest.files))]
    for name in sorted(present & set(manifest.files)):
        try:
            found = sum_file(folder / name)
        except OSError as error:
            wrong.append(f"{name} cannot be read ({error.strerror})")
            continue
        if found != manifest.files[name]:
            wrong.append(f"{name} has other content than its checksum says")
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise DamagedBackup(f"{folder}: {'; '.join(wrong[:5])}{more}. Take another backup.")
