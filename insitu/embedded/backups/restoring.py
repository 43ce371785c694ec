"""Make an installation again, from a backup and the log since, in an empty data directory.

Everything is made in the folder `restoring` and moved from there at the end. While that folder exists,
nothing starts here; the next restore removes all that an interrupted one has left, and begins again.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from insitu.embedded.account import Account, own_folder, prepare_data_dir, server_account
from insitu.embedded.backups.archive import list_segments, number_of, segment_at
from insitu.embedded.backups.manifest import BASE, DUMP, KEYS, WAL, Manifest, list_backups, read_manifest
from insitu.embedded.child import Child, finish
from insitu.embedded.cluster import (
    MADE,
    Site,
    clean_environment,
    finding_binaries,
    major_version,
    out_of_space,
    running,
)
from insitu.embedded.directory import UNFINISHED, locked
from insitu.embedded.postgres import Postgres, is_ready
from insitu.embedded.trouble import explained
from insitu.errors import CorrectInput, FreeSpace, InsituError
from insitu.whole import sync_folder, write_whole

NOTE: Final = "restored.json"
"""Facts of a restore, until the next start writes them into the audit log."""
_LASTING: Final = (
    "logs",
    "cache",
    "demo",
    "insitu.lock",
    "pg.lock",
    "broker.lock",
    "pg-bin-*",
    "nats-server-*",
)
"""These may be in a data directory in which nothing was made yet."""
_LOOK_S: Final = 0.05
_LAST: Final = re.compile(r"last completed transaction was at log time (\S+ \S+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`until`: the moment, None for the latest that the archive has; `at_backup`: nothing of the archive."""

    backup: Path
    manifest: Manifest
    until: datetime | None = None
    at_backup: bool = False


@dataclass(frozen=True, slots=True)
class Recovered:
    """`last_commit_at`: of the last transaction that the restored database has; None if the log since the
    backup holds none.
    """

    last_commit_at: datetime | None
    segments: int


# -- what to restore


def find_backup(folder: Path, until: datetime | None) -> tuple[Path, Manifest]:
    """`folder` itself, or the newest backup in it that ended before `until`."""
    if (folder / "backup.json").exists():
        manifest = read_manifest(folder)
        _require_moment(folder, manifest, until)
        return folder, manifest
    found = [one for one in list_backups(folder) if until is None or one[1].ended_at <= until]
    if found:
        return found[-1]
    if until is not None and (others := list_backups(folder)):
        first = others[0][1].ended_at
        raise CorrectInput(
            f"No backup in {folder} ended before {until.isoformat()}; the first one ended at "
            f"{first.isoformat()}. Choose a later moment."
        )
    read_manifest(folder)  # raises, and says what a backup is
    raise CorrectInput(f"There is no backup in {folder}.")


def _require_moment(folder: Path, manifest: Manifest, until: datetime | None) -> None:
    if until is None:
        return
    if manifest.kind == "dump":
        raise CorrectInput(f"{folder} is a dump, which has one moment only: leave out --until.")
    if until < manifest.ended_at:
        raise CorrectInput(
            f"{folder} ended at {manifest.ended_at.isoformat()}, after that moment: choose an earlier backup "
            "or a later moment."
        )


def require_empty(data_dir: Path) -> None:
    """Raises CorrectInput if something was made in `data_dir`, other than by an interrupted restore."""
    if not data_dir.exists() or (data_dir / UNFINISHED).exists():
        return
    others = sorted(
        path.name
        for path in data_dir.iterdir()
        if not any(path.match(pattern) for pattern in _LASTING) and not path.name.startswith(".insitu")
    )
    if others:
        raise CorrectInput(
            f"{data_dir} is not empty: it holds {', '.join(others[:5])}. Restore into an empty folder "
            "(INSITU_DATA_DIR), or move this one away first."
        )


# -- restoring


def restore(data_dir: Path, wanted: Wanted, *, run_as: str | None, given_binaries: Path | None) -> Recovered:
    """Make the installation of a physical backup in `data_dir`, whose lock the caller holds. `wanted` was
    checked.
    """
    account = server_account(run_as)
    try:
        place = _begin(data_dir, account)
        with locked(data_dir / "pg.lock") as lock:
            site = Site(data_dir, account, lock, durable=True)
            binaries = finish(finding_binaries(site, given_binaries))
            assert isinstance(binaries, Path)
            _require_version(site, binaries, wanted.manifest)
            recovered = _recover(site, binaries, place, wanted)
        _settle(data_dir, place, wanted, recovered)
        return recovered
    except OSError as error:
        raise explained(error, data_dir) from error


