"""Times in a file → microseconds since 1970, or local times without an offset. Pure.

A cell may end in its own offset (`+01:00`, `Z`, `UTC`, `CET`, `[Europe/Paris]`), count 24:00 as the end of
the
day, and have a short 12-hour clock (`12:30a`, `1:00 p.m.`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from ingest.decode import times
from ingest.files.clocks import Zone, read_clock, read_offset
from ingest.files.month_words import to_english
from insitu.times import to_us

EXCEL, EXCEL_1904 = "excel", "excel-1904"
"""Names of formats: days since 1899-12-30, or since 1904-01-01."""
_BEGINNINGS: Final = {
    EXCEL: datetime(1899, 12, 30),  # noqa: DTZ001 - a local time
    EXCEL_1904: datetime(1904, 1, 1),  # noqa: DTZ001
}
_MOST_DAYS: Final = 2_958_466
_UNIX = re.compile(r"-?[0-9]{9,20}(?:\.[0-9]+)?")
_COMPACT = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{4}|[0-9]{6})")
_COMPACT_HOUR = re.compile(r"20[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-4])")
"""As Unix seconds these are after 2033, so no time of a trial."""
_SERIAL = re.compile(r"[0-9]{1,7}(?:[.,][0-9]+)?")
_DATES = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%m-%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%y/%m/%d",
    "%y.%m.%d",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d/%b/%Y",
    "%b %d %Y",
    "%b %d, %Y",
    "%Y%m%d",
)
_DAYTIMES = (
    "%H:%M:%S",
    "%H:%M",
    "%H:%M:%S.%f",
    "%I:%M:%S %p",
    "%I:%M %p",
    "%H",
    "",
    "%H.%M.%S",
    "%H.%M",
    "%H%M",
)
_SHORT_DATE: Final = re.compile(r"\d{2}([/.])\d{2}\1\d{2}(?!\d)")
_WHOLE = ("%a %b %d %H:%M:%S %Y", "%a %b %d %Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S", "%A %d %B %Y %H:%M")
_TWINS = str.maketrans({"d": "m", "m": "d"})

_HOUR_24 = re.compile(r"(?<![\d:.])24:00(?::00(?:[.,]0+)?)?(?![\d:.,])")
_ONLY_HOUR_24 = re.compile(r"^(.*\d) 24(00)?$")
_UNPADDED = re.compile(r"(?<![\d:.,])\d{1,3}$")
"""Hours and minutes as a number: 30 is half past midnight, 130 half past one."""
_HALF_DAY = re.compile(r"(?<=\d)\s*([aApP])\.?\s?(?:[mM]\.?)?(?![A-Za-z])")
_HAS_HALF = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*[aApP]\.?\s?(?:[mM]\.?)?(?![A-Za-z])")
_FRACTION = re.compile(r"(:\d{2})[.,](\d{1,9})")
_OWN_CLOCK = re.compile(
    r"(?<=[\d.mMpPaA])\s*(?P<offset>[zZ]|(?:UTC|GMT)?\s?[+\-−]\s?\d{1,2}(?::?\d{2})?|\b[A-Za-z]{2,5})?\s*"
    r"(?:[\[(](?P<zone>[^\[\]()]+)[\])])?$"
)
_ABBREVIATION = re.compile(r"[A-Z]{2,5}")
_LETTERS = re.compile(r"\d\s?h\s?\d|\d(?:er)?[\s.\-/]*[^\W\d_]{3}")
_SLASH_T = re.compile(r"(\d/\d{1,4})T(?=\d{1,2}:)")
_UHR = re.compile(r"\s*Uhr\b")
_HOUR_LETTER = re.compile(r"(?<!\d)(\d{1,2})\s?h\s?(\d{2})(?!\d)(?:\s?(?:mn|min|m))?")
_DAYTIME = re.compile(r"\d{1,2}:\d{2}|\dT\d{2}|\d\s+\d{4,6}\s*[zZ]")


class Stamp(NamedTuple):
    """A time as its cell states it: `text` without the clock, which is `zone`; `days` to add for 24:00.
    `unclear`: a clock that has several meanings or none.
    """

    text: str
    zone: Zone | None = None
    days: int = 0
    unclear: str = ""


class Read(NamedTuple):
    """`local`: as written. `zone`: the clock that the cell itself states; None if it states none."""

    local: datetime
    zone: Zone | None


def split_stamp(text: str) -> Stamp:
    """Takes a time apart, without reading the date."""
    zone, unclear = None, ""
    if "/" in text:
        text = _SLASH_T.sub(r"\1 ", text)
    if "'" in text or _LETTERS.search(text):
        text = _UHR.sub("", to_english(_HOUR_LETTER.sub(r"\1:\2", text.replace("'", ""))))
    if _DAYTIME.search(text):
        found = _OWN_CLOCK.search(text)
        if found and (found["offset"] or found["zone"]):
            words = found["offset"] or found["zone"]
            if words.lower() not in ("am", "pm", "a", "p") and not _is_date_part(text, found.start()):
                zone = _own_clock(words, found["zone"])
                unclear = "" if zone else found[0].strip()
                text = text[: found.start()] if zone else text
    days = 0
    if _HOUR_24.search(text):
        text, days = _HOUR_24.sub(lambda m: "00" + m[0][2:], text), 1
    elif hour := _ONLY_HOUR_24.match(text):
        text, days = f"{hour[1]} 00{hour[2] or ''}", 1
    if _HAS_HALF.search(text):
        text = _HALF_DAY.sub(lambda m: f" {m[1].upper()}M", text)
    return Stamp(_FRACTION.sub(lambda m: f"{m[1]}.{m[2][:6]}", text).strip(), zone, days, unclear)


def _is_date_part(text: str, start: int) -> bool:
    """True where the last part belongs to a date: `00:15 13-03-2026`, without a time of day before it."""
    return ":" not in text[:start] and "T" not in text[:start]


@lru_cache(maxsize=256)
def _own_clock(words: str, bracket: str | None) -> Zone | None:
    """The clock of a cell; an offset before a zone in brackets must be one of its offsets."""
    zone = read_clock(words)
    if zone is None or not bracket or words == bracket:
        return zone
    region = read_clock(bracket)
    if region is None and " " in bracket and read_offset(words) is not None:
        return zone  # a browser's `GMT+0200 (Central European Summer Time)`
    return None if region is None else Zone(f"{words}[{bracket}]", zone.tz, region.name)


def _agrees(local: datetime, zone: Zone) -> bool:
    """False where a cell's offset is none that its zone in brackets has at that time."""
    if not zone.name.endswith("]"):
        return True
    region = read_clock(zone.region)
    offset = local.replace(tzinfo=zone.tz).utcoffset()
    return region is not None and offset in {
        local.replace(tzinfo=region.tz, fold=fold).utcoffset() for fold in (0, 1)
    }


