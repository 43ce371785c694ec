"""The result in a cell → the JSON that a device would have sent, without changing a digit. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(r"([+-]?)0*([0-9]*)\.?([0-9]*)((?:[eE][+-]?[0-9]+)?)")
_TRUTH = {"true": "true", "false": "false"}
_BITS = {**_TRUTH, "1": "true", "0": "false"}


class Cells:
    """Format of the results in a file: the decimal sign, and the texts for a missing result."""

    def __init__(self, *, decimal: str, missing: Iterable[str]) -> None:
        self._comma = decimal == ","
        self._missing = {"", *(text.strip().casefold() for text in missing)}
        numbers = (self._number(text) for text in self._missing)
        self._missing_numbers = {float(number) for number in numbers if number is not None}

    def token(self, cell: object, *, boolean: bool) -> str | None:
        """JSON, or None if there is no result. A cell that is no number becomes a text, which the path
        refuses by its name.
        """
        if isinstance(cell, str):
            text = cell.strip()
            number = self._number(text)
            if number is None:
                known = text.casefold()
                return None if known in self._missing else _TRUTH.get(known) or json.dumps(text)
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
        return _BITS.get(number, number) if boolean else number

    def _number(self, text: str) -> str | None:
        """The number as JSON; None if it is none. Thousands separators are not accepted: 1.234 could mean
        either.
        """
        if self._comma:
            if "." in text:
                return None
            text = text.replace(",", ".", 1)
        if _JSON_NUMBER.fullmatch(text):
            return text
        found = _NUMBER.fullmatch(text)
        if found is None or not any(
            character.isdigit() for character in text.partition("e")[0].partition("E")[0]
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
