"""Second factors of people: secrets of authenticators, recovery codes, and sign-ins that wait for a code. The
caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from insitu.errors import CorrectInput
from store.audit import record
from store.database import Connection, row, run, scalar
from store.people import Account, Member, end_sessions
from store.queries import Queries
from store.seals import note_act


class _SQL(Queries, file="factors"):
    has_factor: str
    begin_step: str
    find_step: str
    end_step: str
    is_fresh: str
    offer: str
    find_factor: str
    take_step: str
    drop_recovery_codes: str
    add_recovery_codes: str
    use_recovery_code: str
    codes_left: str
    drop_factor: str


@dataclass(frozen=True, slots=True)
class Factor:
    """`secret` is encrypted. `last_step`: of the last code that was taken."""

    secret: bytes
    confirmed_at: datetime | None
    last_step: int


@dataclass(frozen=True, slots=True)
class Step(Account):
    """A person whose first step is done. `id_token`: of a sign-in elsewhere."""

    id_token: str | None


def has_factor(conn: Connection, person_id: int) -> bool:
    return bool(scalar(conn, _SQL.has_factor, person_id=person_id))


def begin_step(
    conn: Connection,
    account: Account,
    *,
    token_sha256: bytes,
    lifetime: timedelta,
    browser: str,
    address: str,
    id_token: str | None,
) -> bool:
    """A first step that waits for its code. False if the person was disabled, or has another password, since
    `account` was read.
    """
    number = scalar(
        conn,
        _SQL.begin_step,
        person_id=account.person_id,
        password_hash=account.password_hash,
        token_sha256=token_sha256,
        lifetime=lifetime,
        browser=browser,
        address=address,
        id_token=id_token,
    )
    return number is not None


def find_step(conn: Connection, token_sha256: bytes) -> Step | None:
    """The person of a first step; None if it has ended."""
    return row(conn, Step, _SQL.find_step, token_sha256=token_sha256)


def end_step(conn: Connection, token_sha256: bytes) -> bool:
    """False if another request was faster."""
    return bool(run(conn, _SQL.end_step, token_sha256=token_sha256))


def is_fresh(conn: Connection, token_sha256: bytes, within: timedelta) -> bool:
    """True for a session that began at most `within` ago."""
    return bool(scalar(conn, _SQL.is_fresh, token_sha256=token_sha256, within=within))


def offer(conn: Connection, person_id: int, secret: bytes) -> None:
    """Keep an encrypted secret until its first code. Raises CorrectInput for a person with a factor."""
    if scalar(conn, _SQL.offer, person_id=person_id, secret=secret) is None:
        raise CorrectInput("There is a second factor already: remove it first.")
    note_act(conn, "second_factor")  # the line comes with its first code


def find_factor(conn: Connection, person_id: int) -> Factor | None:
    """The factor, locked until the end of the transaction; also one that waits for its first code."""
    return row(conn, Factor, _SQL.find_factor, person_id=person_id)


def take_step(conn: Connection, person_id: int, step: int, now: datetime) -> bool:
    """False if a code of this step or a later one was taken before. A first one confirms the factor."""
    return bool(run(conn, _SQL.take_step, person_id=person_id, step=step, at=now))


def confirm(
    conn: Connection,
    person_id: int,
    login: str,
    *,
    codes_sha256: Sequence[bytes],
    session: bytes,
    now: datetime,
) -> None:
    """The person has a second factor from now on: store the recovery codes, end all sessions except
    `session`.
    """
    set_recovery_codes(conn, person_id, codes_sha256)
    end_sessions(conn, person_id, but=session)
    record(conn, at=now, login=login, action="add second factor", subject=login)


def renew_codes(
    conn: Connection, person_id: int, login: str, codes_sha256: Sequence[bytes], now: datetime
) -> None:
    """Other recovery codes; the ones before work no longer."""
    set_recovery_codes(conn, person_id, codes_sha256)
    record(conn, at=now, login=login, action="renew recovery codes", subject=login)


def set_recovery_codes(conn: Connection, person_id: int, codes_sha256: Sequence[bytes]) -> None:
    run(conn, _SQL.drop_recovery_codes, person_id=person_id)
    run(conn, _SQL.add_recovery_codes, person_id=person_id, codes_sha256=list(codes_sha256))


def use_recovery_code(
    conn: Connection, person_id: int, login: str, code_sha256: bytes, now: datetime
) -> bool:
    """False for a code that is none, or was used."""
    if not run(conn, _SQL.use_recovery_code, person_id=person_id, code_sha256=code_sha256):
        return False
    detail = {"left": count_codes(conn, person_id)}
    record(conn, at=now, login=login, action="use recovery code", subject=login, detail=detail)
    return True


def count_codes(conn: Connection, person_id: int) -> int:
    """Recovery codes that are left."""
    return int(scalar(conn, _SQL.codes_left, person_id=person_id))


def remove(conn: Connection, person_id: int, login: str, now: datetime) -> None:
    """The person's own act, which a code has proven."""
    if run(conn, _SQL.drop_factor, person_id=person_id):
        record(conn, at=now, login=login, action="remove second factor", subject=login)


def reset(conn: Connection, member: Member, *, by: str, now: datetime) -> bool:
    """Remove the factor of a person who lost it, and end every session. False if there is none."""
    if not run(conn, _SQL.drop_factor, person_id=member.person_id):
        return False
    end_sessions(conn, member.person_id)
    record(conn, at=now, login=by, action="reset second factor", subject=member.login)
    return True
