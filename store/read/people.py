"""People, for lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.model import Role
from store.database import Connection, rows
from store.queries import Queries


class _SQL(Queries, file="read/people"):
    people: str


@dataclass(frozen=True, slots=True)
class Person:
    """`organisation` is the code of the organisation."""

    login: str
    name: str
    organisation: str
    role: Role
    language: str
    created_at: datetime
    disabled_at: datetime | None


def list_people(conn: Connection) -> list[Person]:
    """People by login. Only for the server's own shell: no page lists everybody."""
    return rows(conn, Person, _SQL.people)
