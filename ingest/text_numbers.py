"""Numbers that come as text, for mappings that allow it: `007`, `1.013,25`, `21.5 °C`. Pure."""

from __future__ import annotations

import re
from typing import Final

from insitu.model import Reading
from insitu.unit_words import read_unit
from store.fields import FieldRule

_NUMBER: Final = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)")
_MARKS: Final = {".": r"\.", ",": ",", " ": "[ \xa0\u202f]", "'": "['’]"}
_GROUPED: Final = {
    mark: re.compile(rf"[+-]?\d{{1,3}}(?:{one}\d{{3}})+(?:[.,]\d+)?") for mark, one in _MARKS.items()
}
"""Mark between thousands → a number that has it."""
_NUMBER_AND_UNIT: Final = re.compile(
    r"([+\-−]?\d(?:[\d.,'’ \xa0\u202f]{0,30}\d)?)[ \xa0\u202f]{0,3}([^\d\s.,].{0,15})"
)
_MOST_DIGITS: Final = 400


def from_text(reading: Reading, text: str, rule: FieldRule) -> Reading:
    """The reading with the number in its text; as it is if the mapping reads no such text. A unit behind the
    number is that of the reading, and converted as any that a message states.
    """
    number = number_in(text, rule)
    if number is not None:
        return reading._replace(result=number)
    found = _NUMBER_AND_UNIT.fullmatch(text.strip()) if rule.with_unit else None
    number = None if found is None else number_in(found[1], rule)
    unit = None if found is None or number is None else read_unit(found[2])
    if number is None or unit is None or reading.unit not in ("", unit):
        return reading
    return reading._replace(result=number, unit=unit)


def number_in(text: str, rule: FieldRule) -> float | None:
    """The number in a text, with the marks between thousands that the mapping names."""
    plain = text.strip(" ")
    grouped = _GROUPED.get(rule.thousands)
    if grouped is not None:
        plain = plain.replace("−", "-")
        if len(plain) <= _MOST_DIGITS and grouped.fullmatch(plain):
            plain = re.sub(_MARKS[rule.thousands], "", plain)
    return plain_number(plain, rule.decimal)


def plain_number(text: str, decimal: str) -> float | None:
    """A plain decimal number; leading zeros are fine. None if it is another text."""
    plain = text.strip(" ")
    if decimal == ",":
        plain = "" if "." in plain else plain.replace(",", ".")
    if len(plain) > _MOST_DIGITS or not plain.isascii() or not _NUMBER.fullmatch(plain):
        return None
    return float(plain)
