"""Passwords are stored as argon2id."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# argon2id with the parameters of RFC 9106 for limited memory: 64 MiB, 3 passes
_HASHER: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """The argon2id hash to store instead of the password."""
    return _HASHER.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Takes a tenth of a second on purpose."""
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobody() -> str:
    """Checked if the login is unknown, so that the response time does not show which logins exist."""
    return hash_password(secrets.token_urlsafe(16))
