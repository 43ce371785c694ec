"""A step of the demo meets a server that goes away before, during or right after its commit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.demo.committing import committed
from insitu.errors import RetryLater
from store.database import Connection, connect

NOTE = "CREATE TABLE IF NOT EXISTS note (text text)"


class Server:
    """Connects to a real database; `losses` of its connections end at `moment`."""

    def __init__(self, url: str, moment: str, losses: int = 1) -> None:
        self.url, self.moment, self.losses = url, moment, losses
        self.looked_after = 0

    def connect(self) -> Connection:
        conn = connect(self.url, application="tests")
        if self.moment == "before" and self._loses():
            self._end(conn)
        if self.moment == "answer":
            commit = conn.commit

            def lost() -> None:
                commit()
                if self._loses():
                    self._end(conn)
                    conn.execute("SELECT 1")  # fails as the answer of the commit would: no connection

            conn.commit = lost  # type: ignore[method-assign]
        return conn

    def add(self, conn: Connection) -> str:
        conn.execute("INSERT INTO note VALUES ('kept')")
        if self.moment == "amid" and self._loses():
            self._end(conn)
        return "found"

    def look_after(self) -> None:
        self.looked_after += 1

    def notes(self, conn: Connection) -> bool:
        return conn.execute("SELECT count(*) FROM note").fetchone() != (0,)

    def _loses(self) -> bool:
        self.losses -= 1
        return self.losses >= 0

    def _end(self, conn: Connection) -> None:
        with connect(self.url, application="tests", autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))


@pytest.fixture
def server(database_url: str) -> Callable[..., Server]:
    with connect(database_url, application="tests") as conn:
        conn.execute(NOTE)
        conn.commit()
    return lambda *arguments: Server(database_url, *arguments)


@pytest.mark.parametrize("moment", ["never", "before", "amid", "answer"])
def test_a_step_is_kept_once_whenever_the_server_goes_away(
    server: Callable[..., Server], moment: str
) -> None:
    one = server(moment)
    assert committed(one.add, connect=one.connect, look_after=one.look_after, is_done=one.notes) == "found"
    with connect(one.url, application="tests") as conn:
        assert conn.execute("SELECT count(*) FROM note").fetchone() == (1,)
    assert one.looked_after == (moment != "never")


def test_a_server_that_stays_away_is_named(server: Callable[..., Server]) -> None:
    one = server("amid", 1000)
    with pytest.raises(RetryLater):
        committed(one.add, connect=one.connect, look_after=one.look_after, is_done=one.notes, patience_s=0.05)
    with connect(one.url, application="tests") as conn:
        assert conn.execute("SELECT count(*) FROM note").fetchone() == (0,)
