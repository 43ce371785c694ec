"""A device takes the place of another and continues its series. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from insitu.errors import CorrectInput, NotFound
from store.access import credentials_of_device, revoke_credentials
from store.audit import record
from store.catalogue.devices import find_device
from store.catalogue.swaps import count_later, take_over

if TYPE_CHECKING:
    from store.database import Connection


class EnrolFirst(CorrectInput):
    """The new device is not there yet."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """`since`: from then on the new device has the place."""

    since: datetime
    names: list[str]
    """Datastreams that it continues."""
    topics: list[str]
    """Fixed topics that are its own now."""
    later: int
    """Results of the old device at `since` or later."""
    ended: int
    """Credentials of the old device that ended."""
    is_silent: bool
    """The new device has no credential that works."""


def swap(
    conn: Connection,
    trial: str,
    old: str,
    new: str,
    *,
    at: datetime | None,
    reason: str,
    now: datetime,
    by: str,
) -> Swapped:
    """`new` gets the place, datastreams, mappings and fixed topics of `old`, whose credential ends. `at`:
    since when; None: now. Raises EnrolFirst if `new` is not there, CorrectInput if it cannot continue the
    series.
    """
    since = now if at is None else at
    if since > now:
        raise CorrectInput(f"{since:%Y-%m-%d %H:%M} UTC is in the future: swap when it has happened.")
    before = find_device(conn, trial, old)
    try:
        after = find_device(conn, trial, new)
    except NotFound as error:
        raise EnrolFirst(f"{trial} has no device {new!r} yet: enrol it first.") from error
    later = count_later(conn, before, since)
    names, topics = take_over(conn, before, after, since)
    ended = revoke_credentials(conn, device_id=before.device_id, at=now)
    detail = {
        "new": new,
        "since": since.isoformat(),
        "reason": reason,
        "credentials": ended,
        "topics": topics,
        "later_results": later,
    }
    record(conn, at=now, login=by, action="swap", subject=f"{trial}/{old}", detail=detail)
    is_silent = not _is_active(conn, after.device_id, now)
    return Swapped(since, names, topics, later, ended, is_silent)


def _is_active(conn: Connection, device_id: int, now: datetime) -> bool:
    """True if the device has a credential that works."""
    return any(
        one.revoked_at is None and (one.expires_at is None or one.expires_at > now)
        for one in credentials_of_device(conn, device_id)
    )
