"""Device times: RFC 3339 with an offset, or Unix numbers whose unit their magnitude tells."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000

# A time between 1973 and 5138 has one reading only: below 1e11 seconds, then milliseconds, microseconds, nanoseconds.
_UNITS = ((1e11, 1_000_000.0), (1e14, 1_000.0), (1e17, 1.0), (1e20, 0.001))


def of_datetime(when: datetime) -> int:
    """Microseconds since 1970, exact."""
    span = when - _EPOCH
    return span.days * _DAY_US + span.seconds * 1_000_000 + span.microseconds


def of_number(number: float) -> tuple[int, bool] | None:
    """(µs, repaired): `repaired` where the unit was not seconds; None where no unit makes it a time."""
    if not math.isfinite(number):
        return None
    size = abs(number)
    for limit, factor in _UNITS:
        if size < limit:
            return round(number * factor), factor != 1_000_000.0
    return None


def of_text(text: str) -> int | None:
    """RFC 3339; None where it is not, or has no offset."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return of_datetime(when) if when.tzinfo is not None else None
