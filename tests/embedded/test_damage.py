"""A data directory that is damaged, closed or another account's is named with the way out, before a start and
from what PostgreSQL says; nothing is tried for ever, set aside or made again.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from insitu.embedded.account import Account, prepare_data_dir, server_account
from insitu.embedded.child import finish
from insitu.embedded.damage import (
    damage_in,
    require_recovered,
    require_streams,
    require_whole,
    requiring_ours,
)
from insitu.embedded.directory import locked, read_running
from insitu.embedded.gate import Gate
from insitu.embedded.postgres import Postgres
from insitu.embedded.trouble import explained
from insitu.errors import CorrectInput, FixPermissions, RestoreBackup
from insitu.whole import secret_file, whole_secret
from tests.fix_database import quick_folder

US = Account("us", os.geteuid(), os.getegid())


def complete(folder: Path) -> Path:
    """The files of a database that a start looks for, each with its usual kind of content."""
    cluster = folder / "pg"
    (cluster / "global").mkdir(parents=True)
    (cluster / "base" / "1").mkdir(parents=True)
    for name in (
        "postgresql.conf",
        "pg_hba.conf",
        "global/pg_control",
        "global/pg_filenode.map",
        "base/1/1259",
    ):
        (cluster / name).write_bytes(b"content")
        (cluster / name).chmod(0o600)
    (cluster / "PG_VERSION").write_text("18\n")
    return cluster


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the servers' account can reach."""
    place = Path(mkdtemp(prefix="insitu-damage-", dir=quick_folder()))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)


# -- files that are missing or empty


@pytest.mark.parametrize("fault", ["missing", "empty"])
@pytest.mark.parametrize(
    "name", ["PG_VERSION", "postgresql.conf", "pg_hba.conf", "global/pg_control", "global/pg_filenode.map"]
)
def test_a_file_that_no_database_lacks_is_named_and_nothing_is_changed(
    tmp_path: Path, name: str, fault: str
) -> None:
    cluster = complete(tmp_path)
    require_whole(cluster)
    path = cluster / name
    path.write_bytes(b"") if fault == "empty" else path.unlink()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RestoreBackup) as said:
        require_whole(cluster)
    assert str(said.value).startswith(f"{path} is {fault}. ")
    assert "`insitu restore BACKUP`" in str(said.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", [b"1", b"1x\n", b"\0\0\0", b"\xff\xff\xff"])
def test_a_version_that_is_none_is_not_taken_for_another_postgres(tmp_path: Path, content: bytes) -> None:
    cluster = complete(tmp_path)
    (cluster / "PG_VERSION").write_bytes(content)
    with pytest.raises(RestoreBackup, match="PG_VERSION is damaged"):
        require_whole(cluster)


@pytest.mark.parametrize("marker", [".database-made", "pg/insitu.whole"])
def test_a_start_names_the_file_before_it_runs_any_program_and_makes_nothing(
    folder: Path, marker: str
) -> None:
    cluster = complete(folder)
    (folder / marker).write_text("")
    (cluster / "PG_VERSION").unlink()
    account = server_account(None)
    for path in (cluster, *cluster.rglob("*")):
        if account is not None:
            os.chown(path, account.uid, account.gid)
    with pytest.raises(RestoreBackup, match="PG_VERSION is missing"):
        Postgres(data_dir=folder).start()
    assert cluster.is_dir()
    assert [path.name for path in folder.glob("pg?*")] == ["pg.lock"]


def test_a_database_on_a_disk_that_is_not_mounted_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "pg").symlink_to(tmp_path / "elsewhere" / "pg")
    with pytest.raises(FixPermissions, match=r"pg is a symbolic link to .*elsewhere/pg, which is not there"):
        finish(requiring_ours(tmp_path / "pg", None))


# -- what PostgreSQL says

