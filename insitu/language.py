"""French and English: catalogues read from .po files at start; numbers and dates in the reader's format.

A room keeps its texts in `<room>/locale/fr.po`; the English text is the key. A text without a translation
appears in English, and a test fails for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from io import BytesIO
from math import copysign
from pathlib import Path
from typing import Any, Final, Literal

from babel.dates import format_date, format_datetime
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_scientific
from babel.support import NullTranslations, Translations

from insitu.zones import zone_or_utc

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")
LOCALES: Final[dict[Language, str]] = {"en": "en_GB", "fr": "fr_FR"}
_UNITS: Final = {
    "ug/m3": "µg/m³",
    "mg/m3": "mg/m³",
    "Cel": "°C",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "ppm": "ppm",
    "ppb": "ppb",
    "dB[SPL]": "dB",
    "dB(A)": "dB(A)",
    "1": "",
    "{count}": "",
    "m3/h": "m³/h",
    "[degF]": "°F",
    "deg": "°",
    "Ohm": "Ω",
    "hPa": "hPa",
}


@cache
def translations(folder: Path, language: Language) -> NullTranslations:
    """Texts and plurals from `folder/<language>.po`; English needs none."""
    if language == "en":
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, _read(folder, language))
    compiled.seek(0)
    return Translations(compiled)


def catalogue(folder: Path, language: Language) -> dict[str, str]:
    """English text → text in `language`, plurals as texts of their own; empty for English."""
    if language == "en":
        return {}
    texts: dict[str, str] = {}
    for message in _read(folder, language):
        if message.id and isinstance(message.id, str):
            texts[message.id] = str(message.string)
        elif message.id:
            texts.update(zip(message.id, message.string or (), strict=True))
    return texts


def _read(folder: Path, language: Language) -> Catalog:
    with (folder / f"{language}.po").open("rb") as file:
        return read_po(file)


def write_unit(ucum: str) -> str:
    """The usual way to write a UCUM unit."""
    return _UNITS.get(ucum, ucum.strip("[]{}"))


_LONGEST: Final = 1e15
_CLOCK: Final = re.compile(r"\b(\d\d):(\d\d)(?::(\d\d))?\b")


@lru_cache(maxsize=10_000, typed=True)
def _number(value: float, digits: int, fixed: bool, language: Language) -> str:
    """A page of a fleet shows the same few numbers a thousand times."""
    pattern = "#,##0" + ("." + ("0" if fixed else "#") * digits if digits else "")
    text: str = (
        format_decimal(value, format=pattern, locale=LOCALES[language])
        if abs(value) < _LONGEST
        else format_scientific(value, format="0.###E0", locale=LOCALES[language])
    )
    return text.replace("-", "−")  # a true minus sign: lines do not break at it


@lru_cache(maxsize=10_000)
def _moment(when: datetime, style: str, time_zone: str, language: Language) -> str:
    """`when` in UTC: elsewhere the two hours when clocks are set back are equal to each other."""
    text: str = format_datetime(when, style, tzinfo=zone_or_utc(time_zone), locale=LOCALES[language])
    return _first_day(_CLOCK.sub(_write_clock, text)) if language == "fr" else text


def _first_day(text: str) -> str:
    """The first of a month as French says it."""
    return "1er" + text[1:] if text.startswith("1 ") else text


def _write_clock(found: re.Match[str]) -> str:
    """15:44 as French writes it: 15 h 44; with seconds 15 h 44 min 12 s."""
    hours, minutes, seconds = found.groups()
    text = f"{int(hours)}\u00a0h\u00a0{minutes}"
    return f"{text}\u00a0min\u00a0{seconds}\u00a0s" if seconds else text


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of a text: language and time zone."""

    language: Language = "en"
    time_zone: str = "Europe/Paris"

    def translator(self, folder: Path) -> Callable[[str], str]:
        """gettext over the catalogue in `folder`."""
        return translations(folder, self.language).gettext

    def pluraliser(self, folder: Path) -> Callable[[str, str, int], str]:
        """ngettext (singular, plural, number) over the catalogue in `folder`."""
        return translations(folder, self.language).ngettext

    def pick(self, texts: dict[str, str] | str) -> str:
        """One text of a `{"en": …, "fr": …}` pair, in the reader's language if available. Anything else
        that is
        stored in its place is shown as it is.
        """
        if not isinstance(texts, dict):
            return str(texts)
        return str(texts.get(self.language) or next(iter(texts.values()), ""))

    def number(self, value: float | None, digits: int = 2, *, fixed: bool = False) -> str:
        """`value` with at most `digits` decimals (with exactly as many where `fixed`), or with an exponent
        from 10¹⁵; an en dash for None.
        """
        if value is None:
            return "–"
        # to the cache, 0.0 and -0.0 are the same number
        write = _number if value or copysign(1, value) > 0 else _number.__wrapped__
        return write(value, digits, fixed, self.language)

    def moment(self, when: datetime | None, style: str = "medium") -> str:
        """A date and time in the reader's zone; an en dash for None."""
        if when is None:
            return "–"
        return _moment(when.astimezone(UTC), style, self.time_zone, self.language)

    def written_moment(self, when: datetime | None) -> str:
        """A date in words with the time to the minute, as a sentence takes it: 1 October 2026 at 00:00; an en
        dash for None.
        """
        if when is None:
            return "–"
        local = when.astimezone(zone_or_utc(self.time_zone))
        clock = f"{local:%H:%M}"
        if self.language == "fr":
            return f"{self.written_day(local)} à {_CLOCK.sub(_write_clock, clock)}"
        return f"{self.written_day(local)} at {clock}"

    def written_day(self, when: datetime | date) -> str:
        """A date in words, or the local date of a time."""
        return self.day(when)

    def day(self, when: datetime | date, style: str = "long") -> str:
        """A date, or the local date of a time."""
        local: Any = when
        if isinstance(when, datetime):
            local = when.astimezone(zone_or_utc(self.time_zone)).date()
        text: str = format_date(local, style, locale=LOCALES[self.language])
        return _first_day(text) if self.language == "fr" else text
