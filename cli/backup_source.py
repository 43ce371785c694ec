"""The source of a backup: the superuser's way into the embedded server, or the owner's into another one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

from insitu.embedded.backups.taking import Source
from insitu.embedded.cluster import wheel_binaries
from insitu.errors import CorrectInput, FixPermissions
from insitu.settings import Settings
from store.database import connect, newest_migration, split_password

_SUPERUSER = "postgres"


def embedded_source(settings: Settings, data_dir: Path, url: str) -> Source:
    """Of the server of `up`, at which `url` reaches a database. Raises FixPermissions for another account."""
    secret = data_dir / f"postgres-{_SUPERUSER}.secret"
    try:
        password = secret.read_text("utf-8")
    except OSError as error:
        raise FixPermissions(
            f"Cannot read {secret} ({error.strerror}): run this as the account that started Insitu."
        ) from error
    parts = urlsplit(url)
    return _source(settings, data_dir, f"postgresql://{_SUPERUSER}@/postgres?{parts.query}", password, url)


def external_source(settings: Settings, url: str) -> Source:
    """Of a server that Insitu does not run, by the account that owns the tables."""
    bare, password = split_password(url)
    return _source(settings, settings.data_dir, bare, password, url)


def with_password(source: Source) -> str:
    """The URL of an embedded source for a connection of our own."""
    return source.url.replace("@", f":{quote(source.password, safe='')}@", 1)


def _source(settings: Settings, data_dir: Path, url: str, password: str, ours: str) -> Source:
    with connect(ours, application="insitu backup") as conn:
        schema, version = newest_migration(conn), conn.server_version()
    binaries = settings.postgres_bin or wheel_binaries()
    for program in ("pg_basebackup", "pg_dump", "pg_restore", "pg_receivewal"):
        if not (binaries / program).exists():
            raise CorrectInput(
                f"INSITU_POSTGRES_BIN: there is no {program} in {binaries}. Install the client programs of "
                "PostgreSQL there, or leave the setting out to use those that come with Insitu."
            )
    return Source(url, password, binaries, data_dir, schema, version // 10_000)
