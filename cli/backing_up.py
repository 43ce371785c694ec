"""The part of `insitu up` that makes backups on schedule, and receives every change since.

It has two tasks that do not wait for each other: `pg_receivewal` runs beside it, and is started again when it
ends; a backup is made when the newest one is too old, or belongs to another archive.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.backup_source import embedded_source, with_password
from insitu.embedded.backups.answers import Answers
from insitu.embedded.backups.archive import SLOT, Archive, remove_older
from insitu.embedded.backups.manifest import Manifest, list_backups, remove_backup
from insitu.embedded.backups.taking import Source, take_physical
from insitu.embedded.child import Child, finish
from insitu.embedded.cluster import clean_environment, running
from insitu.embedded.trouble import explained
from insitu.errors import InsituError, RetryLater
from insitu.settings import Settings
from store.audit import record
from store.backups import BackupState, load_backup_state, save_backup_state
from store.database import Connection, bytes_behind, connect, drop_slot

if TYPE_CHECKING:
    from store.database import Connection

_log = logging.getLogger("insitu.backup")
ACTOR: Final = "job:backup"
STEP_S: Final = 1.0
SAVED_EVERY_S: Final = 30.0
AGAIN_S: Final = 600.0
"""After a backup that failed."""
RECEIVER_PAUSE_S: Final = 5.0
_LITTLE_BEHIND: Final = 2**20
_LOST: Final = (
    "can no longer get changes from replication slot",
    "requested WAL segment",
    "has been invalidated",
)
"""The server has removed what the archive did not receive yet."""


def keep_backing_up(settings: Settings, folder: Path, database_url: str, stop: threading.Event) -> None:
    """Runs until `stop`. An error is logged, told to `insitu check`, and tried again."""
    keeper: Keeper | None = None
    said = ""
    try:
        while not stop.is_set():
            try:
                if keeper is None:
                    source = embedded_source(settings, settings.data_dir, database_url)
                    keeper = Keeper(settings, folder, source, database_url)
                keeper.step()
                said = ""
            except InsituError as error:
                if str(error) != said:
                    said = str(error)
                    _log.warning("%s It is tried again.", error)
            stop.wait(STEP_S)
    finally:
        if keeper is not None:
            keeper.stop()


def end_schedule(conn: Connection) -> None:
    """Where no backups are made by themselves any more: none is overdue."""
    save_backup_state(conn, replace(load_backup_state(conn), every_hours=None, trouble=None))
    conn.commit()


def end_archive(admin_url: str, data_dir: Path) -> None:
    """Where no backups are made by themselves any more: remove the slot, which would keep changes that nobody
    receives, unless somebody reads it. Later backups begin another archive: what this one lacks can be in no
    other.
    """
    with connect(admin_url, application="insitu up") as admin:
        if not drop_slot(admin, SLOT):
            return
    Archive(data_dir, data_dir).forget()
    _log.warning("INSITU_BACKUP_DIR is not set any more: changes are no longer kept for the archive.")


class Keeper:
    """Of one installation. All calls come from one thread."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        source: Source,
        database_url: str,
        answers: Answers | None = None,
    ) -> None:
        self._settings, self._folder, self._source, self._url = settings, folder, source, database_url
        self._answers = answers or Answers(folder)
        self._answers.start()
        self._archive = Archive(source.data_dir, folder)
        self._receiver: Child | None = None
        self._receiver_tried_at = float("-inf")
        self._failed_at = float("-inf")
        self._saved_at = float("-inf")
        self._not_made: str | None = None
        self._not_received: str | None = None

    def step(self) -> None:
        """Look after the receiver, make a backup if one is due, and write down how things are. Raises the
        first error, when the rest was done.
        """
        now = time.monotonic()
        problem = self._tried(self._use_folder, now)
        if now - self._saved_at > SAVED_EVERY_S:
            self._saved_at = now
            self._save()
        if problem is not None:
            raise problem

    def _use_folder(self, now: float) -> None:
        """Nothing here touches a folder that does not answer."""
        self._answers.require()
        problem = self._tried(self._receive, now)
        if self._is_due(datetime.now(UTC)) and now - self._failed_at > AGAIN_S:
            problem = problem or self._tried(self._back_up, now)
        if problem is not None:
            raise problem

    def _tried(self, act: Callable[[float], None], now: float) -> InsituError | None:
        try:
            act(now)
        except OSError as error:
            return self._noted(explained(error, self._folder))
        except InsituError as error:
            return self._noted(error)
        return None

    def _noted(self, error: InsituError) -> InsituError:
        """Tell `check` soon, once for each error."""
        if str(error) not in (self._not_received, self._not_made):
            self._saved_at = float("-inf")
            self._not_received = str(error)
        return error

    def stop(self) -> None:
        self._answers.stop()
        if self._receiver is not None:
            self._receiver.stop(5.0)

    # -- the archive

    @property
    def is_receiving(self) -> bool:
        return self._receiver is not None and self._receiver.poll() is None

    def _receive(self, now: float) -> None:
        receiver = self._receiver
        if self.is_receiving:
            return
        if receiver is not None:
            words = receiver.last_words(3)
            self._receiver = None
            if any(sign in words for sign in _LOST):
                self._begin_again()
            else:
                self._not_received = f"Changes are not received: {words or 'the program was ended'}"
                _log.warning("%s", self._not_received)
        if now - self._receiver_tried_at < RECEIVER_PAUSE_S:
            return
        self._receiver_tried_at = now
        place = self._place()
        self._call("--create-slot", "--if-not-exists")
        self._receiver = self._program("--directory", str(place), "--no-loop", "--synchronous")
        self._receiver.start()

    def _place(self) -> Path:
        """The folder that receives the changes. Raises RetryLater where it was and is no more, as when its
        disk is not mounted: what is made in the empty folder then lies on the disk below it.
        """
        name = self._archive.name
        if name is not None and (self._folder / name).is_dir():
            return self._folder / name
        if name is not None and self._archive.is_begun_in(self._folder):
            raise RetryLater(
                f"{self._folder / name} is gone: is the disk or network share of the backups mounted? If it "
                f"was removed on purpose, remove {self._archive.note} too: then another archive begins, "
                "with a backup."
            )
        return self._folder / self._archive.begin()

    def _begin_again(self) -> None:
        """The server no longer has what comes next: begin another archive, and a backup that it belongs
        to.
        """
        self._call("--drop-slot")
        name = self._archive.begin()
        _log.warning(
            "Some changes were not received in time: the archive %s begins, with a new backup.", name
        )

    def _call(self, *options: str) -> None:
        program = self._program(*options)
        if finish(running(program, timeout_s=60.0)) != 0:
            raise InsituError(f"Changes are not received: {program.last_words(3)}")

    def _program(self, *options: str) -> Child:
        command = [str(self._source.binaries / "pg_receivewal"), "-d", self._source.url, "--slot", SLOT]
        return Child(
            [*command, "--no-password", *options],
            log=self._source.data_dir / "logs" / "archive.log",
            env={**clean_environment(), "PGPASSWORD": self._source.password},
            cwd=Path("/"),
        )

    # -- backups

    def _is_due(self, now: datetime) -> bool:
        name = self._archive.name
        if name is None or self._receiver is None:
            return False
        ours = [manifest for _, manifest in list_backups(self._folder) if manifest.archive == name]
        return not ours or now - ours[-1].ended_at >= timedelta(hours=self._settings.backup_hours)

    def _back_up(self, now: float) -> None:
        try:
            place, manifest = take_physical(self._source, self._folder, archive=self._archive.name)
        except InsituError as error:
            self._failed_at, self._not_made = now, str(error)
            self._saved_at = float("-inf")
            raise
        _log.info("%s was made, %d bytes", place, manifest.bytes)
        self._not_made = None
        self._save(place, manifest)
        prune(self._folder, self._settings.backup_keep, self._archive.name)

    # -- what others read

    def _save(self, place: Path | None = None, manifest: Manifest | None = None) -> None:
        """Write down how things are, and the new backup, if there is one."""
        with connect(with_password(self._source), application="insitu backup") as admin:
            behind = bytes_behind(admin, "pg_receivewal")
        is_received = behind is not None and behind < _LITTLE_BEHIND and self._answers.is_there()
        if is_received:
            self._not_received = None
        with connect(self._url, application="insitu backup") as conn:
            state = load_backup_state(conn)
            if place is not None and manifest is not None:
                state = told(state, place, manifest)
                note(conn, place, manifest, login=ACTOR)
            state = replace(
                state,
                every_hours=self._settings.backup_hours,
                received_at=datetime.now(UTC) if is_received else state.received_at,
                trouble=self._not_made or self._not_received,
            )
            save_backup_state(conn, state)


