"""A real PostgreSQL for each session, a migrated template, and a clone for each test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from typing import TypeVar
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from store.database import Connection, connect, migrate
from tests.columnstore import SWITCH_ON, TIMESCALE, on_timescale, packing, with_columnstore

T = TypeVar("T")
OF_SHORT_LIVES = {
    "scram_iterations": "1",
    "shared_buffers": "48MB",
    "io_method": "sync",
    "autovacuum": "off",
}
"""For databases of a second: pages in few buffers stay in the processor's cache, and nobody cleans up."""


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """Superuser URL of a server: INSITU_TEST_TIMESCALE_URL or INSITU_TEST_DATABASE_URL, or an embedded one
    that lives as long as the session.
    """
    given = os.environ.get(TIMESCALE) or os.environ.get("INSITU_TEST_DATABASE_URL")
    if given:
        yield given
        close_admins()
        return
    from insitu.embedded.postgres import Postgres

    with (
        TemporaryDirectory(prefix="insitu-pg-", dir=quick_folder()) as folder,
        Postgres(data_dir=Path(folder), durable=False, options=OF_SHORT_LIVES) as server,
    ):
        hash_quickly(server.admin_url)
        yield server.admin_url
        close_admins()


def hash_quickly(url: str) -> None:
    """Store the password again, with the server's one iteration: each connection repeats 4096 in the client,
    which takes it 3 ms.
    """
    given = conninfo_to_dict(url)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(str(given["user"])), sql.Literal(given["password"])
            )
        )


def quick_folder() -> str | None:
    """A folder in memory if there is enough: a clone is a thousand files, and some disks make them slowly."""
    shm = Path("/dev/shm")
    return (
        str(shm) if shm.is_dir() and os.access(shm, os.W_OK) and disk_usage(shm).free > 3 * 1024**3 else None
    )


@pytest.fixture(scope="session")
def migrated_template(database_server: str) -> Iterator[str]:
    """Name of a database that holds the migrated schema and nothing else."""
    name = f"template_{uuid4().hex[:12]}"
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        with connect(make_conninfo(database_server, dbname=name), application="tests") as conn:
            if on_timescale():
                conn.execute("CREATE EXTENSION timescaledb")
                conn.commit()
            migrate(conn)
            if with_columnstore():
                conn.execute(SWITCH_ON.encode())
                conn.commit()
        yield name
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def clone(server: str, template: str) -> Iterator[str]:
    """URL of a copy of a database to which nobody is connected.

    PostgreSQL's default way writes each page to its journal too, which takes ten times as long.
    """
    name = f"test_{uuid4().hex[:12]}"
    admin_of(server).execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    url = make_conninfo(server, dbname=name)
    with packing(url) if with_columnstore() else nullcontext():
        yield url
    drop_database(admin_of(server), name)


def drop_database(admin: psycopg.Connection, name: str) -> None:
    """Ends its sessions and drops it. DROP alone looks every 100 ms whether the last of them is gone."""
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    while admin.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s LIMIT 1", (name,)).fetchone():
        time.sleep(0.001)
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


_ADMINS: dict[str, psycopg.Connection] = {}


def admin_of(server: str) -> psycopg.Connection:
    """A connection that makes and drops databases, the same for all tests."""
    admin = _ADMINS.get(server)
    if admin is None or admin.closed:
        admin = _ADMINS[server] = psycopg.connect(server, autocommit=True)
    return admin


def close_admins() -> None:
    for admin in _ADMINS.values():
        admin.close()
    _ADMINS.clear()


@contextmanager
def filled_template(server: str, template: str, fill: Callable[[Connection], T]) -> Iterator[tuple[str, T]]:
    """Name of a copy of `template` in which `fill` has entered something, and what it returned. Most tests
    begin with the same few entries: thirty statements in a new connection cost more than to copy their rows.
    """
    name = f"template_{uuid4().hex[:12]}"
    admin = admin_of(server)
    admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    with connect(make_conninfo(server, dbname=name), application="tests") as conn:
        entered = fill(conn)
        conn.commit()
    yield name, entered
    drop_database(admin_of(server), name)


FILLED = {
    "unblinded": "unblinded_template",
    "running": "running_template",
    "station": "station_template",
    "catalogue": "catalogue_template",
}
"""Fixture → the template that holds its entries already."""


@pytest.fixture
def database_url(
    request: pytest.FixtureRequest, database_server: str, migrated_template: str
) -> Iterator[str]:
    """URL of a database of this test's own, with the entries of the first fixture of FILLED that it uses."""
    filled = next((FILLED[name] for name in FILLED if name in request.fixturenames), None)
    template = (
        migrated_template if filled is None or with_columnstore() else request.getfixturevalue(filled)[0]
    )
    with clone(database_server, template) as url:
        yield url


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    """An open connection to this test's database."""
    with connect(database_url, application="tests") as connection:
        yield connection