@lru_cache(maxsize=4096)
def _read_text(text: str, time_format: str, is_answered: bool) -> datetime | int | Read | None:
    found = _plainly(text, time_format)
    if found is not None:
        return found
    stamp = split_stamp(text)
    if stamp.unclear and is_answered and _ABBREVIATION.fullmatch(stamp.unclear):
        stamp = split_stamp(text[: -len(stamp.unclear)].rstrip())
    if stamp.text == text and not stamp.days:
        return None
    local = _plainly(stamp.text, time_format.replace("%B", "%b"))
    if not isinstance(local, datetime) or local.tzinfo is not None:
        return None
    if stamp.days and (local.hour, local.minute, local.second, local.microsecond) != (0, 0, 0, 0):
        return None
    local += timedelta(days=stamp.days)
    if stamp.zone is None:
        return local
    return Read(local, stamp.zone) if _agrees(local, stamp.zone) else None


def _plainly(text: str, time_format: str) -> datetime | int | None:
    try:
        if time_format in _BEGINNINGS:
            return of_serial(float(text.replace(",", ".")), time_format) if _SERIAL.fullmatch(text) else None
        if time_format:
            if time_format.endswith("%H%M"):
                text = _UNPADDED.sub(lambda m: m[0].zfill(4), text)
            return datetime.strptime(text, time_format)  # noqa: DTZ007 - local times are the purpose here
        if _COMPACT.fullmatch(text):
            made = "%Y%m%d%H%M%S" if len(text) == 14 else "%Y%m%d%H%M"
            return datetime.strptime(text, made)  # noqa: DTZ007 - a local time
        if _COMPACT_HOUR.fullmatch(text):
            day = datetime.strptime(text[:8], "%Y%m%d")  # noqa: DTZ007 - a local time
            return day + timedelta(hours=int(text[8:]))
        if _UNIX.fullmatch(text):
            known = times.of_number(float(text))
            return None if known is None else known[0]
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def of_serial(days: float, time_format: str) -> datetime | None:
    """Local time of a spreadsheet's serial number, to the millisecond: that is what it holds."""
    if not 1 <= days < _MOST_DAYS:
        return None
    return _BEGINNINGS[time_format] + timedelta(milliseconds=round(days * 86_400_000))


def read_stamp(
    cells: Sequence[object], time_format: str, *, is_answered: bool = False
) -> datetime | int | Read | None:
    """Microseconds for a Unix time; a datetime, with an offset or local; or a local time with the clock of
    its
    cell. None if it is no time. `cells`: one cell, or date and time of day. `is_answered`: leave out names of
    clocks that have several meanings.
    """
    cell = cells[0] if len(cells) == 1 else joined(cells)
    if isinstance(cell, str):
        return _read_text(cell.strip(), time_format, is_answered)
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return None
    if time_format in _BEGINNINGS:
        return of_serial(float(cell), time_format)
    known = times.of_number(float(cell)) if not isinstance(cell, int) or abs(cell) < 10**21 else None
    return None if known is None else known[0]


