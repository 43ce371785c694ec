"""The installation that a verb works on: the one named by the environment, else the one that runs here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from insitu.clock import SYSTEM, Clock
from insitu.embedded.directory import Running, read_running
from insitu.errors import StartInsitu
from insitu.settings import Settings, load
from store.database import connect, require_current

if TYPE_CHECKING:
    from store.database import Connection


@dataclass(frozen=True, slots=True)
class Target:
    """A database, and further facts about its installation."""

    database_url: str
    clock: Clock
    running: Running | None
    """None if the parts run on other machines."""

    @property
    def owner_url(self) -> str:
        """Of the account that owns the tables: of what runs here, else INSITU_OWNER_DATABASE_URL."""
        if self.running:
            return self.running.database_url
        owner = load().owner_database_url
        return owner.get_secret_value() if owner else self.database_url

    @property
    def data_dir(self) -> Path:
        """Of what runs here, else of the settings: the signing key lies there."""
        return Path(self.running.data_dir) if self.running else load().data_dir


def find_target(settings: Settings | None = None) -> Target:
    """INSITU_DATABASE_URL, else the `up` or `demo` that holds the data directory; otherwise raises
    StartInsitu.
    """
    settings = settings or load()
    if settings.database_url is not None:
        return Target(settings.database_url.get_secret_value(), SYSTEM, None)
    for folder in (settings.data_dir, demo_dir(settings)):
        running = read_running(folder)
        if running is not None:
            clock = Clock.loads(running.clock) if running.clock else SYSTEM
            return Target(running.service_url or running.database_url, clock, running)
    raise StartInsitu(
        f"Nothing is running here ({settings.data_dir}): start `insitu up` or `insitu demo`, or set "
        "INSITU_DATABASE_URL."
    )


def demo_dir(settings: Settings) -> Path:
    return settings.data_dir / "demo"


def open_target(application: str) -> tuple[Target, Connection]:
    """The target and a connection to it, with a current schema."""
    target = find_target()
    conn = connect(target.database_url, application=application)
    try:
        require_current(conn)
        conn.rollback()
    except BaseException:
        conn.close()
        raise
    return target, conn
