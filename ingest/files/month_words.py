"""Names of months and days in French, German, Spanish and Italian → English, as strptime reads them.
Pure.
"""

from __future__ import annotations

import re
from typing import Final

_MONTHS: Final[dict[str, str]] = {
    "Jan": "jan janv janvier jän jänner jänn januar enero ene gennaio gen",
    "Feb": "feb fév févr février fev fevr fevrier februar febrero febbraio",
    "Mar": "mar mars mär märz mrz maerz marzo",
    "Apr": "apr avr avril april abril abr aprile",
    "May": "mai mayo maggio mag",
    "Jun": "juin juni jun junio giugno giu",
    "Jul": "juil juillet jul juli julio luglio lug",
    "Aug": "aoû août aout aug august agosto ago",
    "Sep": "sep sept septembre september septiembre settembre set",
    "Oct": "oct octobre okt oktober octubre ottobre ott",
    "Nov": "nov novembre november noviembre",
    "Dec": "déc décembre dec decembre dez dezember dic diciembre dicembre",
}
_FULL: Final = "January February March April May June July August September October November December"
_ENGLISH: Final = {
    **{name: month for month, names in _MONTHS.items() for name in names.split()},
    **{name.lower(): name[:3] for name in _FULL.split()},
}
_DAY_NAMES: Final = (
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mer jeu ven sam dim montag dienstag mittwoch "
    "donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so"
)
_DAYS: Final = frozenset(_DAY_NAMES.split())
_WORD: Final = re.compile(r"[^\W\d_]+")
_DATE: Final = re.compile(
    r"(\d{1,2})(?:er|\.)?([\s\-/]*)([^\W\d_]{3,10})\.?[\s\-/,]*(\d{4}|\d{2})(?!\d)"
    r"(?:,?\s+(?:à|um|at)?\s*|,\s*)?"
)


def to_english(text: str) -> str:
    """`1er août 2026`, `3. Dez. 2026`, `lundi 15 juin 2026` → `1 Aug 2026`, `3 Dec 2026`, `15 Jun 2026`."""
    found = _DATE.search(text)
    month = _ENGLISH.get(found[3].casefold()) if found else None
    if found is None or month is None:
        return text
    before, rest = text[: found.start()], text[found.end() :]
    if before and all(word.casefold() in _DAYS for word in _WORD.findall(before)):
        before = ""
    mark = found[2].strip()[:1] or " "
    return f"{before}{found[1]}{mark}{month}{mark}{found[4]} {rest}".strip()
