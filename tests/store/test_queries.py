from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from store.database import Connection, connect, queries

_FOLDER = Path(__file__).parents[2] / "store" / "sql"
_ALL = [(file.stem, name) for file in sorted(_FOLDER.glob("*.sql")) for name in queries(file.stem)]
_UTILITY = re.compile(r"^\s*(--.*\n)*\s*(CREATE TEMP|TRUNCATE)", re.IGNORECASE)
_ALONE = re.compile(r"^\s*(--.*\n)*\s*VACUUM", re.IGNORECASE)
"""Runs outside of a transaction only."""


@pytest.fixture(scope="module")
def migrated(database_server: str, migrated_template: str) -> Iterator[Connection]:
    """The template itself: nothing is written to it."""
    with connect(make_conninfo(database_server, dbname=migrated_template), application="tests") as connection:
        yield connection


@pytest.fixture
def conn(migrated: Connection) -> Iterator[Connection]:
    yield migrated
    migrated.rollback()


@pytest.mark.parametrize(("file", "name"), _ALL)
def test_every_named_query_is_understood_by_the_migrated_database(conn: Connection, file: str, name: str) -> None:
    statement = queries(file)[name]
    parameters = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement))
    for staging in ("quality", "observations"):
        if (_FOLDER / f"{staging}.sql").exists():
            conn.execute(queries(staging)["make_staging"].encode())
    if _ALONE.match(statement):
        conn.rollback()
        conn.autocommit = True
        try:
            conn.execute(statement.encode())
        finally:
            conn.autocommit = False
    elif _UTILITY.match(statement):
        conn.execute(statement.encode(), parameters)
    else:
        conn.execute(b"EXPLAIN " + statement.encode(), parameters)


@pytest.mark.parametrize(("file", "name"), _ALL)
def test_every_named_query_says_what_it_is_for(file: str, name: str) -> None:
    assert queries(file)[name].lstrip().startswith("-- "), f"{file}.{name} has no line of purpose"
