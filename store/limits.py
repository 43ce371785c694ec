"""The net below the queries of the pages: row-level security of PostgreSQL, for one transaction at a time."""

from __future__ import annotations

from store.database import Connection, run, scalar
from store.queries import Queries
from store.viewers import Viewer


class _SQL(Queries, file="limits"):
    has_net: str
    limit_to: str


def has_net(conn: Connection) -> bool:
    """True if this account may act as the role of the pages, whose rows are limited."""
    return bool(scalar(conn, _SQL.has_net))


def limit_to(conn: Connection, viewer: Viewer | None) -> None:
    """Until the end of the transaction: only reading, and only rows of the trials of this viewer; None: of no
    trial.
    """
    scope = viewer.scope() if viewer else {"reach": "none", "party": "", "organisation_id": 0}
    run(conn, _SQL.limit_to, **scope)
