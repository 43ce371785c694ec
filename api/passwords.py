"""Passwords are kept as argon2id."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# argon2id with the parameters of RFC 9106 for limited memory: 64 MiB, 3 passes
_HASHER: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """The argon2id hash that is kept instead of the password."""
    return _HASHER.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Takes a tenth of a second, as it must."""
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobody() -> str:
    """Verified where the login is unknown, so that the time of the answer does not tell which logins
    exist.
    """
    return hash_password(secrets.token_urlsafe(16))
