"""People and their sessions: invitation, password, disabling. Each change leaves a line in the audit log.

`by` is the login of the person who does it. The caller owns the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from insitu.errors import CorrectInput, NotFound
from insitu.model import OrganisationKind, Role
from store.access import fact
from store.audit import record
from store.catalogue.organisations import Organisation
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries
from store.seals import note_act
from store.tokens import end_tokens
from store.walls import end_walls

Purpose = Literal["invitation", "reset"]
INVITATION: Final[Purpose] = "invitation"
RESET: Final[Purpose] = "reset"
INVITATION_LIFETIME: Final = timedelta(days=7)


class _SQL(Queries, file="people"):
    find_login: str
    begin_session: str
    touch_sessions: str
    list_sessions: str
    end_session: str
    end_sessions: str
    drop_invitations: str
    add_invitation: str
    find_invitation: str
    use_invitation: str
    set_password: str
    set_profile: str
    password_of_person: str
    active_lab_people: str
    disable_person: str
    enable_person: str
    set_manages: str
    manages: str
    members: str
    organisations: str
    unseen: str
    keep_fact: str


@dataclass(frozen=True, slots=True)
class Account:
    """`password_hash` is None before the invitation is accepted, and for a person of another sign-in."""

    person_id: int
    login: str
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Session:
    session_id: int
    token_sha256: bytes
    browser: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """The person of a link."""

    purpose: Purpose
    person_id: int
    login: str
    name: str
    language: str
    organisation: str
    walls: int
    """How many show devices with the rights of this person."""


@dataclass(frozen=True, slots=True)
class Member:
    """`is_active`: the person accepted the invitation. `link_until`: when an open link ends. `is_linked`:
    another sign-in knows the person.
    """

    person_id: int
    login: str
    name: str
    organisation: str
    organisation_name: str
    organisation_id: int
    kind: OrganisationKind
    language: str
    created_at: datetime
    disabled_at: datetime | None
    last_sign_in_at: datetime | None
    role: Role
    manages_people: bool
    is_active: bool
    is_linked: bool
    has_factor: bool
    link_until: datetime | None
    sessions: int


def find_login(conn: Connection, login: str) -> Account | None:
    """The person of a login, in its stored form, who is not disabled."""
    return row(conn, Account, _SQL.find_login, login=login)


def begin_session(
    conn: Connection,
    account: Account,
    *,
    token_sha256: bytes,
    lifetime: timedelta,
    browser: str,
    address: str,
    now: datetime,
    by: str = "password",
    id_token: str | None = None,
) -> bool:
    """False if the person was disabled, or has another password, since `account` was read. `by`: how the
    person proved who it is, for the audit log; `id_token`: of a sign-in elsewhere.
    """
    number = scalar(
        conn,
        _SQL.begin_session,
        person_id=account.person_id,
        password_hash=account.password_hash,
        token_sha256=token_sha256,
        lifetime=lifetime,
        browser=browser,
        address=address,
        id_token=id_token,
    )
    if number is None:
        return False
    detail = {"address": address, "browser": browser, "by": by}
    record(conn, at=now, login=account.login, action="sign in", subject=account.login, detail=detail)
    return True


def touch_sessions(conn: Connection, tokens_sha256: list[bytes]) -> None:
    """These sessions were used now."""
    run(conn, _SQL.touch_sessions, tokens_sha256=tokens_sha256)


def list_sessions(conn: Connection, person_id: int) -> list[Session]:
    return rows(conn, Session, _SQL.list_sessions, person_id=person_id)


def end_session(conn: Connection, person_id: int, session_id: int, *, by: str, now: datetime) -> None:
    """End one session of a person. An ended one is no error: somebody else was faster."""
    if run(conn, _SQL.end_session, person_id=person_id, session_id=session_id):
        record(conn, at=now, login=by, action="end session", subject=by, detail={"session": session_id})


def end_sessions(conn: Connection, person_id: int, *, but: bytes | None = None) -> None:
    """End the sessions of a person, except one."""
    run(conn, _SQL.end_sessions, person_id=person_id, but=but)


def drop_links(conn: Connection, person_id: int) -> None:
    """Open links with which the person could set a password work no longer."""
    run(conn, _SQL.drop_invitations, person_id=person_id)


def get_member(conn: Connection, login: str, organisation_id: int | None = None) -> Member:
    """One person of this organisation, or of any; raises NotFound."""
    found = row(conn, Member, _SQL.members, organisation_id=organisation_id, login=login)
    if found is None:
        raise NotFound(f"There is no person {login!r}, or you do not manage it.")
    return found


def list_members(conn: Connection, organisation_id: int | None = None) -> list[Member]:
    """The people of an organisation, or of all."""
    return rows(conn, Member, _SQL.members, organisation_id=organisation_id, login=None)


def list_organisations(conn: Connection, organisation_id: int | None = None) -> list[Organisation]:
    """One organisation, or all, by name."""
    return rows(conn, Organisation, _SQL.organisations, organisation_id=organisation_id)


def manages(conn: Connection, person_id: int) -> bool:
    """True for a person who manages the people of the own organisation."""
    return bool(scalar(conn, _SQL.manages, person_id=person_id))


def invite(
    conn: Connection, member: Member, *, token_sha256: bytes, purpose: Purpose, by: str, now: datetime
) -> None:
    """Store a link with which the person sets a password. Earlier links stop working; the password stays
    until the link is used.
    """
    if member.disabled_at is not None:
        raise CorrectInput(f"{member.login} is disabled: enable the person first.")
    run(conn, _SQL.drop_invitations, person_id=member.person_id)
    run(
        conn,
        _SQL.add_invitation,
        token_sha256=token_sha256,
        person_id=member.person_id,
        purpose=purpose,
        created_by=by,
        lifetime=INVITATION_LIFETIME,
    )
    action = "invite" if purpose == "invitation" else "reset password"
    detail = {"organisation": member.organisation}
    record(conn, at=now, login=by, action=action, subject=member.login, detail=detail)


def find_invitation(conn: Connection, token_sha256: bytes) -> Invited:
    """The person of a link; raises NotFound for a link that was used, has ended or never was."""
    found = row(conn, Invited, _SQL.find_invitation, token_sha256=token_sha256)
    if found is None:
        raise NotFound("This link does not work any more: ask for another one.")
    return found


def accept_invitation(
    conn: Connection,
    invited: Invited,
    *,
    token_sha256: bytes,
    name: str,
    language: str,
    password_hash: str,
    ends_walls: bool = False,
    now: datetime,
) -> Account:
    """Use a link, once: set the password and end every session, and with `ends_walls` every wall. Raises
    NotFound as above.
    """
    if scalar(conn, _SQL.use_invitation, token_sha256=token_sha256) is None:
        raise NotFound("This link does not work any more: ask for another one.")
    run(conn, _SQL.set_profile, person_id=invited.person_id, name=name, language=language)
    end_sessions(conn, invited.person_id)
    detail: dict[str, Any] = {"by": invited.purpose, **_ended_walls(conn, invited.person_id, ends_walls)}
    _set_password(conn, invited.person_id, invited.login, password_hash, detail, now)
    return Account(invited.person_id, invited.login, password_hash)


def set_profile(conn: Connection, person_id: int, *, name: str, language: str) -> None:
    note_act(conn, "person")  # somebody's own name has no line
    run(conn, _SQL.set_profile, person_id=person_id, name=name, language=language)


def password_hash_of(conn: Connection, person_id: int) -> str | None:
    found: str | None = scalar(conn, _SQL.password_of_person, person_id=person_id)
    return found


def change_password(
    conn: Connection,
    person_id: int,
    login: str,
    *,
    password_hash: str,
    session: bytes,
    ends_walls: bool = False,
    now: datetime,
) -> None:
    """End all sessions except `session`, and open links; with `ends_walls` also every wall."""
    end_sessions(conn, person_id, but=session)
    drop_links(conn, person_id)
    detail: dict[str, Any] = {"by": "password", **_ended_walls(conn, person_id, ends_walls)}
    _set_password(conn, person_id, login, password_hash, detail, now)


def _ended_walls(conn: Connection, person_id: int, is_meant: bool) -> dict[str, int]:
    number = end_walls(conn, person_id) if is_meant else 0
    return {"walls_ended": number} if number else {}


def _set_password(
    conn: Connection,
    person_id: int,
    login: str,
    password_hash: str,
    detail: dict[str, Any],
    now: datetime,
) -> None:
    if not run(conn, _SQL.set_password, person_id=person_id, password_hash=password_hash):
        raise NotFound("This person is disabled.")
    record(conn, at=now, login=login, action="change password", subject=login, detail=detail)


def disable(conn: Connection, member: Member, *, by: str, now: datetime) -> None:
    """End every session, link, token and wall of a person who left. Machines' tokens rest until another
    person answers for them, or this one is back. Raises CorrectInput for the last active person of the lab.
    """
    active = rows(conn, _PersonId, _SQL.active_lab_people)
    if [one.person_id for one in active] == [member.person_id]:
        raise CorrectInput(
            f"{member.login} is the last active person of the lab: invite another one first, who accepts."
        )
    if not run(conn, _SQL.disable_person, person_id=member.person_id, at=now):
        return
    end_sessions(conn, member.person_id)
    drop_links(conn, member.person_id)
    end_tokens(conn, member.person_id)
    end_walls(conn, member.person_id)
    record(conn, at=now, login=by, action="disable", subject=member.login)


def enable(conn: Connection, member: Member, *, by: str, now: datetime) -> None:
    """The person may sign in again, with the password from before."""
    if run(conn, _SQL.enable_person, person_id=member.person_id):
        record(conn, at=now, login=by, action="enable", subject=member.login)


def set_manages(conn: Connection, member: Member, value: bool, *, by: str, now: datetime) -> None:
    """Whether the person manages the people of the own organisation."""
    if run(conn, _SQL.set_manages, person_id=member.person_id, manages=value):
        action = "let manage people" if value else "let manage people no longer"
        record(conn, at=now, login=by, action=action, subject=member.login)


def list_unseen(conn: Connection, span: timedelta) -> list[str]:
    """Logins of people who have not signed in for at least `span`."""
    return [login for (login,) in conn.execute(_SQL.unseen.encode(), {"span": span})]


def kept_fact(conn: Connection, name: str, content: str) -> str:
    """The fact of that name; `content` if there is none yet."""
    found = fact(conn, name)
    if found is None:
        run(conn, _SQL.keep_fact, name=name, content=content)
        found = fact(conn, name)
    assert found is not None
    return found


@dataclass(frozen=True, slots=True)
class _PersonId:
    person_id: int
