"""Times in a payload's own fields. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ingest.decode import times
from insitu.times import to_us

_NAME: Final = re.compile(r"(.*(time|timestamp|date|_ts|_at)|ts|t|at)", re.IGNORECASE)
_FACTORS: Final = {"s": times.SECONDS, "ms": times.MILLISECONDS, "us": 1.0}


def looks_like_time(name: str, entry: object) -> bool:
    """True for an entry of a payload that is a time by its name and its size or shape."""
    if _NAME.fullmatch(name) is None:
        return False
    if isinstance(entry, str):
        return len(entry) >= 8 and entry[:4].isdecimal()
    return isinstance(entry, int | float) and entry > 10**8


_YEAR_9999_US: Final = 253_402_300_800_000_000


class UnreadableTime(Exception):
    """Says what is wrong with the time."""


def read_time(given: object, form: str, zone: str) -> tuple[int, bool]:
    """(µs, repaired). `form`: a Unix time in s, ms or us; iso; or auto: ISO 8601, or Unix by its size."""
    if isinstance(given, str) and form != "iso" and given.strip().isascii() and given.strip().isdecimal():
        given = int(given.strip()[:25])
    if isinstance(given, str) and form in ("iso", "auto"):
        return _local(given.strip(), zone), False
    if isinstance(given, int | float) and not isinstance(given, bool) and form != "iso":
        found = times.of_number(given) if not isinstance(given, int) or abs(given) < 10**21 else None
        if found is not None and form == "auto":
            return found
        time_us = given * _FACTORS[form]
        if found is not None and abs(time_us) < _YEAR_9999_US:
            return round(time_us), False
    wanted = "an ISO 8601 time" if form == "iso" else "a time" if form == "auto" else f"a Unix time in {form}"
    said = "null" if given is None else repr(str(given)[:40])
    raise UnreadableTime(f"{said} is not {wanted}.")


def _local(text: str, zone: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableTime(f"{text[:40]!r} is not an ISO 8601 time.") from error
    if when.tzinfo is not None:
        return to_us(when)
    if not zone:
        raise UnreadableTime(f"{text[:40]!r} has no offset: say its `zone` in the mapping.")
    first, second = (when.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise UnreadableTime(
            f"{text[:40]!r} does not exist, or came twice, in {zone} when the clocks changed."
        )
    return to_us(first)
