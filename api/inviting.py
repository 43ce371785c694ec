"""Who manages people, and links with which a person sets a password, once: of an invitation, or to reset a
forgotten password.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from api.access import digest
from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.letters import find_unseen
from insitu.logins import require_login
from insitu.model import Role
from store import people
from store.access import Viewer, add_person
from store.database import Connection
from store.people import Member
from store.rights import Act


def require_manager(conn: Connection, viewer: Viewer) -> int | None:
    """The organisation whose people the viewer manages; None: all. NotFound for anybody else."""
    if viewer.may(Act.MANAGE_PEOPLE):
        return None
    if not people.manages(conn, viewer.person_id):
        raise NotFound("There is no such page, or you may not see it.")
    return viewer.organisation_id


def invite_person(
    conn: Connection,
    *,
    login: str,
    name: str,
    organisation: str,
    role: Role | None,
    language: str,
    manages: bool,
    by: str,
    now: datetime,
) -> str:
    """Add a person without a password, or ask one again who has not accepted yet. Returns the token of the
    link. `organisation` is a code; `role`: None for the usual one of its people. The caller commits.
    """
    login, name = require_login(login), name.strip()
    if name and not is_name(name):
        raise CorrectInput("A name is one line of at most 200 characters.")
    try:
        member = people.get_member(conn, login)
    except NotFound:
        add_person(
            conn,
            login=login,
            name=name or login,
            organisation=organisation,
            password_hash=None,
            role=role,
            language=language,
            now=now,
        )
        member = people.get_member(conn, login)
    if member.is_active or member.organisation != organisation:
        raise AlreadyExists(f"{login} is taken. Somebody who has forgotten the password needs a reset.")
    if manages:
        people.set_manages(conn, member, True, by=by, now=now)
    return make_link(conn, member, by=by, now=now)


def is_name(text: str) -> bool:
    """True for one line of text with at most 200 characters, all of them to be seen."""
    return 0 < len(text.strip()) <= 200 and find_unseen(text.strip()) is None


def make_link(conn: Connection, member: Member, *, by: str, now: datetime) -> str:
    """The token of a link with which this person sets a password. The caller commits."""
    token = secrets.token_urlsafe(32)
    purpose = people.RESET if member.is_active else people.INVITATION
    people.invite(conn, member, token_sha256=digest(token), purpose=purpose, by=by, now=now)
    return token


def write_link(base_url: str, token: str) -> str:
    """The address that the person opens."""
    return f"{base_url.rstrip('/')}/invitations/{token}"
