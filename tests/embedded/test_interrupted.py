"""A first start that is killed at any moment continues at the next start; nobody removes anything by hand."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

import psycopg
import pytest

from insitu.embedded.account import server_account
from insitu.embedded.broker import Broker
from insitu.embedded.directory import hold
from insitu.embedded.postgres import Postgres
from insitu.embedded.process import Process, is_running, kill_tree
from insitu.errors import AlreadyRunning, CorrectInput, InsituError, RestoreBackup
from tests.embedded.test_broker import Client, device
from tests.examples import some_of
from tests.fix_database import quick_folder

pytestmark = pytest.mark.long

TOP = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    place = Path(mkdtemp(prefix="insitu-cut-", dir=quick_folder()))
    place.chmod(0o711)
    yield place
    subprocess.run(["rm", "-rf", str(place)], check=True)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory whose servers were made, have worked, and have ended."""
    place = Path(mkdtemp(prefix="insitu-made-", dir=quick_folder()))
    place.chmod(0o711)
    works(place / "data")
    yield place / "data"
    subprocess.run(["rm", "-rf", str(place)], check=True)


@pytest.fixture
def data(folder: Path, made: Path) -> Path:
    """A copy of it: to make one takes half a second of processor time."""
    subprocess.run(["cp", "-a", str(made), str(folder / "data")], check=True)
    return folder / "data"


