from __future__ import annotations

import pytest

from store.database import Connection
from tests.jobs.field import Field, build_field


@pytest.fixture
def field(conn: Connection) -> Field:
    """Everything is in order, and somebody has looked once."""
    return build_field(conn)