STAMP = "2026-11-30 19:00:40.123 UTC [77] "


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (['PANIC:  could not read file "global/pg_control": read 0 of 296'], "global/pg_control"),
        (
            [
                "FATAL:  could not access status of transaction 761",
                'DETAIL:  Could not open file "pg_xact/0000": No such file or directory.',
            ],
            "pg_xact/0000",
        ),
        (
            [
                'LOG:  configuration file "D/pg_hba.conf" contains no entries',
                "FATAL:  could not load D/pg_hba.conf",
            ],
            "D/pg_hba.conf",
        ),
        (['FATAL:  could not open directory "pg_notify": No such file or directory'], "pg_notify"),
        (['FATAL:  required WAL directory "pg_wal" does not exist'], "pg_wal"),
        (
            ['FATAL:  relation mapping file "global/pg_filenode.map" contains incorrect checksum'],
            "pg_filenode.map",
        ),
        (["PANIC:  replication checkpoint has wrong magic 0 instead of 307747550"], "wrong magic"),
        (
            [
                "FATAL:  database files are incompatible with server",
                "DETAIL:  The database cluster was initialized with PG_CONTROL_VERSION 0, but the server "
                "was compiled with PG_CONTROL_VERSION 1800.",
            ],
            "PG_CONTROL_VERSION 0",
        ),
        (['FATAL:  database "insitu" does not exist'], "insitu"),
        (['ERROR:  role "insitu_service" does not exist'], "insitu_service"),
        (['ERROR:  invalid page in block 0 of relation "base/1/1259"'], "base/1/1259"),
        (["PANIC:  could not locate a valid checkpoint record at 0/1"], "checkpoint record"),
    ],
)
def test_damage_that_the_server_names_comes_with_the_way_out(lines: list[str], names: str) -> None:
    """Among what it says at every start, as PostgreSQL 18 wrote them in a walk over damaged clusters."""
    log = ["LOG:  starting PostgreSQL 18.4", *lines, "LOG:  database system is shut down"]
    found = damage_in([STAMP + line for line in log], Path("/data/pg"))
    assert isinstance(found, RestoreBackup)
    assert names in str(found)
    assert "move /data away and run `insitu restore BACKUP`" in str(found)
    assert not re.search(r"FATAL|PANIC|DETAIL|UTC", str(found))


@pytest.mark.parametrize(
    "line",
    [
        'LOG:  could not open file "postmaster.opts": No such file or directory',
        'FATAL:  password authentication failed for user "insitu"',
        "FATAL:  the database system is starting up",
        'FATAL:  role "dba" is not permitted to log in',
        'ERROR:  role "dba" does not exist',
        'ERROR:  could not open extension control file "x.control": No such file or directory',
        "FATAL:  sorry, too many clients already",
        'WARNING:  could not remove file "base/pgsql_tmp"',
    ],
)
def test_other_trouble_is_no_damage(line: str) -> None:
    assert damage_in([STAMP + line], Path("/data/pg")) is None
    assert damage_in([], Path("/data/pg")) is None


def test_a_file_that_the_server_may_not_read_is_a_matter_of_permissions() -> None:
    found = damage_in([STAMP + 'FATAL:  could not open file "global/1260": Permission denied'], Path("/d/pg"))
    assert isinstance(found, FixPermissions)
    assert "chmod -R u+rwX /d/pg" in str(found)


# -- files of another account, or closed


@pytest.mark.parametrize("name", ["", "global", "base/1/1259", "PG_VERSION"])
def test_a_file_that_is_closed_to_its_account_is_named(tmp_path: Path, name: str) -> None:
    cluster = complete(tmp_path)
    finish(requiring_ours(cluster, US))
    (cluster / name).chmod(0o000)
    with pytest.raises(FixPermissions) as said:
        finish(requiring_ours(cluster, US))
    assert str(said.value).startswith(f"{cluster / name} is closed to its own account")
    assert f"`chmod -R u+rwX {cluster}`" in str(said.value)
    (cluster / name).chmod(0o700)


@pytest.mark.parametrize("name", ["", "global", "base/1/1259"])
def test_a_file_of_another_account_is_named_with_the_chown_that_mends_it(tmp_path: Path, name: str) -> None:
    """The account of the service has changed: the files are ours, and the server runs as somebody else."""
    cluster = complete(tmp_path)
    other = Account("other", os.geteuid() + 77, os.getegid() + 77)
    for path in (cluster, *cluster.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)  # those that it may use are not complained about
    finish(requiring_ours(cluster, other))
    (cluster / name).chmod(0o700)
    with pytest.raises(FixPermissions) as said:
        finish(requiring_ours(cluster, other))
    assert str(said.value).startswith(f"{cluster / name} belongs to ")
    assert f"`chown -R {os.geteuid() + 77}: {cluster}`" in str(said.value)


