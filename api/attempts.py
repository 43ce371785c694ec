"""Failed attempts to sign in, counted by address and login in the database, for all processes together."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from insitu.errors import RetryLater
from store.attempts import add_failure, list_failures
from store.database import Connection

WITHIN: Final = timedelta(minutes=15)
MOST_OF_LOGIN: Final = 8
"""Failures of one login from one address."""
MOST_OF_ADDRESS: Final = 40
"""Failures of all logins from one address."""


class TooManyAttempts(RetryLater):
    """Too many attempts to sign in: wait a quarter of an hour and try again."""


def require_few_failures(conn: Connection, address: str, login: str) -> None:
    """TooManyAttempts where this address, or this login from this address, failed too often within WITHIN."""
    limits = dict(zip(_keys(address, login), (MOST_OF_LOGIN, MOST_OF_ADDRESS), strict=True))
    failures = list_failures(conn, list(limits), within=WITHIN)
    if any(failures.get(key, 0) >= most for key, most in limits.items()):
        raise TooManyAttempts()


def count_failure(conn: Connection, address: str, login: str) -> None:
    """The caller commits."""
    add_failure(conn, _keys(address, login), within=WITHIN)


def _keys(address: str, login: str) -> tuple[bytes, bytes]:
    """Of the login from this address, and of the address."""
    of_login, of_address = f"login\0{address}\0{login}", f"address\0{address}"
    return hashlib.sha256(of_login.encode()).digest(), hashlib.sha256(of_address.encode()).digest()