def _digits(cell: object) -> str:
    """A part of a time: a workbook holds 14 as 14.0."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


_DAY_ONE: Final = (date(1900, 1, 1), date(1899, 12, 31), date(1904, 1, 2))
"""24:00 as the libraries of spreadsheets give it."""


def joined(cells: Sequence[object]) -> object:
    """Date and time of day, or more parts, as one time; None if one is missing."""
    if len(cells) > 2:
        return None if None in cells else " ".join(_digits(cell) for cell in cells)
    day, clock = cells[:2]
    if isinstance(day, datetime):
        day = day.date()
    if isinstance(clock, datetime):
        clock = clock.time()
    if isinstance(day, date) and clock in _DAY_ONE:
        return datetime.combine(day, time()) + timedelta(days=1)
    if isinstance(day, date) and isinstance(clock, timedelta):
        return datetime.combine(day, time()) + clock
    if isinstance(day, date) and isinstance(clock, time):
        return datetime.combine(day, clock)
    if isinstance(day, str) and day.strip().endswith(" 00:00:00") and str(clock).strip():
        day = day.strip().removesuffix(" 00:00:00")  # a date as a spreadsheet exports it
    return None if day is None or clock is None else f"{str(day).strip()} {str(clock).strip()}"


def find_formats(texts: Sequence[str]) -> list[str]:
    """The formats that read most of these texts: none; '' for ISO 8601 and Unix times; or several if day and
    month are ambiguous.
    """
    stamps = [split_stamp(text) for text in texts]
    plain = [
        stamp.text if not stamp.unclear else stamp.text[: -len(stamp.unclear)].strip() for stamp in stamps
    ]
    found = {"": sum(_plainly(text, "") is not None for text in plain)}
    if found[""] < len(texts):
        candidates = [*(f"{day} {clock}".strip() for day in _DATES for clock in _DAYTIMES), *_WHOLE]
        able = [made for made in candidates if any(_plainly(text, made) is not None for text in plain[:50])]
        found |= {made: sum(_plainly(text, made) is not None for text in plain) for made in able}
    most = max(found.values())
    best = [made for made, count in found.items() if count == most and most > 0]
    if any(made.endswith(" %H") for made in best):  # `date;hour`, until a number shows that minutes are in it
        best = [made for made in best if not made.endswith(" %H%M")]
    return best if _year_may_lead(plain) else [made for made in best if not made.startswith("%y")] or best


def _year_may_lead(texts: Sequence[str]) -> bool:
    """True if short dates change in their last part and never in their first: `26/03/13`, `26/03/14`."""
    days = {found[0] for text in texts if (found := _SHORT_DATE.match(text))}
    firsts, lasts = ({re.split(r"[/.]", day)[at] for day in days} for at in (0, 2))
    return len(firsts) == 1 < len(lasts)


def is_contradicted(cells: Sequence[object], time_format: str) -> bool:
    """True for a cell that cannot be a time, and shows that the others do not have this format: 130 among
    hours, or B behind a time, which marks the second pass of an hour, so that A is no a.m.
    """
    text = str(joined(cells) if len(cells) > 1 else cells[0]).strip()
    if time_format.endswith(" %H"):
        return re.search(r" (?:2[5-9]|[3-9]\d|\d{3,4})(?:\.0)?$", text) is not None
    return time_format.endswith("%p") and re.search(r"\d{1,2}:\d{2}(?::\d{2})?\s*[bB]$", text) is not None


def twin(time_format: str) -> str:
    """The format with day and month exchanged, for numeric dates with slashes or hyphens; '' for others."""
    day, _, rest = time_format.partition(" ")
    if day in ("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y"):
        return f"{day.translate(_TWINS)} {rest}".strip()
    return ""


def was_skipped(local: datetime, zone: tzinfo) -> bool:
    """True for a local time over which the clocks were put forward, and not only at its very beginning."""
    for when in (local, local - timedelta(seconds=1)):
        before, after = (when.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        if before is None or after is None or before >= after:
            return False
    return True


def in_zone(local: datetime, zone: tzinfo) -> tuple[int | None, int | None]:
    """(earlier, later) reading of a local time in µs. Usually both are equal; (None, None) if the time does
    not exist.
    """
    first = local.replace(tzinfo=zone)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after:
        exact = to_us(first.astimezone(UTC))
        return exact, exact
    assert before is not None
    assert after is not None
    earlier, later = to_us(first.astimezone(UTC)), to_us(second.astimezone(UTC))
    return (earlier, later) if before > after else (None, None)
