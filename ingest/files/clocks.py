"""The clock that a file or a person names → a fixed offset or a time zone: `UTC+1`, `GMT-08:00`, `Z`, `MEZ`,
`Europe/Paris`. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from insitu.errors import CorrectInput

_OFFSET: Final = r"[+\-−–±]\s?\d{1,2}(?:[:.h]?[0-5]\d)?(?:\s?h(?:ours?|rs?)?)?"
_FIXED: Final = re.compile(rf"(?:UTC|GMT|UT|TU)?\s?({_OFFSET})(?:\s?(?:UTC|GMT))?", re.IGNORECASE)
_UNIVERSAL: Final = frozenset({"utc", "gmt", "z", "ut", "zulu", "tu", "utc time", "gmt time"})
_LOCAL: Final = frozenset({"local", "local time", "lt", "lst", "ortszeit", "lokal", "heure locale", "locale"})
_SEASONAL: Final = frozenset({"CET", "MET", "EET", "WET"})
"""Zones of the database whose names people use for winter time, and which follow summer time."""

ABBREVIATIONS: Final[dict[str, tuple[float, str]]] = {
    "CET": (1, "Europe/Paris"),
    "CEST": (2, "Europe/Paris"),
    "MEZ": (1, "Europe/Berlin"),
    "MESZ": (2, "Europe/Berlin"),
    "HNEC": (1, "Europe/Paris"),
    "HAEC": (2, "Europe/Paris"),
    "WET": (0, "Europe/Lisbon"),
    "WEST": (1, "Europe/Lisbon"),
    "EET": (2, "Europe/Helsinki"),
    "EEST": (3, "Europe/Helsinki"),
    "EDT": (-4, "America/New_York"),
    "CDT": (-5, "America/Chicago"),
    "MDT": (-6, "America/Denver"),
    "PST": (-8, "America/Los_Angeles"),
    "PDT": (-7, "America/Los_Angeles"),
    "AKST": (-9, "America/Anchorage"),
    "AKDT": (-8, "America/Anchorage"),
    "HST": (-10, "Pacific/Honolulu"),
    "MSK": (3, "Europe/Moscow"),
    "SAST": (2, "Africa/Johannesburg"),
    "JST": (9, "Asia/Tokyo"),
    "KST": (9, "Asia/Seoul"),
    "AEST": (10, "Australia/Sydney"),
    "AEDT": (11, "Australia/Sydney"),
    "ACST": (9.5, "Australia/Adelaide"),
    "ACDT": (10.5, "Australia/Adelaide"),
    "AWST": (8, "Australia/Perth"),
    "NZST": (12, "Pacific/Auckland"),
    "NZDT": (13, "Pacific/Auckland"),
}
"""Name → hours from UTC, and a zone that uses it for a part of the year."""

AMBIGUOUS: Final[dict[str, str]] = {
    "EST": "-05:00 (New York) or +10:00 (Sydney)",
    "CST": "-06:00 (Chicago) or +08:00 (Shanghai)",
    "MST": "-07:00 (Denver) or +08:00 (Malaysia)",
    "BST": "Europe/London or +06:00 (Dhaka)",
    "IST": "+05:30 (India), +02:00 (Israel) or +01:00 (Ireland)",
    "AST": "-04:00 (Halifax) or +03:00 (Riyadh)",
    "GST": "+04:00 (Dubai) or -02:00 (South Georgia)",
    "WST": "+08:00 (Perth) or +13:00 (Samoa)",
    "SST": "-11:00 (Samoa) or +08:00 (Singapore)",
}
"""Name with several meanings → what to say instead."""


@dataclass(frozen=True, slots=True)
class Zone:
    """`name` as printed. `region`: for a name of one half of the year, a zone that has both halves."""

    name: str
    tz: tzinfo
    region: str = ""

    def is_fixed(self) -> bool:
        return isinstance(self.tz, timezone)

    def offset_at(self, local: datetime) -> timedelta | None:
        """Offset of a local time; None where the clocks skipped or repeated it."""
        first = local.replace(tzinfo=self.tz)
        before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
        return before if before == after else None


def fixed(minutes: int) -> Zone:
    """A clock that never changes, named as `UTC+01:00`."""
    if not minutes:
        return Zone("UTC", UTC)
    return Zone(
        f"UTC{minutes // abs(minutes) * (abs(minutes) // 60):+03d}:{abs(minutes) % 60:02d}"
        if abs(minutes) >= 60
        else f"UTC{'-' if minutes < 0 else '+'}00:{abs(minutes):02d}",
        timezone(timedelta(minutes=minutes)),
    )


def read_offset(text: str) -> int | None:
    """Minutes from UTC of `+01:00`, `UTC+1`, `GMT-0800`, `Z`, `utc`; None if it is none of these."""
    plain = " ".join(text.replace("_", " ").split())
    if plain.lower() in _UNIVERSAL:
        return 0
    found = _FIXED.fullmatch(plain)
    if found is None:
        return None
    sign, digits = found[1][0], re.sub(r"\D+", ":", found[1][1:].strip().lower().rstrip("hours ")).strip(":")
    hours, _, minutes = digits.partition(":")
    if len(hours) > 2:
        hours, minutes = hours[:-2], hours[-2:]
    total = int(hours) * 60 + int(minutes or 0)
    if total > 14 * 60 or (sign == "±" and total):
        return None
    return -total if sign in "-−–" else total


def read_clock(text: str) -> Zone | None:
    """A clock by any of its names; None if the text names none that is clear."""
    plain = text.strip().strip("[]() ")
    minutes = read_offset(plain)
    if minutes is not None:
        return fixed(minutes)
    if plain.upper() in ABBREVIATIONS:
        hours, region = ABBREVIATIONS[plain.upper()]
        zone = fixed(int(hours * 60))
        return Zone(f"{plain.upper()}, {zone.name}", zone.tz, region)
    if "/" in plain and " " not in plain and plain in available_timezones():
        return Zone(plain, ZoneInfo(plain))
    return None


def is_local(text: str) -> bool:
    return text.strip().strip("[]() ").replace("_", " ").lower() in _LOCAL


def say_zone(text: str) -> Zone:
    """The clock of the option --zone: a zone of the database or a fixed offset."""
    minutes = read_offset(text)
    if minutes is not None:
        return fixed(minutes)
    upper = text.strip().upper()
    if upper not in _SEASONAL and upper in ABBREVIATIONS:
        hours, region = ABBREVIATIONS[upper]
        raise CorrectInput(
            f"{text} is the time of one half of the year: say --zone {region} for a clock that "
            f"follows summer "
            f"time, or --zone {_option(int(hours * 60))} for one that never changes."
        )
    if upper in AMBIGUOUS:
        raise CorrectInput(f"{text} has several meanings: say --zone {AMBIGUOUS[upper]}.")
    try:
        return Zone(text, ZoneInfo(text))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CorrectInput(
            f"There is no time zone {text!r}: write one such as Europe/Paris or UTC, or a fixed "
            f"offset such as "
            "+01:00."
        ) from error


def describe(zone: Zone) -> str:
    """Its name; with a warning where the name is often taken for a fixed offset."""
    if zone.name.upper() not in _SEASONAL:
        return zone.name
    winter = zone.offset_at(datetime(2026, 1, 15))  # noqa: DTZ001 - a local time
    return (
        f"{zone.name}, which follows summer time; for a clock that stays on winter time all year say --zone "
        f"{_option((winter or timedelta()) // timedelta(minutes=1))}"
    )


def winter_option(zone: Zone, local: datetime) -> str:
    """The fixed offset that `zone` has in the winter around `local`, as --zone takes it."""
    offsets = [zone.offset_at(datetime(local.year, month, 15)) for month in (1, 7)]  # noqa: DTZ001
    return _option(min(offset for offset in offsets if offset is not None) // timedelta(minutes=1))


def _option(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


_GLUED_BEFORE: Final = re.compile(r"\b(UTC|GMT)(?=Date|Time)")
_IN_NAME: Final = re.compile(
    rf"(?:(?<![A-Za-z])(?i:UTC|GMT)|(?<=[a-z])(?:UTC|GMT))(?![A-Za-z])(?:\s?{_OFFSET})?"
    r"|(?<![\w])[+\-−]\d{2}:?\d{2}(?!\d)"
)
_ZONE_NAME: Final = re.compile(r"[A-Z][A-Za-z_]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?")
_WORD: Final = re.compile(r"[A-Za-z]{2,5}")
_PATTERN: Final = re.compile(
    r"[ymdhsjat:/.\-\s,_TZ]+|iso ?8601|24 ?h|12 ?h|unix|epoch|ms|start|end|begin", re.I
)


@dataclass(frozen=True, slots=True)
class TimeName:
    """Name of a time column: `plain` without its clock, in lower case; `stated` is the text of the clock,
    and `zone` its meaning, None if it is unclear.
    """

    plain: str
    stated: str = ""
    zone: Zone | None = None


def read_time_name(header: str) -> TimeName:
    """Separates the clock from the name: `Date Time, GMT-08:00`, `time (UTC+1)`, `time_utc`, `Zeit [MEZ]`."""
    text = " ".join(_GLUED_BEFORE.sub(r"\1 ", header.replace("_", " ")).split())
    if zone_name := _ZONE_NAME.search(header):
        zone = read_clock(zone_name[0])
        if zone is not None:
            return TimeName(_bare(header.replace(zone_name[0], " ")), zone_name[0], zone)
    if found := _IN_NAME.search(text):
        rest = text[found.end() :].strip(" )]}")
        following = re.match(r"[\w+\-−±]+", text[found.end() :])
        clear = following is None and (
            not rest or rest[0] in "([,;:/" or re.split(r"[\s/&]", rest)[0].lower() in _AFTER
        )
        return TimeName(
            _bare(text[: found.start()] + " " + text[found.end() :]),
            found[0].strip() if clear else text[found.start() :].strip(" )]"),
            read_clock(found[0]) if clear else None,
        )
    return _named_by_word(text)


_AFTER: Final = frozenset({"time", "date", "datetime", "timestamp", "heure", "zeit", "hour"})


def _named_by_word(text: str) -> TimeName:
    """`Zeit (MEZ)`, `time CET`, `time (EST)`, `Time (XYZ)`; words of a date's form are no clock."""
    bracket = re.search(r"[\[(]([^\[\]()]*)[\])]", text)
    inside = bracket[1].strip() if bracket else text.rpartition(",")[2].strip() if "," in text else ""
    last = text.split()[-1] if text.split() else ""
    for word in (inside, last):
        if word == "Z" or word.upper() in ABBREVIATIONS or word.upper() in AMBIGUOUS:
            return TimeName(_bare(text.replace(word, " ")), word, read_clock(word))
    if not inside or is_local(inside) or _PATTERN.fullmatch(inside):
        return TimeName(_bare(text.replace(inside, " ") if inside else text))
    is_clock = re.fullmatch(r"[A-Z]{3,5}|.*[+\-−]\s?\d.*|.*(?:UTC|GMT).*", inside) is not None
    return TimeName(_bare(text.replace(inside, " ")), inside if is_clock else "")


def _bare(text: str) -> str:
    return " ".join(re.sub(r"[\[\](){},;_]", " ", text).split()).strip(" -:.").casefold()