def restore_dump(
    data_dir: Path, wanted: Wanted, *, run_as: str | None, given_binaries: Path | None
) -> Recovered:
    """Make a new cluster in `data_dir` and put a dump into it."""
    account = server_account(run_as)
    try:
        place = _begin(data_dir, account)
        server = Postgres(data_dir=place, run_as=run_as, binaries=given_binaries)
        with server:
            put_dump(
                server.binaries,
                server.bare_url,
                wanted.backup / DUMP,
                log=data_dir / "logs" / "restore.log",
                password=server.password,
            )
        recovered = Recovered(None, 0)
        for path in place.iterdir():  # the next start draws passwords of its own
            if path.name != "pg":
                _remove(path)
        _settle(data_dir, place, wanted, recovered)
        return recovered
    except OSError as error:
        raise explained(error, data_dir) from error


def put_dump(binaries: Path, url: str, dump: Path, *, log: Path, password: str) -> None:
    """Put a dump into an empty database, whole or not at all. `url`: without the password."""
    command = [str(binaries / "pg_restore"), "--no-owner", "--no-privileges", "--single-transaction"]
    command += ["--exit-on-error", "-d", url, str(dump)]
    environment = {**clean_environment(), "PGPASSWORD": password}
    child = Child(command, log=log, env=environment, cwd=Path("/"))
    if finish(running(child)) == 0:
        return
    words = child.last_words(4)
    if out_of_space(words):
        raise FreeSpace("The database server has no space left: free some, and restore again.")
    raise InsituError(f"The dump could not be restored; the database is as it was. {words}")


def _begin(data_dir: Path, account: Account | None) -> Path:
    """The folder `restoring`, empty; what an interrupted restore moved from it is removed."""
    prepare_data_dir(data_dir, account)
    place = data_dir / UNFINISHED
    if place.exists():
        for path in list(data_dir.iterdir()):
            if path != place and not any(path.match(pattern) for pattern in _LASTING):
                _remove(path)
        for path in list(place.iterdir()):
            _remove(path)
    place.mkdir(mode=0o700, exist_ok=True)
    place.chmod(0o711)
    sync_folder(data_dir)
    return place


def _require_version(site: Site, binaries: Path, manifest: Manifest) -> None:
    present = finish(major_version(site, binaries))
    if present != manifest.postgres:
        raise CorrectInput(
            f"The backup is of PostgreSQL {manifest.postgres}, and here is {present}: a physical backup "
            "needs "
            "the same major version. Set INSITU_POSTGRES_BIN to one, or restore a dump "
            "(`insitu backup --dump`), which any later version can read."
        )


def _recover(site: Site, binaries: Path, place: Path, wanted: Wanted) -> Recovered:
    cluster, log = own_folder(place / "pg", site.account), own_folder(place / "wal", site.account)
    _unpack(wanted.backup / BASE, cluster)
    _unpack(wanted.backup / WAL, cluster / "pg_wal")
    segments = _stage(wanted, log)
    (cluster / "recovery.signal").touch()
    _give(cluster, site.account)
    _give(log, site.account)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": ".",  # of the cluster, where no path is too long
        "hot_standby": "off",
        "restore_command": f"cp {_quoted(log)}/%f %p",
        "recovery_target_timeline": "current",
        "recovery_target_action": "promote",
        "log_min_messages": "log",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if wanted.at_backup:
        options["recovery_target"] = "immediate"
    elif wanted.until is not None:
        options["recovery_target_time"] = wanted.until.astimezone(UTC).isoformat(sep=" ")
    arguments = [part for name, text in options.items() for part in ("-c", f"{name}={text}")]
    server = site.program(
        [str(binaries / "postgres"), "-D", str(cluster), *arguments], log="restore", env=clean_environment()
    )
    try:
        words = _promoted(server, cluster)
    finally:
        finish(server.stopping(60.0))
    for name in ("recovery.signal", "backup_label.old"):
        (cluster / name).unlink(missing_ok=True)
    _require_end(cluster, wanted, segments)
    write_whole(cluster / "insitu.whole", "", owner=_owner(site.account))
    last = _LAST.findall(words)
    return Recovered(_moment(last[-1]) if last else None, len(segments))


