"""People whom another sign-in (OpenID Connect) knows, by its issuer and its subject. The caller owns the
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.errors import NotAcceptedHere
from store.audit import record
from store.database import Connection, row, run, scalar
from store.people import Account, Member, drop_links
from store.queries import Queries


class _SQL(Queries, file="linked"):
    find_elsewhere: str
    find_unlinked: str
    link: str
    unlink: str
    use_return: str
    drop_old_returns: str
    id_token_of: str


class Disabled(NotAcceptedHere):
    """The person was disabled."""


class KnownOtherwise(NotAcceptedHere):
    """The other sign-in knew this login under another subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Account):
    is_disabled: bool
    is_linked: bool = True

    @property
    def account(self) -> Account:
        return Account(self.person_id, self.login, self.password_hash)


def find_elsewhere(conn: Connection, issuer: str, subject: str) -> Account | None:
    """The person whom the issuer knows under this subject; raises Disabled for one who left."""
    found = row(conn, Found, _SQL.find_elsewhere, issuer=issuer, subject=subject)
    return None if found is None else _active(found)


def find_unlinked(conn: Connection, login: str) -> Account | None:
    """The person of a login, in its stored form, whom no other sign-in knows yet. Raises Disabled for one who
    left, and KnownOtherwise for one who is known: an address that the provider gave to somebody else is no
    way in.
    """
    found = row(conn, Found, _SQL.find_unlinked, login=login)
    if found is not None and found.is_linked:
        raise KnownOtherwise()
    return None if found is None else _active(found)


def _active(found: Found) -> Account:
    if found.is_disabled:
        raise Disabled()
    return found.account


def link(conn: Connection, account: Account, *, issuer: str, subject: str, now: datetime) -> None:
    """The issuer knows the person under this subject from now on; open links to set a password end. Raises
    KnownOtherwise if another request was faster.
    """
    if not run(conn, _SQL.link, person_id=account.person_id, issuer=issuer, subject=subject):
        raise KnownOtherwise()
    drop_links(conn, account.person_id)
    detail = {"issuer": issuer, "subject": subject}
    record(conn, at=now, login=account.login, action="link sign-in", subject=account.login, detail=detail)


def unlink(conn: Connection, member: Member, *, by: str, now: datetime) -> None:
    """The next sign-in elsewhere with this login links the person again, with another subject."""
    if run(conn, _SQL.unlink, person_id=member.person_id):
        record(conn, at=now, login=by, action="unlink sign-in", subject=member.login)


def use_return(conn: Connection, state_sha256: bytes) -> bool:
    """False if this way back from a sign-in elsewhere was used before."""
    run(conn, _SQL.drop_old_returns)
    return bool(run(conn, _SQL.use_return, state_sha256=state_sha256))


def id_token_of(conn: Connection, token_sha256: bytes) -> str | None:
    """The token of the sign-in elsewhere that began a session; None for one that began here."""
    found: str | None = scalar(conn, _SQL.id_token_of, token_sha256=token_sha256)
    return found