def test_settings_that_somebody_else_writes_need_only_be_read(tmp_path: Path) -> None:
    cluster = complete(tmp_path)
    for path in (cluster, *cluster.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    (cluster / "postgresql.conf").chmod(0o644)
    finish(requiring_ours(cluster, Account("other", os.geteuid() + 77, os.getegid() + 77)))


# -- the data directory itself


def test_a_data_directory_that_is_none_is_named_with_the_way_out(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("x")
    link.symlink_to(tmp_path / "nowhere")
    for place, words in (
        (file, "A folder is needed there, and this is none: move it away"),
        (file / "data", "A folder is needed there, and this is none: move it away"),
        (link, f"a symbolic link to {tmp_path / 'nowhere'}, which is not there: mount or make that folder"),
    ):
        with pytest.raises(FixPermissions) as said:
            prepare_data_dir(place, None)
        assert str(said.value).startswith(f"{place}: ")
        assert words in str(said.value)
        assert read_running(place) is None


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "Its file system is read-only: mount it for writing"),
        (errno.ELOOP, "put the file or folder itself in its place"),
        (errno.EISDIR, "this is a folder: move it away"),
    ],
)
def test_an_error_of_the_system_says_what_to_do(tmp_path: Path, number: int, words: str) -> None:
    said = str(explained(OSError(number, os.strerror(number), str(tmp_path / "x")), tmp_path))
    assert said.startswith(f"{tmp_path / 'x'}: {os.strerror(number)}. ")
    assert words in said


def test_a_denied_file_is_named_with_whom_it_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.secret"
    path.write_text("x")
    denied = PermissionError(errno.EACCES, "Permission denied", str(path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"run `chmod -R u+rwX {tmp_path}`" in str(explained(denied, tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 77)
    assert f"`chown -R {path.stat().st_uid + 77}: {tmp_path}` as root" in str(explained(denied, tmp_path))
    outside = PermissionError(errno.EACCES, "Permission denied", "/somewhere/program")
    assert "chown" not in str(explained(outside, tmp_path))


def test_a_half_written_note_of_what_runs_is_no_defect(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text('{"pid": 7, "data_d')
    with locked(tmp_path / "insitu.lock"), pytest.raises(CorrectInput, match=r"running\.json is not whole"):
        read_running(tmp_path)


# -- secrets


@pytest.mark.parametrize("content", [b"", b"half", b"\0" * 43, b"\xff" * 43, b"x" * 42 + b"\n", b"a b" * 15])
def test_a_secret_that_is_not_whole_is_drawn_again(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broker-service.secret"
    path.write_bytes(content)
    drawn = Gate(tmp_path).secret("service")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", drawn)
    assert path.read_text() == drawn == Gate(tmp_path).secret("service")


@pytest.mark.parametrize("length", [24, 32])
def test_a_whole_secret_stays(tmp_path: Path, length: int) -> None:
    for n in range(50):
        path = tmp_path / str(n)
        assert secret_file(path, length=length) == whole_secret(path, length=length) == path.read_text()


# -- the broker's store


def stored(folder: Path, *, messages: bytes) -> Path:
    """A store with one stream; its description is whole."""
    stream = folder / "store" / "jetstream" / "$G" / "streams" / "$MQTT_msgs"
    (stream / "msgs").mkdir(parents=True)
    (stream / "msgs" / "1.blk").write_bytes(messages)
    (stream / "meta.inf").write_text('{"name": "$MQTT_msgs", "max_bytes": 1000}')
    (stream / "meta.sum").write_text("33dddcbf7e5de4ca")
    return stream


@pytest.mark.parametrize("content", [None, b"", b'{"name": "$MQ', b"\0\0\0\0"])
@pytest.mark.parametrize("name", ["meta.inf", "meta.sum"])
def test_a_stream_whose_messages_a_start_would_drop_is_named(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    stream = stored(tmp_path, messages=b"acknowledged")
    require_streams(tmp_path / "store")
    (stream / name).unlink() if content is None else (stream / name).write_bytes(content)
    with pytest.raises(RestoreBackup) as said:
        require_streams(tmp_path / "store")
    assert str(said.value).startswith(f"{stream / name} is missing or damaged")
    assert f"or move {tmp_path / 'store'} away" in str(said.value)
    (stream / "msgs" / "1.blk").write_bytes(b"")  # a first start that was killed: nothing is lost
    require_streams(tmp_path / "store")


@pytest.mark.parametrize(
    "line",
    [
        '[7] [WRN]   Stream metafile "{}": checksums do not match "33dddcbf7e5de4ca" vs "00e306c9bcde867d"',
        '[7] [WRN]   Missing stream metafile for "{}"',
    ],
)
def test_a_stream_that_the_server_does_not_open_ends_the_start(tmp_path: Path, line: str) -> None:
    stream = stored(tmp_path, messages=b"acknowledged")
    require_recovered(["[7] [INF] Starting restore for stream '$G > $MQTT_msgs'"])
    with pytest.raises(RestoreBackup, match=r"meta\.inf is missing or damaged"):
        require_recovered(["[7] [INF] x", line.format(stream / "meta.inf")])
