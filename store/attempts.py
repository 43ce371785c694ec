"""Attempts to sign in by key, a SHA-256. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from store.database import Connection, rows, run
from store.queries import Queries


class _SQL(Queries, file="attempts"):
    failures_of: str
    add_attempt: str
    forgive_attempt: str
    drop_old_failures: str


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures under a key since the first one that counts; `idle_s`: seconds since the last one."""

    key: bytes
    failures: int
    idle_s: float


def list_failures(conn: Connection, keys: Sequence[bytes], *, within: timedelta) -> dict[bytes, Failures]:
    """By key; the first failure of each is at most `within` ago."""
    found = rows(conn, Failures, _SQL.failures_of, keys=list(keys), within=within)
    return {bytes(one.key): one for one in found}


def add_attempt(conn: Connection, keys: Sequence[bytes], *, within: timedelta) -> dict[bytes, int]:
    """Count an attempt under each key, before it is known whether it fails, and forget counts that began
    longer than `within` ago. Returns the counts.
    """
    run(conn, _SQL.drop_old_failures, within=within)
    found = conn.execute(_SQL.add_attempt.encode(), {"keys": sorted(keys), "within": within})
    return {bytes(key): failures for key, failures in found}


def forgive_attempt(conn: Connection, keys: Sequence[bytes]) -> None:
    """Take back an attempt that did not fail."""
    run(conn, _SQL.forgive_attempt, keys=list(keys))
