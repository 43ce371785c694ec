"""`insitu backup`, `insitu restore`: keep an installation, and make it again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import open_acting
from cli.addresses import database_url_of
from cli.backing_up import keep_backing_up, note, told
from cli.backup_source import embedded_source, external_source
from cli.fields import to_utc
from cli.options import ClockOption, JsonOption
from cli.output import progress
from cli.reports import aside, in_utc, show
from cli.stopping import until_signal
from insitu.embedded.backups.archive import Archive
from insitu.embedded.backups.manifest import DUMP, KEYS, Manifest, require_whole
from insitu.embedded.backups.restoring import (
    Recovered,
    Wanted,
    find_backup,
    put_dump,
    require_empty,
    restore_dump,
)
from insitu.embedded.backups.restoring import restore as restore_files
from insitu.embedded.backups.taking import take_dump, take_physical
from insitu.embedded.cluster import wheel_binaries
from insitu.embedded.directory import hold
from insitu.errors import CorrectInput, UpgradeInsitu
from insitu.settings import Settings, load
from insitu.whole import write_once
from store.backups import load_backup_state, save_backup_state
from store.database import connect, has_schema, migrate, migrations, split_password

if TYPE_CHECKING:
    from store.database import Connection

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """A backup. `archive`: the folder that receives the changes since; None: nothing does."""

    place: str
    kind: str
    bytes: int
    files: int
    seconds: float
    began_at: datetime
    ended_at: datetime
    archive: str | None
    not_included: list[str]


@dataclass(frozen=True, slots=True)
class Restored:
    """`last_commit_at`: of the newest change since the backup; None if there was none. `seconds`: from the
    call to an installation that can be started.
    """

    place: str
    kind: str
    data_dir: str
    backup_ended_at: datetime
    until: datetime | None
    last_commit_at: datetime | None
    segments: int
    checked_s: float
    seconds: float
    keys: list[str]
    not_included: list[str]


def backup(
    to: Annotated[
        Path | None, typer.Option(help="Folder of the backups; default: INSITU_BACKUP_DIR.", file_okay=False)
    ] = None,
    dump: Annotated[
        bool, typer.Option("--dump", help="As a dump, which another major version of PostgreSQL can restore.")
    ] = False,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave out the files with the keys of the installation.")
    ] = False,
    scheduled: Annotated[
        bool,
        typer.Option("--scheduled", help="Go on until stopped, as the settings say. `insitu up` runs this."),
    ] = False,
    clock: ClockOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a backup while Insitu runs: of the embedded server all files, of another one a dump."""
    settings = load()
    folder = (to or settings.backup_dir or Path()).absolute()
    if to is None and settings.backup_dir is None:
        raise CorrectInput("Say where the backup shall be: --to FOLDER, or set INSITU_BACKUP_DIR.")
    if scheduled:
        logging.basicConfig(
            level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )
        keep_backing_up(settings, folder, database_url_of(settings), until_signal())
        return
    target, conn, actor = open_acting("insitu backup")
    with conn:
        if target.running is not None:
            source = embedded_source(settings, target.data_dir, target.database_url)
            if dump:
                source = external_source(settings, target.owner_url).beside(target.data_dir)
        else:
            source = external_source(settings, target.owner_url)
            dump = True
        if dump:
            place, manifest = take_dump(source, folder, with_keys=not without_keys)
        else:
            archive = Archive(source.data_dir, folder).name
            there = archive if archive is not None and (folder / archive).is_dir() else None
            place, manifest = take_physical(source, folder, archive=there, with_keys=not without_keys)
        _write_down(conn, place, manifest, actor)
    made = _made(place, manifest)
    show(made, _made_lines(made), as_json=as_json)


def _write_down(conn: Connection, place: Path, manifest: Manifest, actor: str) -> None:
    save_backup_state(conn, told(load_backup_state(conn), place, manifest))
    note(conn, place, manifest, login=actor)


def _made(place: Path, manifest: Manifest) -> Made:
    return Made(
        place=str(place),
        kind=manifest.kind,
        bytes=manifest.bytes,
        files=len(manifest.files),
        seconds=round((manifest.ended_at - manifest.began_at).total_seconds(), 1),
        began_at=manifest.began_at,
        ended_at=manifest.ended_at,
        archive=manifest.archive,
        not_included=list(manifest.not_included),
    )


def _made_lines(made: Made) -> Iterator[str]:
    yield f"{made.place}: {made.bytes / _MB:.1f} MB in {made.seconds:.1f} s"
    if made.archive is not None:
        yield f"Every change since is in {Path(made.place).parent / made.archive}."
    elif made.kind == "physical":
        yield "Nothing receives the changes since: that needs INSITU_BACKUP_DIR and `insitu up`."
    yield from (f"Not in it: {one}." for one in made.not_included)


