"""Take a backup of a running database, and of the files of the data directory beside it."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from insitu.embedded.backups.manifest import (
    BASE,
    DUMP,
    KEYS,
    Manifest,
    remove_unfinished,
    seal_folder,
    sum_files,
)
from insitu.embedded.child import Child, finish
from insitu.embedded.cluster import clean_environment, out_of_space, running
from insitu.embedded.directory import locked
from insitu.embedded.trouble import explained
from insitu.errors import CorrectInput, FreeSpace, InsituError

_OTHERS: Final = (
    "pg",
    "pg.*",
    ".pg-bin-*",
    "pg-bin-*",
    "nats-server-*",
    "broker",
    "run",
    "run-*",
    "run.elsewhere",
    "logs",
    "cache",
    "demo",
    "restoring",
    "backups",
    "running.json",
    "archive.id",
    "restored.json",
    "*.lock",
    ".*",
    "postgres-*.secret",
    "broker-*.secret",
)
"""A restored installation makes these by itself, or has them from the copy of the database. Everything else
in the data directory goes into a backup.
"""
NOT_INCLUDED: Final = (
    "messages that the broker holds and that are not in the database yet",
    "settings (INSITU_…) and the files outside the data directory that they name",
    "passwords between the parts on this machine, which a restored installation draws again",
    "logs, rendered reports and packages",
)
NOT_IN_A_DUMP: Final = (
    *NOT_INCLUDED,
    "changes since: a dump has one moment, and --until cannot choose another",
)
_WAL_NAME: Final = re.compile(r"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")


@dataclass(frozen=True, slots=True)
class Source:
    """A database to back up. `url`: without the password; `binaries`: folder of the programs of PostgreSQL;
    `data_dir`: of the files that go with it; `schema`, `postgres`: for the manifest.
    """

    url: str
    password: str
    binaries: Path
    data_dir: Path
    schema: str
    postgres: int

    def beside(self, data_dir: Path) -> Source:
        """The same database with the files of another folder."""
        return replace(self, data_dir=data_dir)


@contextmanager
def _unfinished(folder: Path, began: datetime) -> Iterator[tuple[Path, Path]]:
    """A new folder of its own for one backup, and the name that it gets; one backup at a time."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(folder / "backups.lock", whose=" (a backup is being made)"):
            remove_unfinished(folder)
            name = f"insitu-{began:%Y%m%dT%H%M%SZ}"
            number = 1
            while (folder / name).exists():
                number += 1
                name = f"insitu-{began:%Y%m%dT%H%M%SZ}-{number}"
            place = folder / f".{name}.part"
            place.mkdir(mode=0o700)
            try:
                yield place, folder / name
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
    except OSError as error:
        raise explained(error, folder) from error


def take_physical(
    source: Source, folder: Path, *, archive: str | None, with_keys: bool = True
) -> tuple[Path, Manifest]:
    """Copy a running cluster and the log that was written meanwhile (`pg_basebackup`). `archive`: the name of
    the archive that receives the changes since.
    """
    _require_elsewhere(source, folder)
    draft = _draft(source, "physical", NOT_INCLUDED)
    with _unfinished(folder, draft.began_at) as (place, finished):
        command = [str(source.binaries / "pg_basebackup"), "-d", source.url, "-D", str(place)]
        command += ["-F", "tar", "-X", "stream", "-c", "fast", "-Z", "client-gzip:1", "--no-password"]
        command += ["--label", finished.name]
        _run(command, source, place)
        draft = replace(draft, archive=archive, first_segment=_first_segment(place / BASE))
        return finished, _finish(source, place, finished, draft, with_keys=with_keys)


def take_dump(source: Source, folder: Path, *, with_keys: bool = True) -> tuple[Path, Manifest]:
    """Dump a database in the custom form of `pg_dump`, which any later major version can restore."""
    _require_elsewhere(source, folder)
    draft = _draft(source, "dump", NOT_IN_A_DUMP)
    with _unfinished(folder, draft.began_at) as (place, finished):
        command = [
            str(source.binaries / "pg_dump"),
            "-d",
            source.url,
            "-f",
            str(place / DUMP),
            "-F",
            "custom",
        ]
        command += ["-Z", "gzip:1", "--no-owner", "--no-privileges", "--no-password"]
        _run(command, source, place)
        return finished, _finish(source, place, finished, draft, with_keys=with_keys)


def _require_elsewhere(source: Source, folder: Path) -> None:
    """Raises CorrectInput for a folder in the data directory, which would be lost with it."""
    if folder.resolve().is_relative_to(source.data_dir.resolve()):
        raise CorrectInput(
            f"{folder} is in the data directory {source.data_dir} itself, and would be lost with it: "
            "choose a folder elsewhere, best on another disk."
        )


def _draft(source: Source, kind: Literal["physical", "dump"], not_included: tuple[str, ...]) -> Manifest:
    began = datetime.now(UTC)
    return Manifest(
        kind=kind,
        insitu=version("insitu"),
        schema=source.schema,
        postgres=source.postgres,
        began_at=began,
        ended_at=began,
        archive=None,
        first_segment=None,
        not_included=not_included,
        files={},
    )


def _run(command: Sequence[str], source: Source, place: Path) -> None:
    log = place.with_name(f"{place.name}.log")
    child = Child(command, log=log, env={**clean_environment(), "PGPASSWORD": source.password}, cwd=Path("/"))
    try:
        code = finish(running(child))
        words = child.last_words(4)
    finally:
        log.unlink(missing_ok=True)
    if code == 0:
        return
    if out_of_space(words):
        raise FreeSpace(f"{place.parent}: no space left for a backup. Free some, or keep fewer.")
    raise InsituError(f"The database could not be copied: {words or 'the program was ended'}")


def _finish(source: Source, place: Path, finished: Path, draft: Manifest, *, with_keys: bool) -> Manifest:
    not_included = draft.not_included
    if with_keys:
        _copy_files(source.data_dir, place / KEYS)
    else:
        not_included = (*not_included, "the keys of the installation (--without-keys)")
    manifest = replace(draft, ended_at=datetime.now(UTC), not_included=not_included, files=sum_files(place))
    seal_folder(place, finished, manifest)
    return manifest


def _first_segment(base: Path) -> str:
    """The first segment that a restore needs, from the label in the copy."""
    with gzip.open(base) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
        for member in tar:
            if member.name.removeprefix("./") == "backup_label":
                file = tar.extractfile(member)
                found = _WAL_NAME.search(file.read().decode("utf-8", "replace")) if file else None
                if found:
                    return found[1]
    raise InsituError(f"{base} has no label: the copy of the database is not complete.")


def _copy_files(data_dir: Path, place: Path) -> None:
    """Keys, certificates and whatever else is in no database. No file is followed out of the directory."""
    place.mkdir(mode=0o700)
    for path in sorted(data_dir.iterdir()) if data_dir.is_dir() else []:
        if any(path.match(pattern) for pattern in _OTHERS) or path.is_symlink():
            continue
        if path.is_dir():
            shutil.copytree(path, place / path.name, symlinks=True)
        elif path.is_file():
            shutil.copyfile(path, place / path.name)
