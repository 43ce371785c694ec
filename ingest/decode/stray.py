"""Keys of Insitu's JSON that state a time or a unit under another name: ignoring them would store a result at
the wrong time, or a thousand times too large. Pure.
"""

from __future__ import annotations

from typing import Any, Final

_TIME_WORDS: Final = (
    "time timestamp ts datetime date t epoch utc dt measuredat observedat recordedat createdat sampledat "
    "timeutc utctime unixtime phenomenontime resulttime sampletime eventtime devicetime localtime "
    "timestampms epochms timems times"
)
_TIMES: Final = frozenset(_TIME_WORDS.split())
_UNITS: Final = frozenset({"unit", "units", "uom"})
_OLDEST_S: Final = 10**8
"""Smaller numbers count from a start of the device."""


def stray_time(part: dict[str, Any]) -> str:
    """The key under which a part without a `time` states one; '' if there is none."""
    if part.get("time") is not None:
        return ""
    return next((key for key, given in part.items() if is_stated_time(key, given)), "")


def is_stated_time(key: str, given: object) -> bool:
    """True for a time, by the name of its key and by its form or size."""
    return is_time_key(key) and _is_time(given)


def is_time_key(key: str) -> bool:
    return _plain(key) in _TIMES


def stray_unit(part: dict[str, Any], known: str = "") -> str:
    """The key under which a part states a unit, other than `known`; '' if there is none."""
    return next((key for key, given in part.items() if _plain(key) in _UNITS and given and key != known), "")


def _plain(key: str) -> str:
    return key.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _is_time(given: object) -> bool:
    if isinstance(given, str):
        return len(given) >= 8 and given[:4].isdecimal()
    return isinstance(given, int | float) and not isinstance(given, bool) and given > _OLDEST_S
