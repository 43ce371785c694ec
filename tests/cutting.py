"""Ends the server process behind a connection just before its n-th exchange with the server, like a restart
of the database at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from insitu.errors import RetryLater
from store.gate import Connection

Cut = Callable[[int], None]


class Cutter:
    """`at`: number of the exchange of Insitu's connections before which the backend ends; 0: none."""

    def __init__(self, admin: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._admin = admin
        self.at = self.exchanges = 0

    @property
    def happened(self) -> bool:
        return 0 < self.at <= self.exchanges

    def arm(self, at: int) -> None:
        self.at, self.exchanges = at, 0

    def before(self, conn: Connection) -> None:
        if not conn.info.parameter_status("application_name").startswith("insitu"):
            return
        self.exchanges += 1
        if self.exchanges == self.at:
            self._admin.execute("SELECT pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))


@contextmanager
def cutting(database_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cutter]:
    exchange = Connection.wait
    with psycopg.connect(database_server, autocommit=True) as admin:
        cutter = Cutter(admin)

        def wait(self: Connection, *args: Any, **kwargs: Any) -> Any:
            if not self.closed:
                cutter.before(self)
            return exchange(self, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Connection, "wait", wait)
            yield cutter


def cut_everywhere(cutter: Cutter, action: Callable[[], object], *, step: int = 1) -> int:
    """Runs `action` with a cut before each exchange in turn; returns the number of cuts. `action` must
    succeed or raise RetryLater.
    """
    at = 1
    while True:
        cutter.arm(at)
        try:
            action()
        except RetryLater:
            assert cutter.happened
        if not cutter.happened:
            return at // step
        at += step
