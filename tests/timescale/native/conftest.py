"""A database of each test's own, on the server of INSITU_TEST_TIMESCALE_URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from store.database import Connection, connect


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="tests") as connection:
        yield connection