@contextmanager
def first_starts(data_dir: Path, seen: Path, servers: str) -> Iterator[Iterator[int]]:
    """Exit codes of one start after the other, each in a process of its own."""
    command = [sys.executable, "-m", "tests.embedded.first_start", str(data_dir), str(seen), servers]
    with subprocess.Popen(
        command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None

        def starts(orders: IO[str], codes: IO[str]) -> Iterator[int]:
            while True:
                orders.write("start\n")
                yield int(codes.readline())

        yield starts(starter.stdin, starter.stdout)


def works(data_dir: Path) -> None:
    """Writes and reads a row, and connects a device, in fresh servers."""
    broker = Broker(data_dir=data_dir)
    with Postgres(data_dir=data_dir, durable=False) as server:
        with psycopg.connect(server.url) as conn:
            conn.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
            conn.execute("INSERT INTO kept VALUES (7)")
            assert conn.execute("SELECT DISTINCT n FROM kept").fetchall() == [(7,)]
        with psycopg.connect(server.admin_url) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
        try:
            broker.start()
            broker.apply([device("a", "secret")])
            client = Client(broker, "t.a", "secret", "a")
            assert client.connected.wait(10)
            client.close()
        finally:
            broker.stop()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("servers", ["p", "b"])
def test_a_first_start_that_is_killed_before_each_of_its_operations_goes_on(
    folder: Path, servers: str
) -> None:
    """Uses one data directory; each start is killed before the first operation that no earlier start has
    reached.
    """
    seen = folder / "seen"
    kills = 0
    with first_starts(folder / "data", seen, servers) as codes:
        while (code := next(codes)) == -signal.SIGKILL:
            kills += 1
            assert kills < 200
    assert code == 0, seen.read_text()[-300:]
    assert kills >= (40 if servers == "p" else 25)
    works(folder / "data")
    strays = [
        path.name
        for path in (folder / "data").iterdir()
        if path.name.startswith((".pg-bin-", "pg.new-", "run-initdb"))
    ]
    assert strays == []


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("servers", ["p", "b"])
def test_after_a_kill_before_each_operation_the_very_next_start_works(folder: Path, servers: str) -> None:
    """Uses a fresh data directory for each moment, and uses the servers after the next start."""
    seen = folder / "seen"
    kills = 0
    with first_starts(folder / "data", seen, servers) as codes:
        while next(codes) == -signal.SIGKILL:
            kills += 1
            works(folder / "data")
            shutil.rmtree(folder / "data")
    assert kills >= (30 if servers == "p" else 25)


def written(data: Path) -> int:
    """Files that initdb has written so far."""
    return sum(len(names) for place in data.glob("pg.new-*") for _, _, names in os.walk(place))


@pytest.mark.parametrize("files", some_of([1, 60, 300, 700, 950], every=2))
def test_a_first_start_that_is_killed_while_initdb_writes_begins_anew(folder: Path, files: int) -> None:
    code = (
        "import sys, time; from pathlib import Path; from insitu.embedded.postgres import Postgres\n"
        "server = Postgres(data_dir=Path(sys.argv[1]), durable=False); server.start(); print('started', "
        "flush=True); time.sleep(60)"
    )
    data = folder / "data"
    for _ in range(10):  # a busy machine may let the moment pass unseen
        starter = subprocess.Popen([sys.executable, "-c", code, str(data)])
        while written(data) < files and not (data / "pg").exists():
            assert starter.poll() is None
            time.sleep(0.001)
        kill_tree(Process.of(starter.pid))
        starter.wait()
        if not (data / "pg").exists():
            break
        shutil.rmtree(data)
    assert not (data / "pg").exists()
    works(data)
    assert [path.name for path in data.iterdir() if path.name.startswith("pg.")] == ["pg.lock"]


def test_two_first_starts_at_once_end_with_one_that_runs_and_one_that_is_told(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from insitu.embedded.directory import hold\n"
        "from insitu.embedded.postgres import Postgres; from insitu.embedded.broker import Broker\n"
        "from insitu.errors import AlreadyRunning\n"
        "place = Path(sys.argv[1]); sys.stdin.readline()\n"
        "try:\n"
        "    with hold(place):\n"
        "        server, broker = Postgres(data_dir=place, durable=False), Broker(data_dir=place)\n"
        "        server.start(); broker.start(); print('runs', flush=True); sys.stdin.readline(); "
        "broker.stop(); server.stop()\n"
        "except AlreadyRunning: print('told', flush=True)\n"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder / "data")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("\n")
        starter.stdin.flush()
    first = [starter.stdout.readline().strip() for starter in starters if starter.stdout]
    assert sorted(first) == ["runs", "told"]
    for starter in starters:
        starter.communicate("\n", timeout=60)
    works(folder / "data")


# -- what older versions have left


@pytest.mark.parametrize("left", ["version only", "most of it", "empty"])
def test_a_half_made_database_of_an_older_version_is_set_aside_and_a_new_one_made(
    data: Path, left: str
) -> None:
    (data / ".database-made").unlink()
    (data / "pg" / "insitu.whole").unlink()  # older versions had no such file
    if left == "most of it":
        shutil.rmtree(data / "pg" / "global")
    else:
        for path in (data / "pg").iterdir():
            if left == "empty" or path.name != "PG_VERSION":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    (data / "postgres-insitu.secret").write_text("")
    works(data)
    assert (data / "pg.interrupted-1").exists() == (left != "empty")


def test_a_database_that_was_made_is_never_set_aside(data: Path) -> None:
    control = data / "pg" / "global" / "pg_control"
    content = control.read_bytes()
    control.unlink()
    with pytest.raises(RestoreBackup, match=r"global/pg_control is missing"):
        Postgres(data_dir=data, durable=False).start()
    assert not list(data.glob("pg.interrupted-*"))
    control.write_bytes(content)
    shutil.chown(control, *_owner(data / "pg"))
    works(data)
    (data / "pg").rename(data / "elsewhere")
    with pytest.raises(InsituError, match="restore a backup"):
        Postgres(data_dir=data, durable=False).start()
    assert not (data / "pg").exists()
    (data / "elsewhere").rename(data / "pg")
    works(data)


def _owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


@pytest.mark.parametrize(
    ("role", "lost"), [("insitu", "empty"), ("insitu", "half"), ("postgres", "gone"), ("postgres", "half")]
)
def test_a_lost_secret_is_drawn_anew_and_given_to_the_database(data: Path, role: str, lost: str) -> None:
    secret = data / f"postgres-{role}.secret"
    before = secret.read_text()
    if lost == "gone":
        secret.unlink()
    else:
        secret.write_text("" if lost == "empty" else before[: len(before) // 2])
    works(data)
    assert len(secret.read_text()) == len(before)
    assert secret.read_text() != before


def test_passwords_that_the_database_refuses_are_drawn_again_when_asked(data: Path) -> None:
    """A secret file of the right form, with another secret: edited, or from another installation."""
    secret = data / "postgres-insitu_service.secret"
    secret.write_text(secret.read_text()[::-1])
    with Postgres(data_dir=data, durable=False) as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.service_url)
        server.stop()
        server.renew_passwords()
        server.start()
        for url in (server.service_url, server.url, server.admin_url):
            psycopg.connect(url).close()


@pytest.mark.parametrize("name", ["broker-service.secret", "broker-local.secret"])
def test_an_empty_secret_of_the_broker_is_drawn_anew(folder: Path, name: str) -> None:
    data = folder / "data"
    data.mkdir()
    (data / name).write_text("")
    broker = Broker(data_dir=data)
    broker.start()
    try:
        client = Client(broker, broker.service_username, broker.service_password, "shard")
        assert client.connected.wait(10)
        assert (data / name).read_text()
        client.close()
    finally:
        broker.stop()


def test_a_postgres_that_is_too_old_is_refused_in_words(folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    (programs / "postgres").write_text(
        "#!/bin/sh\necho 'postgres (PostgreSQL) 15.6 (Debian 15.6-0+deb12u1)'\n"
    )
    (programs / "postgres").chmod(0o755)
    with pytest.raises(CorrectInput, match=r"holds PostgreSQL 15; Insitu needs 17 or newer"):
        Postgres(data_dir=folder / "data", binaries=programs).start()


# -- halted servers


def test_a_halted_session_outlives_neither_a_stop_nor_the_death_of_its_server(data: Path) -> None:
    server = Postgres(data_dir=data, durable=False)
    server.start()
    for way in ("stop", "death"):
        with psycopg.connect(server.url) as conn:
            session = Process.of(conn.info.backend_pid)
            os.kill(session.pid, signal.SIGSTOP)
            begin = time.monotonic()
            if way == "stop":
                server.stop(patience_s=1)
            else:
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)
                while server.poll() is None:
                    time.sleep(0.01)
            server.start()
            assert time.monotonic() - begin < 20
            assert not is_running(session)
    works_again = psycopg.connect(server.url)
    works_again.close()
    server.stop()


@pytest.mark.parametrize("steps", some_of([5, 1, 20, 40], every=2))
def test_a_start_that_is_closed_midway_leaves_nothing_running_and_the_next_one_works(
    folder: Path, steps: int
) -> None:
    data = folder / "data"
    server, broker = Postgres(data_dir=data, durable=False), Broker(data_dir=data)
    for starting in (server.starting(), broker.starting(())):
        for _ in range(steps):
            if next(starting, "done") == "done":
                break
            time.sleep(0.02)
        else:
            starting.close()  # type: ignore[attr-defined]
    server.stop()
    broker.stop()
    with hold(data):
        for lock in ("pg.lock", "broker.lock"):
            from insitu.embedded.directory import locked

            with locked(data / lock):
                pass
    works(data)


def test_each_step_of_a_first_start_is_short(folder: Path) -> None:
    """One thread looks after everything: nothing else proceeds during a step."""
    server, broker = Postgres(data_dir=folder / "data", durable=False), Broker(data_dir=folder / "data")
    longest = 0.0
    for starting in (server.starting(), broker.starting(()), broker.stopping(), server.stopping()):
        while True:
            begin = time.monotonic()
            ended = next(starting, "done") == "done"
            longest = max(longest, time.monotonic() - begin)
            if ended:
                break
            time.sleep(0.02)
    assert longest < 1.0  # includes one copy of the programs' files to the disk; measured: 0.1 to 0.3 s


def test_a_data_directory_is_held_by_one(folder: Path) -> None:
    with hold(folder / "data"), pytest.raises(AlreadyRunning), hold(folder / "data"):
        pass


def test_a_socket_that_names_a_living_stranger_hinders_no_start(data: Path) -> None:
    """Soon after a server is killed, its pid belongs to somebody else, or to a zombie."""
    server = Postgres(data_dir=data, durable=False)
    server.start()
    server.kill()
    server.stop()
    lock = data / "run" / ".s.PGSQL.5432.lock"
    lines = lock.read_text().splitlines()
    account = server_account(None)
    # PostgreSQL takes only processes of its own account for another server
    stranger = subprocess.Popen(["sleep", "100"], user=account.uid if account else None)
    try:
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        works(data)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
