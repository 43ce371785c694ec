"""Passwords that are quick to hash: by the true parameters each costs 64 MiB and a tenth of a second, and the
tests sign in hundreds of times. tests/api/test_passwords.py looks at the true ones.
"""

from __future__ import annotations

from argon2 import PasswordHasher

from api import passwords


def hash_quickly() -> None:
    """For this process and its forks. A hash names its own parameters, so others can still check it."""
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)  # type: ignore[misc]
