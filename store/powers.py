"""Which rights this account has in the database beyond those that Insitu needs."""

from __future__ import annotations

from dataclasses import dataclass

from store.database import Connection, row
from store.needed_rights import needed_rights
from store.queries import Queries


class _SQL(Queries, file="powers"):
    powers: str


@dataclass(frozen=True, slots=True)
class Powers:
    owned: list[str]
    """Tables that belong to this account, or to a role that it may act as without asking."""
    more: list[str]
    """Rights to change other tables that no statement of Insitu needs, such as `DELETE audit`."""


def find_powers(conn: Connection) -> Powers:
    found = row(conn, Powers, _SQL.powers, rights=needed_rights())
    assert found is not None
    return found
