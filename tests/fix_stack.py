"""The whole path with the small trial: devices `t/a` and `t/b` are enrolled, the ingestor runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu.embedded.broker import Broker
from store.database import Connection
from tests.fix_catalogue import SmallTrial
from tests.stack import Stack


@pytest.fixture
def stack(
    tmp_path: Path, conn: Connection, database_url: str, broker: Broker, catalogue: SmallTrial
) -> Iterator[Stack]:
    running = Stack(tmp_path, conn, database_url, broker)
    running.start()
    running.enrol("t", "a")
    running.enrol("t", "b")
    yield running
    running.stop()
