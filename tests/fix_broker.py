"""A real broker for each test, from the wheel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from insitu.embedded.broker import Broker


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A started broker with only the service user; its data are in a folder of its own."""
    with TemporaryDirectory(prefix="insitu-broker-") as folder:
        server = Broker(data_dir=Path(folder))
        server.start()
        yield server
        server.stop()
