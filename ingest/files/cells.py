"""The result in a cell → the JSON that a device would have sent. Pure.

Without a unit of its own it keeps its digits; with one it is converted exactly, and written as the shortest
number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from insitu.units import Factors

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(r"([+-]?)0*([0-9]*)\.?([0-9]*)((?:[eE][+-]?[0-9]+)?)")
_TRUTH = {"true": "true", "false": "false"}
_BITS = {**_TRUTH, "1": "true", "0": "false", "1.0": "true", "0.0": "false"}
_ENDLESS: Final = re.compile(r"([+-]?)(?:inf|infinity|1\.#inf|∞)", re.IGNORECASE)
_NO_BREAK: Final = re.compile(r"(?<=[0-9])[\u00a0\u202f\u2009'’](?=[0-9]{3}(?![0-9]))")
_GROUPED: Final = {
    ".": re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]*)?"),
    ",": re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?"),
    " ": re.compile(r"[+-]?[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]*)?"),
}
_MOST_DIGITS: Final = 400


@dataclass(frozen=True, slots=True)
class Conversion:
    """kept = sent · scale + shift, exactly."""

    scale: Fraction
    shift: Fraction

    def of(self, number: str) -> str:
        """JSON of the converted number; one that is too large stays as it is, and is refused later."""
        sent = Decimal(number)
        if not sent.is_finite() or abs(sent.adjusted()) > _MOST_DIGITS:
            return number
        kept = Fraction(sent) * self.scale + self.shift
        try:
            return repr(float(kept))
        except OverflowError:
            return _endless(1 if kept > 0 else -1)


def without_spaces(text: str) -> str:
    """Without the no-break spaces and apostrophes between the thousands of a number."""
    return text if text.isascii() and "'" not in text else _NO_BREAK.sub("", text)


def make_conversion(factors: Factors) -> Conversion:
    """Exact fractions for factors such as 5/9, which a float only comes close to."""
    return Conversion(*(_exact(number) for number in factors))


def _exact(number: float) -> Fraction:
    short = Fraction(number).limit_denominator(1000)
    return short if float(short) == number else Fraction(repr(number))


class Cells:
    """Format of the results in a file: the decimal sign, the mark between thousands, and the texts for a
    missing result.
    """

    def __init__(self, *, decimal: str, missing: Iterable[str], thousands: str = "") -> None:
        self._comma = decimal == ","
        self._grouped = _GROUPED.get(thousands)
        self._thousands = thousands
        self._missing = {"", *(text.strip().casefold() for text in missing)}
        numbers = (self._number(text) or self._number(text.replace(".", ",")) for text in self._missing)
        self._missing_numbers = {float(number) for number in numbers if number is not None}

    def token(self, cell: object, *, boolean: bool, conversion: Conversion | None = None) -> str | None:
        """JSON, or None if there is no result. A cell that is no number becomes a text, which the path
        refuses by its name.
        """
        if isinstance(cell, str):
            text = cell.strip()
            number = self._number(text)
            if number is None:
                return self._word(text)
        elif isinstance(cell, bool):
            return "true" if cell else "false"
        elif isinstance(cell, int | float | Decimal):
            if cell != cell:  # NaN
                return None if "nan" in self._missing else '"NaN"'
            number = _written(cell)
        else:
            return None if cell is None else json.dumps(str(cell))
        if self._missing_numbers and float(number) in self._missing_numbers:
            return None
        if boolean:
            return _BITS.get(number, number)
        return number if conversion is None else conversion.of(number)

    def number(self, cell: object) -> float | None:
        """The number in a cell; None for texts and missing results."""
        token = self.token(cell, boolean=False)
        return None if token is None or token[0] in '"tf' else float(token)

    def _word(self, text: str) -> str | None:
        known = text.strip("\"' ").casefold()
        if known in self._missing:
            return None
        if endless := _ENDLESS.fullmatch(known):
            return _endless(-1 if endless[1] == "-" else 1)
        return _TRUTH.get(known) or json.dumps(text)

    def _number(self, text: str) -> str | None:
        """The number as JSON; None if it is none. Thousands separators are accepted only if the file shows
        which it has: 1.234 could mean either.
        """
        if not text.isascii():
            text = without_spaces(text).replace("−", "-")
        if self._grouped is not None and self._grouped.fullmatch(text):
            text = text.replace(self._thousands, "")
        if self._comma:
            if "." in text:
                return None
            text = text.replace(",", ".", 1)
        if _JSON_NUMBER.fullmatch(text):
            return text
        found = _NUMBER.fullmatch(text)
        if found is None or not any(
            character.isdecimal() for character in text.partition("e")[0].partition("E")[0]
        ):
            return None
        sign, whole, fraction, exponent = found.groups()
        return f"{sign.removeprefix('+')}{whole or '0'}{'.' + fraction if fraction else ''}{exponent}"


def _written(number: float | Decimal) -> str:
    if isinstance(number, Decimal):
        return format(number, "f") if number.is_finite() else _endless(float(number))
    return repr(number) if isinstance(number, int) or math.isfinite(number) else _endless(number)


def _endless(number: float) -> str:
    """JSON has no infinity; a number that overflows a float is refused in the same way."""
    return "1e999" if number > 0 else "-1e999"