def _promoted(server: Child, cluster: Path) -> str:
    """Wait until it has read the log and accepts writes; returns what it wrote into its own log."""
    server.start()
    while not is_ready(cluster / "postmaster.pid"):
        if server.poll() is not None:
            raise _unrecovered(server.last_words(100))
        time.sleep(_LOOK_S)
    return server.last_words(100)


def _unrecovered(words: str) -> InsituError:
    if out_of_space(words):
        return FreeSpace("No space left for the restored database: free some, and restore again.")
    if "recovery ended before configured recovery target was reached" in words:
        last = _LAST.findall(words)
        end = f" The last change was committed at {last[-1]} UTC." if last else ""
        return CorrectInput(
            f"The archive has nothing as late as that moment.{end} Choose an earlier one, or leave out "
            "--until "
            "to restore all that there is."
        )
    return InsituError(f"The database could not be recovered: {' / '.join(words.split(' / ')[-4:])}")


def _require_end(cluster: Path, wanted: Wanted, segments: Sequence[Path]) -> None:
    """Raises InsituError if the log could not be read to its end: then later changes would be missing
    silently.
    """
    if wanted.at_backup or wanted.until is not None:
        return
    whole = [path for path in segments if not path.name.endswith(".partial")]
    histories = sorted((cluster / "pg_wal").glob("*.history"))
    if not whole or not histories:
        return
    end = histories[-1].read_text("ascii").strip().splitlines()[-1].split("\t")[1]
    if segment_at(end) < number_of(whole[-1].name):
        broken = next((path for path in whole if number_of(path.name) >= segment_at(end)), whole[-1])
        raise InsituError(
            f"The archive cannot be read beyond {end}: {broken} is damaged, or the one after it is missing. "
            "Restore with --until a moment before that, or with --at-backup."
        )


def _unpack(archive: Path, target: Path) -> None:
    # a file of several parts, which tarfile alone does not read beyond the first
    with gzip.open(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
        tar.extractall(target, filter="data")


def _stage(wanted: Wanted, log: Path) -> list[Path]:
    """Copy the log since the backup to where the server's account can read it; returns what was copied."""
    manifest = wanted.manifest
    if wanted.at_backup or manifest.archive is None or manifest.first_segment is None:
        return []
    archive = wanted.backup.parent / manifest.archive
    if not archive.is_dir():
        if wanted.until is not None:
            raise CorrectInput(
                f"{archive} is not here, so there is nothing later than the backup itself: put it beside the "
                "backup, or leave out --until."
            )
        return []
    segments = list_segments(archive, manifest.first_segment)
    for path in segments:
        shutil.copyfile(path, log / path.name.removesuffix(".partial"))
    return segments


def _settle(data_dir: Path, place: Path, wanted: Wanted, recovered: Recovered) -> None:
    """Move what was made to its place. `restoring` goes last: until then nothing starts."""
    keys = wanted.backup / KEYS
    for path in sorted(keys.iterdir()) if keys.is_dir() else []:
        target = data_dir / path.name
        if path.is_dir():
            shutil.copytree(path, target, symlinks=True)
        else:
            write_whole(target, path.read_bytes())
    os.replace(place / "pg", data_dir / "pg")
    note = {
        "backup": wanted.backup.name,
        "made_at": wanted.manifest.ended_at.isoformat(),
        "until": wanted.until.isoformat() if wanted.until else None,
        "last_commit_at": recovered.last_commit_at.isoformat() if recovered.last_commit_at else None,
    }
    write_whole(data_dir / NOTE, json.dumps(note))
    write_whole(data_dir / ".database-made", MADE)
    sync_folder(data_dir)
    doomed = place.rename(data_dir / ".insitu-restored")
    sync_folder(data_dir)
    shutil.rmtree(doomed, ignore_errors=True)


def _give(folder: Path, account: Account | None) -> None:
    """Make everything private to the account that runs the server."""
    for place, folders, names in os.walk(folder):
        Path(place).chmod(0o700)
        for name in names:
            (Path(place) / name).chmod(0o600)
        if account is not None:
            for name in (".", *folders, *names):
                os.chown(Path(place) / name, account.uid, account.gid, follow_symlinks=False)


def _owner(account: Account | None) -> tuple[int, int] | None:
    return None if account is None else (account.uid, account.gid)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _quoted(path: Path) -> str:
    return shlex.quote(str(path)).replace("%", "%%")


def _moment(text: str) -> datetime:
    """A time as the server writes it: with +00 or UTC."""
    return datetime.fromisoformat(text.removesuffix("UTC").removesuffix("+00").strip()).replace(tzinfo=UTC)
