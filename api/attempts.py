"""Limits of attempts to sign in, counted in the database for all processes together.

A stranger must not guess, and must not lock a person out. So a browser that has signed in before has an
allowance of its own; any other is limited by its address, by the login over all addresses, and with all
others together. Past its limit a login is not locked: it admits one attempt a minute.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from api.clients import place_of
from insitu.errors import RetryLater
from store.attempts import add_attempt, forgive_attempt, list_failures
from store.database import Connection

WITHIN: Final = timedelta(minutes=15)
PACE_S: Final = 60.0
MOST_OF_LOGIN: Final = 8
"""Failures of one login: from one address, and over all of them before the pace begins."""
MOST_OF_ADDRESS: Final = 40
"""Failures of all logins from one address."""
MOST_OF_ALL: Final = 600
"""Password comparisons for all browsers that have not signed in before: about a minute of one processor."""
MOST_OF_DEVICE: Final = 8
"""Failures of one login in a browser that has signed in with it before."""


class TooManyAttempts(RetryLater):
    """Too many attempts to sign in: wait a minute and try again, or a quarter of an hour after many."""


class _Limit(NamedTuple):
    """`pace_s`: past `most` one attempt is admitted in this time; None: none until the count begins again.
    `lasts`: counts also what succeeds.
    """

    most: int
    pace_s: float | None = None
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """An admitted attempt. `is_last`: with it a limit is reached."""

    keys: tuple[bytes, ...]
    is_last: bool


def admit_attempt(conn: Connection, *, address: str, login: str, device: str | None) -> Attempt:
    """Count an attempt before its password is compared, so that several at once cannot pass the limit.
    Raises TooManyAttempts. `device`: of a browser that has signed in with this login. The caller commits.
    """
    return _admit(conn, _limits(place_of(address), login, device))


def admit_arrival(conn: Connection, *, address: str) -> Attempt:
    """Count a way back from a sign-in elsewhere, which costs requests to the provider, with the failures of
    its address. Raises TooManyAttempts. The caller commits.
    """
    return _admit(conn, {_key("address", place_of(address)): _Limit(MOST_OF_ADDRESS)})


def _admit(conn: Connection, limits: dict[bytes, _Limit]) -> Attempt:
    for key, found in list_failures(conn, list(limits), within=WITHIN).items():
        limit = limits[key]
        paced = limit.pace_s is not None and found.idle_s >= limit.pace_s
        if found.failures >= limit.most and not paced:
            raise TooManyAttempts()
    counts = add_attempt(conn, list(limits), within=WITHIN)
    if any(limit.pace_s is None and counts[key] > limit.most for key, limit in limits.items()):
        raise TooManyAttempts()
    return Attempt(
        tuple(key for key, limit in limits.items() if not limit.lasts),
        any(counts[key] == limit.most for key, limit in limits.items()),
    )


def forgive(conn: Connection, attempt: Attempt) -> None:
    """The password was right. The caller commits."""
    forgive_attempt(conn, attempt.keys)


def _limits(place: str, login: str, device: str | None) -> dict[bytes, _Limit]:
    if device is not None:
        return {_key("device", device, login): _Limit(MOST_OF_DEVICE)}
    return {
        _key("login", place, login): _Limit(MOST_OF_LOGIN),
        _key("login", login): _Limit(MOST_OF_LOGIN, PACE_S),
        _key("address", place): _Limit(MOST_OF_ADDRESS),
        _key("all"): _Limit(MOST_OF_ALL, lasts=True),
    }


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
