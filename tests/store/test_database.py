from __future__ import annotations

from store.database import Connection, migrate, require_current


def test_migrating_twice_applies_nothing_the_second_time(conn: Connection) -> None:
    assert migrate(conn) == []
    require_current(conn)
