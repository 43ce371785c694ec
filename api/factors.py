"""The second step of a sign-in: a code of the authenticator, or a recovery code."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from api import totp
from api.access import Browser, Entered, begin_full, digest, record_limit
from api.attempts import admit_attempt, forgive
from api.known import browser_key, known_browser
from api.sealing import unseal
from insitu.clock import SYSTEM
from insitu.errors import NotAcceptedHere
from store import factors
from store.database import Connection, Pool
from store.people import Account

WRONG_CODE: Final = "The code is wrong, or was used: wait for the next one, or use a recovery code."
TOO_LATE: Final = "This sign-in is too old: begin again."


class WrongCode(NotAcceptedHere):
    """The code is wrong, or was used: wait for the next one, or use a recovery code."""


def enter_code(pool: Pool, *, token: str, code: str, browser: Browser, key: bytes, now: datetime) -> Entered:
    """Turns a first step into a session. `token`: of the first step; `key`: see `api.sealing`. Raises
    NotAcceptedHere if the step has ended, WrongCode, and TooManyAttempts after many.
    """
    with pool.connection() as conn:
        step = factors.find_step(conn, digest(token))
        if step is None:
            raise NotAcceptedHere(TOO_LATE)
        prove(conn, step, code=code, browser=browser, key=key, now=now)
        if not factors.end_step(conn, digest(token)):
            raise NotAcceptedHere(TOO_LATE)
        account = Account(step.person_id, step.login, step.password_hash)
        return begin_full(conn, account, browser, now, by="code", id_token=step.id_token)


def prove(
    conn: Connection, account: Account, *, code: str, browser: Browser, key: bytes, now: datetime
) -> None:
    """Counts an attempt, commits it, and takes a code. Raises WrongCode or TooManyAttempts. The caller
    commits.
    """
    device = known_browser(browser.known, account.login, browser_key(conn))
    attempt = admit_attempt(conn, address=browser.address, login=account.login, device=device)
    conn.commit()
    if take_code(conn, account, code, key, now):
        forgive(conn, attempt)
        return
    conn.rollback()
    if attempt.is_last:
        record_limit(conn, account, browser, now)
        conn.commit()
    raise WrongCode()


def take_code(conn: Connection, account: Account, code: str, key: bytes, now: datetime) -> bool:
    """Takes a code of the authenticator or a recovery code, each once. False for a wrong one. The steps of
    codes count by the wall clock. The caller commits.
    """
    plain = totp.plain_code(code)
    if plain is None:
        digested = totp.recovery_digest(code)
        return factors.use_recovery_code(conn, account.person_id, account.login, digested, now)
    factor = factors.find_factor(conn, account.person_id)
    if factor is None:
        return False
    secret = unseal(bytes(factor.secret), account.person_id, key)
    step = totp.find_step(secret, plain, SYSTEM.now(), after=factor.last_step)
    return step is not None and factors.take_step(conn, account.person_id, step, now)


def new_codes() -> tuple[list[str], list[bytes]]:
    """Recovery codes to show once, and their digests to keep."""
    codes = totp.new_recovery_codes()
    return codes, [totp.recovery_digest(one) for one in codes]