def restore(
    backup: Annotated[
        Path, typer.Argument(help="A backup, or the folder of several: then the newest that fits.")
    ],
    until: Annotated[
        datetime | None, typer.Option(help="As it was at this moment (UTC, or with an offset).")
    ] = None,
    at_backup: Annotated[
        bool, typer.Option("--at-backup", help="As the backup has it, without the changes since.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an installation again in an empty data directory (or an empty database of your own)."""
    began = time.monotonic()
    settings = load()
    moment = to_utc(until) if until is not None else None
    if moment is not None and at_backup:
        raise CorrectInput("Say --until or --at-backup, not both.")
    if moment is not None and moment > datetime.now(UTC):
        raise CorrectInput("--until is in the future: leave it out to restore all that there is.")
    place, manifest = find_backup(backup.absolute(), moment)
    _require_known(place, manifest)
    with progress("Checking every file of the backup") as step:
        require_whole(place, manifest)
        step(1, 1)
    checked_s = time.monotonic() - began
    wanted = Wanted(place, manifest, moment, at_backup)
    if settings.database_url is not None or settings.owner_database_url is not None:
        recovered, keys = _restore_elsewhere(settings, wanted)
    else:
        recovered, keys = _restore_here(settings, wanted)
    restored = Restored(
        place=str(place),
        kind=manifest.kind,
        data_dir=str(settings.data_dir),
        backup_ended_at=manifest.ended_at,
        until=moment,
        last_commit_at=recovered.last_commit_at,
        segments=recovered.segments,
        checked_s=round(checked_s, 1),
        seconds=round(time.monotonic() - began, 1),
        keys=keys,
        not_included=list(manifest.not_included),
    )
    show(restored, _restored_lines(restored), as_json=as_json)
    aside(as_json)(
        "Everything that was revoked, disabled, erased or registered later is as it was then: do it "
        "again before "
        "devices and people come back."
    )


def _require_known(place: Path, manifest: Manifest) -> None:
    if manifest.schema not in {path.stem for path in migrations()}:
        raise UpgradeInsitu(
            f"{place} has the schema {manifest.schema} of Insitu {manifest.insitu}, which is newer than this "
            "version: install that version or a newer one, and restore with it."
        )


def _restore_here(settings: Settings, wanted: Wanted) -> tuple[Recovered, list[str]]:
    require_empty(settings.data_dir)
    put = restore_dump if wanted.manifest.kind == "dump" else restore_files
    with hold(settings.data_dir, run_as=settings.run_as):
        recovered = put(
            settings.data_dir, wanted, run_as=settings.run_as, given_binaries=settings.postgres_bin
        )
    return recovered, _keys_of(wanted)


def _restore_elsewhere(settings: Settings, wanted: Wanted) -> tuple[Recovered, list[str]]:
    """Into an empty database of a server that Insitu does not run, by its owner; keys that are missing in the
    data directory.
    """
    if wanted.manifest.kind != "dump":
        raise CorrectInput(
            f"{wanted.backup} has the files of an embedded server: unset INSITU_DATABASE_URL and "
            "INSITU_OWNER_DATABASE_URL to restore it here. A server of your own needs a dump "
            "(`insitu backup --dump`)."
        )
    secret = settings.owner_database_url or settings.database_url
    assert secret is not None
    url = secret.get_secret_value()
    with connect(url, application="insitu restore") as conn:
        if has_schema(conn):
            raise CorrectInput(
                "The database has an installation of Insitu already: name an empty one in "
                "INSITU_OWNER_DATABASE_URL."
            )
    bare, password = split_password(url)
    logs = settings.data_dir / "logs"
    put_dump(
        settings.postgres_bin or wheel_binaries(),
        bare,
        wanted.backup / DUMP,
        log=logs / "restore.log",
        password=password,
    )
    with connect(url, application="insitu restore") as conn:
        migrate(conn)
    keys = []
    for path in sorted((wanted.backup / KEYS).glob("*")):
        if path.is_file() and not (settings.data_dir / path.name).exists():
            write_once(settings.data_dir / path.name, path.read_bytes())
            keys.append(path.name)
    return Recovered(None, 0), keys


def _keys_of(wanted: Wanted) -> list[str]:
    place = wanted.backup / KEYS
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


def _restored_lines(restored: Restored) -> Iterator[str]:
    yield (
        f"Restored from {restored.place} in {restored.seconds:.1f} s ({restored.checked_s:.1f} s to check "
        "its files)."
    )
    if restored.last_commit_at is not None:
        yield f"The newest change is of {restored.last_commit_at:%Y-%m-%d %H:%M:%S.%f} UTC."
    else:
        yield f"It is as the backup has it, of {in_utc(restored.backup_ended_at)} UTC."
    if restored.keys:
        yield f"Files beside the database: {', '.join(restored.keys)}."
    yield from (f"Not in it: {one}." for one in restored.not_included)
    yield (
        "Start it, and run `insitu check`. Devices keep their credentials; receipts name what is "
        "missing, and "
        "devices that still have it send it again."
    )
