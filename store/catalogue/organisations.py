"""Organisations and the needs of hosts. The caller owns the transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from insitu.model import OrganisationKind, require_code
from store.database import Connection, require_found, row, rows, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/organisations"):
    add_organisation: str
    organisation_by_code: str
    add_need: str
    organisations_entered: str
    needs: str


@dataclass(frozen=True, slots=True)
class Organisation:
    organisation_id: int
    code: str
    name: str
    kind: OrganisationKind


@dataclass(frozen=True, slots=True)
class Need:
    need_id: int
    code: str
    host: str
    host_name: str
    title: dict[str, str]
    description: dict[str, str]


def add_organisation(conn: Connection, *, code: str, name: str, kind: OrganisationKind, now: datetime) -> int:
    """Raises AlreadyExists if the code is taken."""
    require_code(code, "organisation")
    return int(scalar(conn, _SQL.add_organisation, code=code, name=name, kind=str(kind), now=now))


def find_organisation(conn: Connection, code: str) -> Organisation | None:
    return row(conn, Organisation, _SQL.organisation_by_code, code=code)


def list_organisations(conn: Connection) -> list[Organisation]:
    """By kind and code."""
    return rows(conn, Organisation, _SQL.organisations_entered)


def list_needs(conn: Connection) -> list[Need]:
    return rows(conn, Need, _SQL.needs)


def add_need(
    conn: Connection,
    *,
    code: str,
    host: str,
    title: dict[str, str],
    description: dict[str, str],
    now: datetime,
) -> int:
    require_code(code, "need")
    number = scalar(
        conn,
        _SQL.add_need,
        code=code,
        host=host,
        title=json.dumps(title),
        description=json.dumps(description),
        now=now,
    )
    return require_found(number, f"There is no host {host!r}.")
