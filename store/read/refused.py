"""Rejects, limited to what a viewer may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from insitu.errors import NotFound
from store.database import Connection, row, rows
from store.ledger import ReasonSum
from store.queries import Queries
from store.read.fleet import Scope
from store.replays import RejectRow


class _SQL(Queries, file="read/refused"):
    reject_reasons: str
    reject: str
    rejects: str
    refused_by_reason: str


@dataclass(frozen=True, slots=True)
class ReasonCount:
    reason: str
    messages: int
    results: int
    last_at: datetime
    replayed: int
    recent: int
    """Of them, messages since a moment that are still refused."""
    dropped: int
    """Messages that were counted but not kept."""


def count_reasons(
    conn: Connection, within: Scope, *, since: datetime, device: str | None = None
) -> list[ReasonCount]:
    """Most frequent first; `recent` counts those received since `since`."""
    return rows(
        conn,
        ReasonCount,
        _SQL.reject_reasons,
        trials=within.trials,
        devices=within.devices,
        since=since,
        device=device,
    )


def list_rejects(
    conn: Connection,
    trials: Sequence[str] | None,
    *,
    device: str | None = None,
    reason: str | None = None,
    below: int | None = None,
    most: int = 50,
    excerpt: int = 2000,
) -> list[RejectRow]:
    """Newest first, `payload` cut to `excerpt` bytes; `below` is the last id of the previous page."""
    return rows(
        conn,
        RejectRow,
        _SQL.rejects,
        trials=None if trials is None else list(trials),
        device=device,
        reason=reason,
        below=below,
        most=most,
        excerpt=excerpt,
    )


def get_reject(conn: Connection, trials: Sequence[str] | None, reject_id: int) -> RejectRow:
    found = row(
        conn, RejectRow, _SQL.reject, reject_id=reject_id, trials=None if trials is None else list(trials)
    )
    if found is None:
        raise NotFound(f"There is no reject {reject_id}, or you may not see it.")
    return found


def sum_refusals(conn: Connection) -> list[ReasonSum]:
    """Live traffic of all trials."""
    return rows(conn, ReasonSum, _SQL.refused_by_reason)
