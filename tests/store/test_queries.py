from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from store.database import Connection, connect
from store.queries import queries
from tests.named_queries import ALL, understand


@pytest.fixture(scope="module")
def migrated(database_server: str, migrated_template: str) -> Iterator[Connection]:
    """The template itself: nothing is written to it."""
    with connect(make_conninfo(database_server, dbname=migrated_template), application="tests") as connection:
        yield connection


@pytest.fixture
def conn(migrated: Connection) -> Iterator[Connection]:
    yield migrated
    migrated.rollback()


@pytest.mark.parametrize(("file", "name"), ALL)
def test_every_named_query_is_understood_by_the_migrated_database(
    conn: Connection, file: str, name: str
) -> None:
    understand(conn, file, name)


@pytest.mark.parametrize(("file", "name"), ALL)
def test_every_named_query_says_what_it_is_for(file: str, name: str) -> None:
    assert queries(file)[name].lstrip().startswith("-- "), f"{file}.{name} has no line of purpose"
