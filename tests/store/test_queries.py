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


@pytest.mark.parametrize("file", sorted({file for file, _ in ALL}))
def test_every_named_query_is_understood_by_the_migrated_database(migrated: Connection, file: str) -> None:
    wrong = {}
    for _, name in (one for one in ALL if one[0] == file):
        try:
            understand(migrated, file, name)
        except Exception as error:  # noqa: BLE001 - each is named below
            wrong[name] = error
        migrated.rollback()
    assert wrong == {}


def test_every_named_query_says_what_it_is_for() -> None:
    mute = [(file, name) for file, name in ALL if not queries(file)[name].lstrip().startswith("-- ")]
    assert mute == []
