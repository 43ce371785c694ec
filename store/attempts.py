"""Failed sign-ins by key, a SHA-256. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from store.database import Connection, run
from store.queries import Queries


class _SQL(Queries, file="attempts"):
    failures_of: str
    add_failure: str
    drop_old_failures: str


def list_failures(conn: Connection, keys: Sequence[bytes], *, within: timedelta) -> dict[bytes, int]:
    """Key → failures since its first one, which is at most `within` ago."""
    found = conn.execute(_SQL.failures_of.encode(), {"keys": list(keys), "within": within})
    return {bytes(key): failures for key, failures in found}


def add_failure(conn: Connection, keys: Sequence[bytes], *, within: timedelta) -> None:
    """Count one more under each key, and forget counts that began longer than `within` ago."""
    run(conn, _SQL.drop_old_failures, within=within)
    run(conn, _SQL.add_failure, keys=sorted(keys), within=within)
