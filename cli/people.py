"""People of an installation: the first one, and further ones."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from api.passwords import hash_password
from insitu.model import OrganisationKind, Role
from insitu.whole import secret_of
from store.access import add_person, anybody, ever_signed_in, password_of
from store.audit import record
from store.catalogue.organisations import add_organisation, find_organisation

if TYPE_CHECKING:
    from store.database import Connection


def new_password() -> str:
    """Five groups that a person can read on one screen and type into another; about 100 bits."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(5))


def add_account(
    conn: Connection,
    *,
    login: str,
    name: str,
    organisation: str,
    password: str,
    now: datetime,
    language: str = "fr",
    role: Role | None = None,
) -> None:
    """Add a person who can sign in; the caller commits."""
    add_person(
        conn,
        login=login,
        name=name,
        organisation=organisation,
        password_hash=hash_password(password),
        language=language,
        role=role,
        now=now,
    )


_FIRST = "first-sign-in.secret"


def add_first_person(conn: Connection, data_dir: Path) -> None:
    """On an empty installation: add the lab and its first account. Commits.

    Stores the password in a file of the data directory first, so that after an interrupted start the next one
    can still show it.
    """
    if anybody(conn):
        return
    now = datetime.now(UTC)
    password = secret_of(data_dir / _FIRST, new_password)
    if find_organisation(conn, "lab") is None:
        add_organisation(conn, code="lab", name="Lab", kind=OrganisationKind.LAB, now=now)
    add_account(conn, login="lab", name="Lab", organisation="lab", password=password, now=now)
    detail = {"organisation": "lab"}
    record(conn, at=now, login="job:insitu", action="enter person", subject="lab", detail=detail)
    conn.commit()


def first_sign_in(conn: Connection, data_dir: Path) -> str | None:
    """The password of `lab` until somebody has signed in. Removes its file then, and returns None."""
    path = data_dir / _FIRST
    if not path.exists():
        return None
    if ever_signed_in(conn) or password_of(conn, "lab") is None:  # another catalogue was imported
        path.unlink(missing_ok=True)
        return None
    return path.read_text("utf-8")