def told(state: BackupState, place: Path, manifest: Manifest) -> BackupState:
    """`state` with a new backup."""
    return replace(
        state,
        made_at=manifest.ended_at,
        place=str(place),
        kind=manifest.kind,
        bytes=manifest.bytes,
        seconds=(manifest.ended_at - manifest.began_at).total_seconds(),
    )


def note(conn: Connection, place: Path, manifest: Manifest, *, login: str) -> None:
    """The line of the audit log."""
    detail = {"kind": manifest.kind, "bytes": manifest.bytes, "place": str(place)}
    record(conn, at=manifest.ended_at, login=login, action="backup", subject=place.name, detail=detail)


def prune(folder: Path, keep: int, present: str | None) -> None:
    """Keep the newest physical backups and the changes since the oldest of them; remove the others.
    `present`: the archive that is being written.
    """
    found = [one for one in list_backups(folder) if one[1].kind == "physical"]
    for place, _ in found[:-keep]:
        remove_backup(place)
    first: dict[str, str] = {}
    for _, manifest in found[-keep:]:
        if manifest.archive is not None and manifest.first_segment is not None:
            known = first.get(manifest.archive, manifest.first_segment)
            first[manifest.archive] = min(known, manifest.first_segment)
    are_all_read = len(list_backups(folder)) == len(list(folder.glob("insitu-*")))
    for archive in folder.glob("wal-*"):
        if archive.name in first:
            remove_older(archive, first[archive.name])
        elif archive.name != present and are_all_read:
            shutil.rmtree(archive)
