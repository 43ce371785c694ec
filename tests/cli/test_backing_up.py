"""The part that makes backups on schedule: what it keeps, what it removes, and how it goes on after
trouble.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from cli.backing_up import Keeper, end_archive, end_schedule, prune
from cli.backup_check import describe_backups, describe_disk
from cli.backup_source import embedded_source
from cli.policy import CannotAsk, LookAt
from insitu.embedded.backups.answers import Answers
from insitu.embedded.backups.archive import SLOT, Archive, list_segments, remove_older
from insitu.embedded.backups.manifest import Manifest, list_backups, require_whole, seal_folder, sum_files
from insitu.embedded.postgres import Postgres
from insitu.errors import InsituError
from insitu.settings import Settings
from store.audit import audit
from store.backups import BackupState, find_fault, load_backup_state, note_restore, save_backup_state
from store.database import Connection, connect, migrate
from tests.embedded.test_interrupted import folder
from tests.stack import wait_until

__all__ = ["folder"]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def made(place: Path, at: datetime, archive: str, first: str) -> Path:
    """A backup of one small file that ended at `at`."""
    name = f"insitu-{at:%Y%m%dT%H%M%SZ}"
    unfinished = place / f".{name}.part"
    unfinished.mkdir(parents=True)
    (unfinished / "base.tar.gz").write_bytes(b"x")
    manifest = Manifest(
        kind="physical",
        insitu="0",
        schema="0001",
        postgres=18,
        began_at=at,
        ended_at=at,
        archive=archive,
        first_segment=first,
        not_included=(),
        files=sum_files(unfinished),
    )
    seal_folder(unfinished, place / name, manifest)
    return place / name


def segment(number: int) -> str:
    return f"00000001{0:08X}{number:08X}"


def test_the_newest_backups_stay_with_the_changes_since_the_oldest_of_them(tmp_path: Path) -> None:
    for name in ("wal-old", "wal-new"):
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / segment(number)).write_bytes(b"")
    (tmp_path / "wal-new" / f"{segment(10)}.partial").write_bytes(b"")
    backups = [
        made(tmp_path, NOW + n * HOUR, archive, segment(first))
        for n, (archive, first) in enumerate([("wal-old", 3), ("wal-new", 2), ("wal-new", 5), ("wal-new", 8)])
    ]
    prune(tmp_path, 3, "wal-new")
    assert [place for place, _ in list_backups(tmp_path)] == backups[1:]
    assert not (tmp_path / "wal-old").exists()
    assert [path.name for path in list_segments(tmp_path / "wal-new", "")] == [
        *(segment(number) for number in range(2, 10)),
        f"{segment(10)}.partial",
    ]
    prune(tmp_path, 1, "wal-new")
    assert next(path.name for path in list_segments(tmp_path / "wal-new", "")) == segment(8)
    assert not list(tmp_path.glob(".insitu-*"))


def test_no_changes_are_removed_while_a_manifest_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "wal-old").mkdir()
    backup = made(tmp_path, NOW, "wal-old", segment(1))
    (backup / "backup.json").write_text("{")
    prune(tmp_path, 1, "wal-new")
    assert (tmp_path / "wal-old").is_dir(), "the damaged backup may belong to it"
    assert remove_older(tmp_path / "wal-old", segment(1)) == 0


@dataclass
class Kept:
    server: Postgres
    data: Path
    backups: Path
    keeper: Keeper

    def archives(self) -> list[str]:
        return sorted(path.name for path in self.backups.glob("wal-*"))


@pytest.fixture
def kept(folder: Path) -> Iterator[Kept]:
    data, backups = folder / "data", folder / "backups"
    limits = {"max_slot_wal_keep_size": "32MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
    with Postgres(data_dir=data, options=limits) as server:
        with connect(server.url, application="tests") as conn:
            migrate(conn)
        settings = Settings(data_dir=data, backup_dir=backups, backup_keep=2)
        source = embedded_source(settings, data, server.service_url)
        keeper = Keeper(settings, backups, source, server.service_url)
        made = Kept(server, data, backups, keeper)
        yield made
        made.keeper.stop()  # a test may have begun another one


def stepped(kept: Kept, what: str, ready: object) -> None:
    def is_ready() -> bool:
        try:
            kept.keeper.step()
        except InsituError:  # as the part does: it is tried again
            time.sleep(0.1)
        assert callable(ready)
        return bool(ready())

    wait_until(is_ready, what, 60)


def write(url: str, rows: int) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS filler (words text)")
        conn.execute(
            "INSERT INTO filler SELECT repeat(md5(n::text), 30) FROM generate_series(1, %s) n", (rows,)
        )


def test_the_first_step_begins_an_archive_and_makes_a_backup_and_writes_both_down(kept: Kept) -> None:
    stepped(kept, "the first backup", lambda: list_backups(kept.backups))
    ((place, manifest),) = list_backups(kept.backups)
    require_whole(place, manifest)
    assert [manifest.archive] == kept.archives()
    kept.keeper.step()
    assert len(list_backups(kept.backups)) == 1, "none is due"
    with connect(kept.server.service_url, application="tests") as conn:
        state = load_backup_state(conn)
        assert (state.place, state.kind, state.trouble) == (str(place), "physical", None)
        assert state.every_hours == 24
        (line,) = audit(conn)
        assert (line.login, line.action, line.subject) == ("job:backup", "backup", place.name)


@pytest.mark.long
def test_a_receiver_that_was_away_too_long_begins_another_archive_with_a_backup_of_its_own(
    kept: Kept,
) -> None:
    stepped(kept, "the first backup", lambda: list_backups(kept.backups))
    (first,) = kept.archives()
    kept.keeper.stop()
    for _ in range(8):
        write(kept.server.url, 20_000)
        with psycopg.connect(kept.server.admin_url, autocommit=True) as admin:
            admin.execute("SELECT pg_switch_wal()")
            admin.execute("CHECKPOINT")
    with psycopg.connect(kept.server.admin_url) as admin:
        assert admin.execute("SELECT wal_status FROM pg_replication_slots").fetchall() == [("lost",)]
    stepped(kept, "another archive", lambda: len(list_backups(kept.backups)) == 2)
    newest = list_backups(kept.backups)[-1][1]
    assert newest.archive != first
    assert newest.archive == Archive(kept.data, kept.backups).name
    with psycopg.connect(kept.server.admin_url) as admin:
        assert admin.execute("SELECT wal_status FROM pg_replication_slots").fetchall() != [("lost",)]


@pytest.mark.long
def test_a_folder_that_cannot_be_written_is_told_and_tried_again(kept: Kept) -> None:
    kept.backups.write_text("a file where the folder should be")
    with pytest.raises(InsituError):
        kept.keeper.step()
    with connect(kept.server.service_url, application="tests") as conn:
        assert str(kept.backups) in (load_backup_state(conn).trouble or "")
    kept.backups.unlink()
    stepped(kept, "the first backup", lambda: list_backups(kept.backups))


def slots(kept: Kept) -> list[str]:
    with psycopg.connect(kept.server.admin_url) as admin:
        return [name for (name,) in admin.execute("SELECT slot_name FROM pg_replication_slots")]


def trouble(kept: Kept) -> str:
    with connect(kept.server.service_url, application="tests") as conn:
        return load_backup_state(conn).trouble or ""


def test_a_start_without_backups_drops_the_slot_that_nobody_reads_any_more(kept: Kept) -> None:
    stepped(kept, "the first backup", lambda: list_backups(kept.backups))
    (first,) = kept.archives()
    assert slots(kept) == [SLOT]
    end_archive(kept.server.admin_url, kept.data)
    assert slots(kept) == [SLOT], "a receiver reads it"
    assert Archive(kept.data, kept.backups).name == first
    kept.keeper.stop()
    with psycopg.connect(kept.server.admin_url, autocommit=True) as admin:
        wait_until(
            lambda: admin.execute("SELECT active FROM pg_replication_slots").fetchall() == [(False,)],
            "the receiver's end",
        )
    end_archive(kept.server.admin_url, kept.data)
    assert slots(kept) == []
    with connect(kept.server.service_url, application="tests") as conn:
        later = datetime.now(UTC) + timedelta(days=90)
        assert find_fault(load_backup_state(conn), later) is not None
        end_schedule(conn)
        assert find_fault(load_backup_state(conn), later) is None, "nothing is overdue that nobody planned"
    assert Archive(kept.data, kept.backups).name is None
    stepped(kept, "a backup of another archive", lambda: len(list_backups(kept.backups)) == 2)
    assert Archive(kept.data, kept.backups).name != first


def test_a_share_that_is_not_mounted_any_more_is_told_and_nothing_is_written_below_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.backing_up.SAVED_EVERY_S", 0.5)
    stepped(kept, "the first backup", lambda: list_backups(kept.backups))
    kept.keeper.stop()
    mounted = kept.backups.rename(kept.backups.with_name("elsewhere"))
    kept.backups.mkdir()  # the empty folder that a mount covers
    keeper = Keeper(
        Settings(data_dir=kept.data, backup_dir=kept.backups, backup_keep=2),
        kept.backups,
        embedded_source(Settings(data_dir=kept.data), kept.data, kept.server.service_url),
        kept.server.service_url,
    )
    with pytest.raises(InsituError, match="is the disk or network share of the backups mounted"):
        keeper.step()
    assert "is gone: is the disk or network share" in trouble(kept)
    assert list(kept.backups.iterdir()) == []
    kept.backups.rmdir()
    mounted.rename(kept.backups)
    (before,) = kept.archives()
    kept.keeper = keeper
    stepped(kept, "the receiver", lambda: not trouble(kept) and keeper.is_receiving)
    assert kept.archives() == [before], "the same archive goes on"


def test_a_share_that_answers_no_call_blocks_nothing_and_is_told(kept: Kept) -> None:
    stepped(kept, "the first backup", lambda: list_backups(kept.backups))
    kept.keeper.stop()
    hangs, asked = threading.Event(), threading.Event()

    def look(_folder: Path) -> None:
        if hangs.is_set():
            asked.set()
            threading.Event().wait(20)

    settings = Settings(data_dir=kept.data, backup_dir=kept.backups)
    keeper = Keeper(
        settings,
        kept.backups,
        embedded_source(settings, kept.data, kept.server.service_url),
        kept.server.service_url,
        Answers(kept.backups, look=look, every_s=0.05, patience_s=0.3),
    )
    kept.keeper = keeper
    stepped(kept, "the receiver", lambda: keeper.is_receiving)
    hangs.set()
    assert asked.wait(5)
    time.sleep(0.5)
    began = time.monotonic()
    with pytest.raises(InsituError, match=r"does not answer: is its network share or disk there\?"):
        keeper.step()
    assert time.monotonic() - began < 3
    assert "does not answer" in trouble(kept)
    with connect(kept.server.service_url, application="tests") as conn:
        state = replace(load_backup_state(conn), received_at=datetime.now(UTC) - timedelta(minutes=11))
        save_backup_state(conn, state)
        with pytest.raises(InsituError, match=r"the changes since are not received.*does not answer"):
            describe_backups(conn, is_simulated=False, now=datetime.now(UTC))


# -- what `check` says


def describe(conn: Connection, state: BackupState, *, simulated: bool = False) -> str:
    save_backup_state(conn, state)
    return describe_backups(conn, is_simulated=simulated, now=NOW)


def test_check_says_how_old_the_newest_backup_is_and_what_to_do(conn: Connection) -> None:
    with pytest.raises(CannotAsk):
        describe(conn, BackupState(), simulated=True)
    with pytest.raises(LookAt, match=r"there is none\. Set INSITU_BACKUP_DIR"):
        describe(conn, BackupState())
    by_hand = BackupState(made_at=NOW - HOUR, place="/b/insitu-1", kind="dump", bytes=1, seconds=1.0)
    assert "none is made by itself" in describe(conn, by_hand)
    with pytest.raises(LookAt, match="9 days old"):
        describe(conn, replace(by_hand, made_at=NOW - 9 * 24 * HOUR))
    kept = replace(by_hand, every_hours=24.0, received_at=NOW - timedelta(minutes=1))
    assert "changes are received up to 2026-03-01 11:59 UTC" in describe(conn, kept)
    assert "changes are received" in describe(conn, replace(kept, made_at=NOW - 47 * HOUR))
    with pytest.raises(InsituError, match=r"one is due every 24 h.*The last attempt: no space"):
        describe(conn, replace(kept, made_at=NOW - 49 * HOUR, trouble="no space"))
    with pytest.raises(InsituError, match="the changes since are not received"):
        describe(conn, replace(kept, received_at=NOW - timedelta(minutes=11)))
    with pytest.raises(LookAt, match="The last attempt: no space"):
        describe(conn, replace(kept, trouble="no space"))


@pytest.mark.parametrize("every", [None, 0.5, 24.0])
@pytest.mark.parametrize("made", [None, 0.2, 0.99, 1.01, 47.9, 48.1, 300.0])
@pytest.mark.parametrize("received", [None, 1, 9, 11, 3000])
@pytest.mark.parametrize("trouble", [None, "no space"])
def test_check_is_not_content_when_an_alert_is_due_and_the_other_way_round_where_backups_are_scheduled(
    conn: Connection, every: float | None, made: float | None, received: int | None, trouble: str | None
) -> None:
    state = BackupState(
        made_at=None if made is None else NOW - made * HOUR,
        place="/b/insitu-1",
        every_hours=every,
        received_at=None if received is None else NOW - timedelta(minutes=received),
        trouble=trouble,
    )
    try:
        describe(conn, state)
    except InsituError:
        is_content = False
    else:
        is_content = True
    is_due = find_fault(state, NOW) is not None
    if every is None:
        assert not is_due, "nothing is made by itself, so nothing is overdue"
    elif made is None and trouble is None:
        assert not is_due, "the first one is still being made"
    else:
        assert is_due == (not is_content)


def test_a_restore_is_remembered_once(conn: Connection) -> None:
    assert note_restore(conn, "a")
    assert not note_restore(conn, "a")
    assert note_restore(conn, "b")


def test_check_says_how_much_is_free_and_when_that_is_near_the_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gigabyte = 1_000_000_000
    free = 9 * gigabyte
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=free, total=100 * gigabyte))
    with pytest.raises(CannotAsk, match="INSITU_DATABASE_DISK"):
        describe_disk(None, gigabyte)
    assert describe_disk(tmp_path, gigabyte) == "9,000 MB free of 100,000 MB"
    with pytest.raises(LookAt, match="below 5,000 MB nothing is taken in"):
        describe_disk(tmp_path, 5 * gigabyte)
    with pytest.raises(InsituError, match=r"nothing is taken in below 10,000 MB.*to at least 12,500 MB"):
        describe_disk(tmp_path, 20 * gigabyte)
