"""Microseconds since 1970 and the datetimes a driver speaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_datetime(time_us: int) -> datetime:
    """Exact, unlike a division by a float."""
    return _EPOCH + timedelta(microseconds=time_us)


def to_us(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1)
