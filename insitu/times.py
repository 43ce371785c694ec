"""Times as datetimes, as microseconds since 1970-01-01 UTC, and as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""A time that people give lies in between. At the ends of the calendar another zone, or one more day, is no
date at all.
"""


def to_datetime(time_us: int) -> datetime:
    """Exact, unlike a division by a float."""
    return _EPOCH + timedelta(microseconds=time_us)


def to_us(when: datetime) -> int:
    """Exact, unlike `timestamp()`."""
    return (when - _EPOCH) // _MICROSECOND


def to_whole_second_us(when: datetime) -> int:
    """Microseconds of the nearest whole second."""
    return round(when.timestamp()) * 1_000_000


def to_rfc3339(when: datetime) -> str:
    """UTC with Z."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def require_usual(when: datetime) -> datetime:
    """`when`, without an offset in UTC. ValueError if it is not between FIRST and LAST."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    if not FIRST <= aware < LAST:
        raise ValueError(f"{when.isoformat()} is no usual time: give one from 1900 to 2199")
    return aware


def is_zone(name: str) -> bool:
    """True for a time zone that this machine knows, such as Europe/Paris."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return False
    return True
