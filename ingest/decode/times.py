"""Device times: RFC 3339 with an offset, or Unix numbers whose magnitude shows their unit."""

from __future__ import annotations

from datetime import datetime

from insitu.times import to_us

# For a time between 1973 and 5138 the unit is unambiguous: below 1e11 seconds, then milliseconds,
# microseconds, nanoseconds.
SECONDS, MILLISECONDS, NANOSECONDS = 1_000_000.0, 1_000.0, 0.001
_UNITS = ((1e11, SECONDS), (1e14, MILLISECONDS), (1e17, 1.0), (1e20, NANOSECONDS))


def of_number(number: float, meant: float = SECONDS) -> tuple[int, bool] | None:
    """(µs, repaired); `repaired` if the unit was not the format's (`meant`). None if the number is no time in
    any unit.
    """
    if not abs(number) < _UNITS[-1][0]:  # also catches NaN, and integers too large for a float
        return None
    size = abs(number)
    for limit, factor in _UNITS:
        if size < limit:
            return round(number * factor), factor != meant
    return None


def of_text(text: str) -> int | None:
    """µs of an RFC 3339 time; None if it is invalid or has no offset."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_us(when) if when.tzinfo is not None else None
