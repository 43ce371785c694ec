"""Who may sign in and see what, and which devices may publish.

Rights are decided here, below routes and pages. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from insitu.errors import NotFound
from insitu.model import OrganisationKind, Role
from store.catalogue.trials import Trial
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries
from store.viewers import Viewer as Viewer


class _SQL(Queries, file="access"):
    organisation_kind: str
    add_person: str
    anybody: str
    password_of: str
    sign_in: str
    signed_in: str
    viewer_of_login: str
    any_session: str
    sign_out: str
    set_language: str
    visible_trials: str
    add_credential: str
    username_taken: str
    revoke_credentials: str
    revoke_network_credentials: str
    drop_probes: str
    active_credentials: str
    credentials_by_token: str
    credentials_of_device: str
    broker_state: str
    broker_applied: str
    next_expiry: str
    suspendable: str
    suspend: str
    suspensions: str
    put_fact: str
    fact: str


@dataclass(frozen=True, slots=True)
class Password:
    person_id: int
    password_hash: str


@dataclass(frozen=True, slots=True)
class SignedIn(Viewer):
    """The person of a session. `views`: (name, address) of the pages that this person keeps, in order."""

    token_sha256: bytes
    views: list[list[str]]


@dataclass(frozen=True, slots=True)
class Credential:
    """A user of the broker. It may publish below `trial` and `device` and on its fixed `topics`; a network
    server has `addresses` instead.
    """

    username: str
    nats_hash: str
    mosquitto_hash: str
    trial: str
    device: str
    addresses: list[str] | None = None
    topics: list[str] = field(default_factory=list)
    heard_below: bool = True
    """False while its session has only the filters of an earlier version, which hear the named suffixes."""
    hears: str | None = None
    """The topic of a person who listens for alerts, and publishes nothing."""


@dataclass(frozen=True, slots=True)
class TokenHolder:
    token_sha256: bytes
    username: str
    trial: str
    device: str
    device_id: int


@dataclass(frozen=True, slots=True)
class CredentialLife:
    username: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    suspended_until: datetime | None = None
    """Wall clock; None if it is not suspended now."""
    suspended_bytes: int | None = None
    """Bytes that the device sent within `suspended_seconds` before the last suspension."""
    suspended_seconds: float | None = None
    token_sha256: bytes = b""


@dataclass(frozen=True, slots=True)
class BrokerState:
    """`wanted` grows with each change of a credential; the broker uses the state `applied`."""

    wanted: int
    applied: int
    problem: str | None
    applied_at: datetime | None


def add_person(
    conn: Connection,
    *,
    login: str,
    name: str,
    organisation: str,
    password_hash: str | None,
    now: datetime,
    language: str = "fr",
    role: Role | None = None,
) -> int:
    """`role`: None for the usual one of the organisation; CorrectInput if the organisation has no such
    role.
    """
    return int(
        scalar(
            conn,
            _SQL.add_person,
            login=login,
            name=name,
            organisation=organisation,
            password_hash=password_hash,
            language=language,
            role=str(role_in(conn, organisation, role)),
            now=now,
        )
    )


def role_in(conn: Connection, organisation: str, role: Role | None) -> Role:
    """`role` if people of that organisation may have it, or its usual one for None."""
    kind = scalar(conn, _SQL.organisation_kind, organisation=organisation)
    if kind is None:
        raise NotFound(f"There is no organisation {organisation!r}.")
    return OrganisationKind(kind).role_of(role)


def anybody(conn: Connection) -> bool:
    return bool(scalar(conn, _SQL.anybody))


def password_of(conn: Connection, login: str) -> Password | None:
    return row(conn, Password, _SQL.password_of, login=login)


def sign_in(conn: Connection, *, person_id: int, token_sha256: bytes, lifetime: timedelta) -> None:
    run(conn, _SQL.sign_in, person_id=person_id, token_sha256=token_sha256, lifetime=lifetime)


def signed_in(conn: Connection, tokens_sha256: list[bytes]) -> dict[bytes, Viewer]:
    """The valid sessions among these tokens, with their people."""
    return {
        one.token_sha256: one for one in rows(conn, SignedIn, _SQL.signed_in, tokens_sha256=tokens_sha256)
    }


def viewer_of(conn: Connection, login: str) -> Viewer:
    """The person with that login; raises NotFound if nobody with it can sign in."""
    found = row(conn, Viewer, _SQL.viewer_of_login, login=login)
    if found is None:
        raise NotFound(f"Nobody signs in as {login!r}: `insitu people` lists who can.")
    return found


def ever_signed_in(conn: Connection) -> bool:
    """True if a session exists, even an expired one. Exact until somebody signs out."""
    return bool(scalar(conn, _SQL.any_session))


def sign_out(conn: Connection, token_sha256: bytes) -> None:
    run(conn, _SQL.sign_out, token_sha256=token_sha256)


def set_language(conn: Connection, viewer: Viewer, language: str) -> None:
    run(conn, _SQL.set_language, person_id=viewer.person_id, language=language)


def visible_trials(conn: Connection, viewer: Viewer) -> list[Trial]:
    """The trials that this viewer may see."""
    return rows(conn, Trial, _SQL.visible_trials, **viewer.scope(), code=None)


def visible_trial(conn: Connection, viewer: Viewer, code: str) -> Trial:
    """One visible trial; raises NotFound if it does not exist or the viewer may not see it."""
    found = row(conn, Trial, _SQL.visible_trials, **viewer.scope(), code=code)
    if found is None:
        raise NotFound(f"There is no trial {code!r}, or you may not see it.")
    return found


def add_credential(
    conn: Connection,
    *,
    device_id: int | None,
    network_server_id: int | None = None,
    username: str,
    token_sha256: bytes,
    nats_hash: str,
    mosquitto_hash: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> None:
    """For a device or a network server. For neither it is a probe `check.<name>` of the access rules, which
    may publish below `check/<name>`.
    """
    run(
        conn,
        _SQL.add_credential,
        device_id=device_id,
        network_server_id=network_server_id,
        username=username,
        token_sha256=token_sha256,
        nats_hash=nats_hash,
        mosquitto_hash=mosquitto_hash,
        now=now,
        expires_at=expires_at,
    )


def username_taken(conn: Connection, username: str) -> bool:
    return bool(scalar(conn, _SQL.username_taken, username=username))


def revoke_credentials(conn: Connection, *, device_id: int, at: datetime, keep: str | None = None) -> int:
    """Returns how many ended. `keep`: user name of one that stays."""
    return run(conn, _SQL.revoke_credentials, device_id=device_id, at=at, keep=keep)


def drop_probes(conn: Connection, usernames: list[str]) -> None:
    run(conn, _SQL.drop_probes, usernames=usernames)


def revoke_network_credentials(conn: Connection, *, network_server_id: int, at: datetime) -> int:
    """Returns how many ended."""
    return run(conn, _SQL.revoke_network_credentials, network_server_id=network_server_id, at=at)


def active_credentials(conn: Connection, now: datetime, *, suspended: bool = False) -> list[Credential]:
    """Users that the broker must accept. `suspended` includes suspended ones, for a broker that gets no
    notice of the end of a suspension.
    """
    return rows(conn, Credential, _SQL.active_credentials, now=now, suspended=suspended)


def suspend(conn: Connection, *, trial: str, device: str, sent: int, seconds: float) -> datetime | None:
    """Returns the time from which the device may connect again; None if our broker does not accept it now, or
    the broker is not ours.
    """
    found = conn.execute(_SQL.suspendable.encode(), {"trial": trial, "device": device}).fetchall()
    if not found:  # an empty update would still make the broker reload its users
        return None
    until: datetime = scalar(
        conn, _SQL.suspend, credential_ids=[number for (number,) in found], bytes=sent, seconds=seconds
    )
    return until


def suspensions(conn: Connection) -> int:
    """How often devices were suspended for flooding."""
    return int(scalar(conn, _SQL.suspensions))


def token_holders(conn: Connection, tokens_sha256: list[bytes], now: datetime) -> dict[bytes, TokenHolder]:
    """The valid tokens among these, with the devices that hold them."""
    found = rows(conn, TokenHolder, _SQL.credentials_by_token, tokens_sha256=tokens_sha256, now=now)
    return {one.token_sha256: one for one in found}


def credentials_of_device(conn: Connection, device_id: int) -> list[CredentialLife]:
    return rows(conn, CredentialLife, _SQL.credentials_of_device, device_id=device_id)


def seed_of(lives: Sequence[CredentialLife]) -> bytes:
    """A secret that all credentials of a device (newest first) share; empty without any."""
    return bytes(lives[-1].token_sha256) if lives else b""


def broker_state(conn: Connection) -> BrokerState:
    state = row(conn, BrokerState, _SQL.broker_state)
    assert state is not None  # the migration inserts the only row
    return state


def broker_applied(conn: Connection, *, version: int, at: datetime, problem: str | None = None) -> None:
    run(conn, _SQL.broker_applied, version=version, at=at, problem=problem)


def next_expiry(conn: Connection, now: datetime) -> datetime | None:
    found: datetime | None = scalar(conn, _SQL.next_expiry, now=now)
    return found


def put_fact(conn: Connection, name: str, content: str) -> None:
    run(conn, _SQL.put_fact, name=name, content=content)


def fact(conn: Connection, name: str) -> str | None:
    found: str | None = scalar(conn, _SQL.fact, name=name)
    return found
