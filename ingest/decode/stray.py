"""Keys of Insitu's JSON that state a time or a unit under another name, or a factor: ignoring them would
store a result at the wrong time, or a thousand times too large. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from insitu.unit_words import read_unit

_TIME_WORDS: Final = (
    "time timestamp ts datetime date t epoch utc dt measuredat observedat recordedat createdat sampledat "
    "timeutc utctime unixtime phenomenontime resulttime sampletime eventtime devicetime localtime "
    "timestampms epochms timems times "
    "measuredon observedon recordedon takenat takenon loggedat capturedat acquiredat collectedat readat "
    "measurementtime measuretime observationtime obstime acquisitiontime logtime capturetime readingtime "
    "epochtime unixtimestamp timestamputc datetimeutc utcdatetime utctimestamp isotime gpstime rtctime "
    "horodatage horodate dateheure heure datemesure zeit zeitpunkt zeitstempel messzeit datum uhrzeit "
    "datumzeit fecha hora fechahora dataora tijd tijdstip"
)
_TIMES: Final = frozenset(_TIME_WORDS.split())
_TEXT_UNITS: Final = """\
unit units uom unitcode unitofmeasurement unitofmeasure unitsofmeasure engunit engunits engineeringunit
engineeringunits einheit einheiten unité unités unite unites unidad unidades eenheid
"""
_UNITS: Final = frozenset(_TEXT_UNITS.split())
_UNIT_ENDINGS: Final = ("unit", "units", "uom", "einheit", "unité", "unite", "unidad")
_FACTORS: Final = {
    **dict.fromkeys(("scale", "scalefactor", "scalingfactor", "scaling"), 1),
    **dict.fromkeys(("multiplier", "multiplicator", "divisor", "divider"), 1),
    "exponent": 0,
}
"""Names of factors → the one that changes nothing."""
_POWER_FACTORS: Final = frozenset(("factor", "faktor", "facteur"))
"""Up to 1 these are power factors."""
_DEVICES: Final = frozenset(
    [
        "device",
        "deviceid",
        "devicename",
        "devid",
        "dev",
        "sensorid",
        "station",
        "stationid",
        "node",
        "nodeid",
        "host",
        "hostname",
    ]
)
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


def names_device(key: str) -> bool:
    """True if a text under that key may be the name of the device that measured."""
    return _plain(key) in _DEVICES


def devices_named(part: Mapping[str, Any]) -> list[str]:
    return [given for key, given in part.items() if isinstance(given, str) and names_device(key)]


def stray_unit(part: dict[str, Any], known: str = "") -> str:
    """The key under which a part states a unit, other than `known`; '' if there is none."""
    return next((key for key, given in part.items() if key != known and _is_unit(_plain(key), given)), "")


def _is_unit(name: str, given: object) -> bool:
    if name in _UNITS:
        return bool(given)
    return isinstance(given, str) and name.endswith(_UNIT_ENDINGS) and read_unit(given) is not None


def stray_factor(part: dict[str, Any]) -> str:
    """The key under which a part states a factor of its results; '' if there is none."""
    return next((key for key, given in part.items() if is_factor(key, given)), "")


def is_factor(key: str, given: object) -> bool:
    """True for a number by which results may still have to be multiplied."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    name = _plain(key)
    return abs(given) > 1 if name in _POWER_FACTORS else given != _FACTORS.get(name, given)


def is_factor_key(key: str) -> bool:
    name = _plain(key)
    return name in _FACTORS or name in _POWER_FACTORS


def _plain(key: str) -> str:
    return key.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _is_time(given: object) -> bool:
    if isinstance(given, str):
        return len(given) >= 8 and given[:4].isdecimal()
    return isinstance(given, int | float) and not isinstance(given, bool) and given > _OLDEST_S
