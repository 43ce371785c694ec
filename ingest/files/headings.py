"""The name of a column → name and unit: `temperature (°F)`, `Temp, °C (LGR S/N: 1)`, `pressure_pa`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from insitu.unit_words import looks_like_unit, read_unit, states_no_unit

_GROUP: Final = re.compile(r"\s*[\[(]([^\[\]()]*)[\])]")
_SOUND: Final = re.compile(r"dB\s*\(\s*A\s*\)", re.IGNORECASE)
_SEPARATOR: Final = re.compile(r"[\s_/.\-]+")
_IN: Final = re.compile(r"^(?:in|en)[\s_]+", re.IGNORECASE)
_GLUED: Final = (
    re.compile(r"(.*\w)([°ºµμ%‰].*)"),
    re.compile(r"(.*[a-z0-9])([FCK]|[hk]?Pa|[km]?W|[mk]?V|[mu]?A|mbar|inHg|mmHg)"),
    re.compile(r"(.*temp(?:erature)?|dewpt|dewpoint)([fck])", re.IGNORECASE),
    re.compile(r"(.*[A-Za-z0-9])(mph|kmh|kph|hpa|inhg|ugm3|mgm3|ppm|ppb|degc|degf)", re.IGNORECASE),
    re.compile(r"(baro?m?|barometer|pressure)_?(inhg|in)", re.IGNORECASE),
)
"""Units right behind a name: `RelHum%`, `tempF`, `tempf`, `windspeedmph`."""
_BEFORE: Final = frozenset({"fahrenheit", "celsius", "kelvin", "degf", "degc", "°f", "°c"})
"""Units that people also write before a name: `Fahrenheit temperature`."""
_TEMPERATURE: Final = re.compile(r"t|.*(?:temp|dew|therm|heat|chill|feel|air|room|wet|bulb).*", re.IGNORECASE)
_SHORT: Final = frozenset({"a", "c", "d", "f", "g", "h", "k", "l", "m", "s", "t", "v", "w", "j", "n"})


class Statement(NamedTuple):
    """A text beside a name, and the UCUM unit that it means; None if it is unclear."""

    text: str
    unit: str | None


class Heading(NamedTuple):
    """`name`: without brackets and what follows a comma; their texts are `statements`, without those that are
    known to be no unit. `endings`: shorter names, each with the unit behind it.
    """

    name: str
    statements: tuple[Statement, ...]
    endings: tuple[tuple[str, Statement], ...]


def read_heading(header: str) -> Heading:
    text = _SOUND.sub("dBA", header)
    if whole := _whole_sound(text):
        return whole
    groups = [group.strip() for group in _GROUP.findall(text)]
    name, *parts = _GROUP.sub(" ", text).split(",")
    name = " ".join(name.split())
    if name.endswith("/"):
        name = name[:-1].rstrip()
    given = [*(part.strip() for part in parts), *groups]
    return Heading(
        name, tuple(state(one) for one in given if one and _may_be_unit(one)), tuple(_endings(name))
    )


def _whole_sound(text: str) -> Heading | None:
    """`dB(A)` alone as a name has no unit beside it."""
    return Heading(text, (), ()) if text == "dBA" else None


def state(text: str) -> Statement:
    bare = text.strip().strip("[]()").strip() if not text.strip().startswith("[p") else text.strip()
    return Statement(bare, read_unit(bare))


def _may_be_unit(text: str) -> bool:
    return read_unit(text) is not None or not states_no_unit(text)


def _endings(name: str) -> Iterator[tuple[str, Statement]]:
    """Longest unit first: `wind km/h` ends in km/h, not in h."""
    for cut in _SEPARATOR.finditer(name):
        left, right = name[: cut.start()].strip(), name[cut.end() :].strip()
        if not left or not right:
            continue
        right = right if read_unit(right) else _IN.sub("", right)
        unit = read_unit(right) or read_unit(right.replace("_", "/"))
        if unit is not None or looks_like_unit(right):
            yield left, Statement(right, unit)
    first, _, rest = name.partition(" ")
    if rest and first.casefold() in _BEFORE:
        yield rest, Statement(first, read_unit(first))
    for glued in _GLUED:
        if (found := glued.fullmatch(name)) and read_unit(found[2]) is not None:
            yield found[1], Statement(found[2], read_unit(found[2]))


def is_temperature(name: str) -> bool:
    """True for names behind which one letter is a degree: `temp_f`, `current_dewpoint_f`."""
    return _TEMPERATURE.fullmatch(name.strip()) is not None


def is_short(statement: Statement) -> bool:
    """True for endings of one letter, which name a channel as often as a unit: `Channel_A`."""
    return statement.text.lower() in _SHORT
