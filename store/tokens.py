"""Tokens of programs: a person's own, which read or also act, and those of machines, which read. The caller
owns the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from insitu.errors import CorrectInput, NotFound
from store.access import Viewer
from store.audit import record
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries

LONGEST_LIFE: Final = timedelta(days=400)
MOST_ADDRESSES: Final = 200
"""Addresses that are remembered for each token."""
READ: Final = "read"
ACT: Final = "act"
"""Of a person's own token that also changes what the person may change."""


class _SQL(Queries, file="tokens"):
    bearers: str
    add_token: str
    list_tokens: str
    find_token: str
    end_token: str
    end_tokens: str
    hand_over: str
    touch_token: str
    note_address: str
    ending_soon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer(Viewer):
    """A person whose token a program presents."""

    token_sha256: bytes
    access_token_id: int
    token_name: str
    scopes: list[str]

    @property
    def acts(self) -> bool:
        return ACT in self.scopes


@dataclass(frozen=True, slots=True)
class Token:
    """`login`: whose rights it has. `organisation` and its id: of a machine's token, else None."""

    access_token_id: int
    name: str
    scopes: list[str]
    login: str
    person_id: int
    organisation: str | None
    organisation_id: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    works: bool


@dataclass(frozen=True, slots=True)
class Ending:
    name: str
    login: str
    expires_at: datetime


def list_bearers(conn: Connection, tokens_sha256: list[bytes]) -> dict[bytes, Bearer]:
    """The tokens among these that work, with their people."""
    found = rows(conn, Bearer, _SQL.bearers, tokens_sha256=tokens_sha256)
    return {bytes(one.token_sha256): one for one in found}


def add_token(
    conn: Connection,
    *,
    person_id: int,
    login: str,
    is_machine: bool,
    name: str,
    token_sha256: bytes,
    lifetime: timedelta,
    by: str,
    now: datetime,
    acts: bool = False,
) -> None:
    """A token that reads with the rights of a person, or also acts with them; for a machine it reads, within
    the person's organisation.
    """
    scopes = [READ, ACT] if acts else [READ]
    if acts and is_machine:
        raise CorrectInput("A machine's token reads: an act needs a person who answers for it by name.")
    if not name or len(name) > 100:
        raise CorrectInput("Name the token in 1 to 100 characters.")
    if not timedelta(0) < lifetime <= LONGEST_LIFE:
        raise CorrectInput(f"A token lives for 1 to {LONGEST_LIFE.days} days.")
    number = scalar(
        conn,
        _SQL.add_token,
        person_id=person_id,
        is_machine=is_machine,
        name=name,
        token_sha256=token_sha256,
        scopes=scopes,
        created_by=by,
        lifetime=lifetime,
    )
    if number is None:
        raise NotFound(f"There is no person {login!r} who could answer for a token.")
    detail = {"token": number, "name": name, "scopes": scopes, "is_machine": is_machine}
    record(conn, at=now, login=by, action="make token", subject=login, detail=detail)


def list_tokens(conn: Connection, person_id: int) -> list[Token]:
    """A person's own tokens, newest first."""
    return rows(conn, Token, _SQL.list_tokens, person_id=person_id, organisation_id=None)


def list_machine_tokens(conn: Connection, organisation_id: int | None = None) -> list[Token]:
    """The machines' tokens of an organisation, or of all, newest first."""
    return rows(conn, Token, _SQL.list_tokens, person_id=None, organisation_id=organisation_id)


def get_token(conn: Connection, access_token_id: int) -> Token:
    found = row(conn, Token, _SQL.find_token, access_token_id=access_token_id)
    if found is None:
        raise NotFound(f"There is no token {access_token_id}, or it was ended.")
    return found


def end_token(conn: Connection, token: Token, *, by: str, now: datetime) -> None:
    if run(conn, _SQL.end_token, access_token_id=token.access_token_id):
        detail = {"token": token.access_token_id, "name": token.name}
        record(conn, at=now, login=by, action="end token", subject=token.login, detail=detail)


def end_tokens(conn: Connection, person_id: int) -> None:
    """End a person's own tokens. The machines' stay, and rest while the person is disabled."""
    run(conn, _SQL.end_tokens, person_id=person_id)


def hand_over(conn: Connection, token: Token, login: str, *, by: str, now: datetime) -> None:
    """Let another person of the same organisation answer for a machine's token."""
    if not run(conn, _SQL.hand_over, access_token_id=token.access_token_id, login=login):
        raise CorrectInput(f"{login!r} is no active person of this token's organisation.")
    detail = {"token": token.access_token_id, "name": token.name, "from": token.login}
    record(conn, at=now, login=by, action="hand over token", subject=login, detail=detail)


def note_use(conn: Connection, bearer: Bearer, address: str, now: datetime) -> None:
    """The token was used now, from `address`; a line in the audit log if it never was from there."""
    run(conn, _SQL.touch_token, access_token_id=bearer.access_token_id)
    number = bearer.access_token_id
    if run(conn, _SQL.note_address, access_token_id=number, address=address, most=MOST_ADDRESSES):
        detail = {"token": number, "name": bearer.token_name, "address": address}
        record(conn, at=now, login=bearer.login, action="use token from", subject=bearer.login, detail=detail)


def list_ending_soon(conn: Connection, span: timedelta) -> list[Ending]:
    """Tokens in use that end within `span`, the first one first."""
    return rows(conn, Ending, _SQL.ending_soon, span=span)
