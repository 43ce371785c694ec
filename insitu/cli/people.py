"""People of an installation: the first one, and more."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from insitu.model import OrganisationKind

if TYPE_CHECKING:
    from store.database import Connection


def new_password() -> str:
    """Five groups that a person can read from one screen and type into another; about 100 bits."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(5))


def add_account(
    conn: Connection, *, login: str, name: str, organisation: str, password: str, now: datetime, language: str = "fr"
) -> None:
    """A person who can sign in; the caller commits."""
    from api.access import hash_password
    from store.access import add_person

    add_person(
        conn,
        login=login,
        name=name,
        organisation=organisation,
        password_hash=hash_password(password),
        language=language,
        now=now,
    )


def add_first_person(conn: Connection) -> str | None:
    """On an empty installation: the lab and its first sign-in; the password, or None where somebody exists."""
    from store.access import anybody
    from store.catalogue import add_organisation

    if anybody(conn):
        return None
    now = datetime.now(UTC)
    password = new_password()
    add_organisation(conn, code="lab", name="Lab", kind=OrganisationKind.LAB, now=now)
    add_account(conn, login="lab", name="Lab", organisation="lab", password=password, now=now)
    conn.commit()
    return password
