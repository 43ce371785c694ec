from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from insitu.embedded.account import server_account
from insitu.embedded.postgres import Postgres
from insitu.errors import AlreadyRunning, FixPermissions, InsituError
from tests.fix_database import quick_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory with a space and an accent in its name, below a folder that the servers' account may
    pass through.
    """
    place = Path(mkdtemp(prefix="insitu données ", dir=quick_folder()))
    place.chmod(0o711)
    yield place
    subprocess.run(["rm", "-rf", str(place)], check=True)


def test_it_starts_in_a_path_with_spaces_and_holds_a_database_that_its_owner_can_use(folder: Path) -> None:
    with Postgres(data_dir=folder / "data", durable=False) as server, psycopg.connect(server.url) as conn:
        assert conn.execute("SELECT current_user, current_database()").fetchone() == ("insitu", "insitu")
        assert conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'insitu'").fetchone() == (False,)
        assert conn.info.server_version >= 180_000


def test_nobody_gets_in_without_the_password_and_nobody_over_tcp(folder: Path) -> None:
    with Postgres(data_dir=folder / "data", durable=False) as server:
        with psycopg.connect(server.url) as conn:
            assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace("postgresql://insitu:", "postgresql://insitu:wrong"))
        for name in ("run", "pg"):
            assert (folder / "data" / name).stat().st_mode & 0o777 == 0o700
        for secret in (folder / "data").glob("*.secret"):
            assert secret.stat().st_mode & 0o777 == 0o600


def test_data_survive_a_kill_and_a_pid_file_that_names_a_stranger(folder: Path) -> None:
    server = Postgres(data_dir=folder / "data")
    server.start()
    with psycopg.connect(server.url) as conn:
        conn.execute("CREATE TABLE kept (n int)")
        conn.execute("INSERT INTO kept VALUES (7)")
    server.kill()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pid_file = folder / "data" / "pg" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
    try:
        server.start()
        with psycopg.connect(server.url) as conn:
            assert conn.execute("SELECT n FROM kept").fetchone() == (7,)
        assert stranger.poll() is None  # whatever a file says, only our own child gets a signal
    finally:
        server.stop()
        stranger.kill()
        stranger.wait()


def test_two_servers_never_share_a_folder(folder: Path) -> None:
    with Postgres(data_dir=folder / "data", durable=False):
        code = (
            "import sys; from pathlib import Path; import insitu.embedded.postgres as p;"
            "from insitu.embedded.directory import locked;"
            "from insitu.errors import AlreadyRunning\n"
            "try:\n with locked(Path(sys.argv[1]) / 'pg.lock'): print('taken')\nexcept AlreadyRunning as e: "
            "print(e)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder / "data")], capture_output=True, text=True
        )
        assert "Another process holds" in done.stdout, done.stderr


def test_the_server_ends_cleanly_when_its_supervisor_is_killed(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from insitu.embedded.postgres import Postgres\n"
        "server = Postgres(data_dir=Path(sys.argv[1])); server.start(); print(server.pid, flush=True); "
        "time.sleep(60)"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "data")], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    supervisor.stdout.close()
    limit = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    log = (folder / "data" / "logs" / "postgres.log").read_text()
    assert "PANIC" not in log
    with Postgres(data_dir=folder / "data") as server, psycopg.connect(server.url) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_path_too_long_for_a_socket_gets_a_private_folder_elsewhere(folder: Path) -> None:
    long = folder / ("x" * 60) / ("y" * 60)
    long.mkdir(parents=True)
    for parent in (long, long.parent):
        parent.chmod(0o711)
    with Postgres(data_dir=long, durable=False) as server:
        place = Path(server.url.rpartition("host=")[2].replace("%2F", "/"))
        assert place.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(server.url) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    assert not place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as another account")
def test_as_root_the_server_runs_as_an_unprivileged_account_that_cannot_pass_a_private_parent(
    folder: Path,
) -> None:
    account = server_account(None)
    assert account is not None
    with Postgres(data_dir=folder / "data", durable=False) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert f"Uid:\t{account.uid}\t" in status
        assert "Groups:\t \n" in status or f"Groups:\t{account.gid} \n" in status
    private = folder / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(FixPermissions, match=r"cannot pass through .*private"):
        Postgres(data_dir=private / "data", durable=False).start()
    assert private.stat().st_mode & 0o777 == 0o700  # nobody's permissions were changed


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    path = folder / "file"
    path.write_text("x")
    with pytest.raises(FixPermissions, match="file"):
        Postgres(data_dir=path, durable=False).start()


def test_a_folder_without_postgres_is_named(folder: Path) -> None:
    with pytest.raises(InsituError, match="INSITU_POSTGRES_BIN"):
        Postgres(data_dir=folder / "data", binaries=folder).start()


def test_a_full_disk_is_one_clear_line(folder: Path) -> None:
    """Runs on a file system of 20 MB of its own, if the account may mount one."""
    place = folder / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m,mode=711", "tmpfs", str(place)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"this account cannot mount a file system: {mounted.stderr.strip()}")
    try:
        with pytest.raises(InsituError, match="space"):
            Postgres(data_dir=place / "data").start()
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_the_lock_of_a_directory_says_who_holds_it(folder: Path) -> None:
    from insitu.embedded.directory import hold

    with (
        hold(folder / "data"),
        pytest.raises(AlreadyRunning, match="choose another INSITU_DATA_DIR"),
        hold(folder / "data"),
    ):
        pass


def test_a_taken_port_is_named() -> None:
    from insitu.embedded.broker import require_free_port
    from insitu.errors import FreePort

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FreePort, match=str(port)):
            require_free_port("127.0.0.1", port)
