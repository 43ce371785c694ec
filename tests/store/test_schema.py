"""docs/schema.sql equals the result of the migrations; `pytest --write-schema` writes it again."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from insitu.embedded.postgres import wheel_binaries
from store.database import connect, migrate

SCHEMA = Path(__file__).parents[2] / "docs" / "schema.sql"
HEAD = "-- Made from store/migrations by the tests: pytest tests/store/test_schema.py --write-schema\n\n"


def dump(url: str) -> str:
    """The schema without owners, settings and versions."""
    given = conninfo_to_dict(url)
    environment = {"PGPASSWORD": str(given["password"]), "LC_ALL": "C"}
    command = [
        str(wheel_binaries() / "pg_dump"),
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--no-comments",
    ]
    command += [
        "-h",
        str(given["host"]),
        "-p",
        str(given.get("port", 5432)),
        "-U",
        str(given["user"]),
        str(given["dbname"]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    kept = [
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"))
    ]
    return HEAD + re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


@pytest.fixture
def plain_url(database_server: str) -> Iterator[str]:
    """A migrated database without extensions, whatever the server has."""
    name = f"plain_{uuid4().hex[:8]}"
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        url = make_conninfo(database_server, dbname=name)
        with connect(url, application="tests") as conn:
            migrate(conn)
        yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_the_documented_schema_is_the_one_the_migrations_make(
    plain_url: str, request: pytest.FixtureRequest
) -> None:
    made = dump(plain_url)
    if request.config.getoption("--write-schema"):
        SCHEMA.write_text(made, "utf-8")
    assert SCHEMA.read_text("utf-8") == made, "run: pytest tests/store/test_schema.py --write-schema"


def test_eight_processes_migrate_one_database_at_once_and_each_step_is_applied_once(
    database_server: str,
) -> None:
    name = f"race_{uuid4().hex[:8]}"
    url = make_conninfo(database_server, dbname=name)
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        try:
            code = (
                "import sys; from store.database import connect, migrate\nwith connect(sys.argv[1], "
                "application='race') as c: print(len(migrate(c)))"
            )
            racers = [
                subprocess.Popen(
                    [sys.executable, "-c", code, url],
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=Path(__file__).parents[2],
                )
                for _ in range(8)
            ]
            applied = [int(racer.communicate(timeout=60)[0]) for racer in racers]
            with connect(url, application="tests") as conn:
                assert migrate(conn) == []
                assert sum(applied) == conn.execute("SELECT count(*) FROM schema_migration").fetchall()[0][0]
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
