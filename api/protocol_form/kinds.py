"""The kinds of single fields: how a value of the document is shown, and what a typed text means.

A text that means nothing of its kind stays in the document as it was typed, and the check names it: nothing
that somebody typed is lost.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from insitu.zones import find_zone

_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_HOURS: Final = re.compile(r"\s*(\d\d:\d\d)\s*[-–]\s*(\d\d:\d\d)\s*")
_BREAKS: Final = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_TOO_LONG: Final = 40
"""Digits of a number: more are kept as they were typed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`show(value, zone)`: the text of the field; None if a field of this kind cannot hold the value.
    `take(text, zone)`: the value of a typed text that is not empty.
    """

    name: str
    show: Callable[[Any, str], str | None]
    take: Callable[[str, str], Any]


def _line(value: Any, zone: str) -> str | None:
    return value if isinstance(value, str) and not _BREAKS.search(value) else None


def _prose(value: Any, zone: str) -> str | None:
    return value if isinstance(value, str) and "\r" not in value else None


def _as_typed(text: str, zone: str) -> Any:
    return text


def _trimmed(text: str, zone: str) -> Any:
    return text.strip()


def _show_number(value: Any, zone: str) -> str | None:
    if isinstance(value, bool):
        return None
    return json.dumps(value) if isinstance(value, int | float) else _line(value, zone)


def take_number(text: str, zone: str = "") -> Any:
    """With a point or a comma; a whole number stays one."""
    plain = text.strip()
    if not _NUMBER.fullmatch(plain) or len(plain) > _TOO_LONG:
        return plain
    plain = plain.replace(",", ".")
    return int(plain) if plain.lstrip("+-").isdecimal() else _finite(plain)


def _finite(text: str) -> Any:
    number = float(text)
    return text if number in (float("inf"), float("-inf")) else number


def _show_moment(value: Any, zone: str) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        local = moment.astimezone(find_zone(zone) or ZoneInfo("UTC"))
    except (ValueError, OverflowError):
        return _line(value, zone)
    if moment.tzinfo is None or moment.microsecond or local.year < 1000:
        return _line(value, zone)
    return local.strftime("%Y-%m-%dT%H:%M:%S" if local.second else "%Y-%m-%dT%H:%M")


def _take_moment(text: str, zone: str) -> Any:
    """A local time or day in the zone of the protocol, with its offset; of an hour that comes twice the
    first.
    One that the clocks skip stays as it was typed.
    """
    plain = text.strip()
    if _DAY.fullmatch(plain):
        plain += "T00:00"
    known = find_zone(zone)
    if not _LOCAL.fullmatch(plain) or known is None:
        return plain
    try:
        local = datetime.fromisoformat(plain).replace(tzinfo=known)
        back = local.astimezone(ZoneInfo("UTC")).astimezone(known)
    except (ValueError, OverflowError):
        return plain
    return local.isoformat() if back.replace(tzinfo=None) == local.replace(tzinfo=None) else plain


def is_local(text: str) -> bool:
    """Whether a field of the type datetime-local can hold the text."""
    return not text or _LOCAL.fullmatch(text) is not None


def _take_span(text: str, zone: str) -> Any:
    plain = text.strip()
    return plain.upper() if re.fullmatch(r"[pP][\w.,]+", plain) else take_number(plain)


def _show_flag(value: Any, zone: str) -> str | None:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else _line(value, zone)


def _take_flag(text: str, zone: str) -> Any:
    return {"true": True, "false": False}.get(text.strip(), text.strip())


def _show_hours(value: Any, zone: str) -> str | None:
    if isinstance(value, str):
        return _line(value, zone)
    pair = isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value)
    shown = f"{value[0]}-{value[1]}" if pair else None
    return shown if shown is not None and _HOURS.fullmatch(shown) and " " not in shown else None


def _take_hours(text: str, zone: str) -> Any:
    pair = _HOURS.fullmatch(text)
    return [pair[1], pair[2]] if pair else text.strip()


def _show_scalar(value: Any, zone: str) -> str | None:
    """A text as it is, unless it would be read as something else."""
    if isinstance(value, str):
        plain = _line(value, zone)
        return (
            plain if plain and _take_scalar(plain, zone) == value else json.dumps(value, ensure_ascii=False)
        )
    if isinstance(value, int | float) or _is_plain_list(value):
        return json.dumps(value, ensure_ascii=False)
    return None


def _is_plain_list(value: Any) -> bool:
    """Whether it is a list of names, or of numbers."""
    if not isinstance(value, list):
        return False
    return all(isinstance(one, str) for one in value) or all(_is_plain_number(one) for one in value)


def _is_plain_number(value: Any) -> bool:
    """Whether it is a number that JSON writes and reads as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_TOO_LONG


def _take_scalar(text: str, zone: str) -> Any:
    """A number, true or false, a list of names or of numbers in brackets, a text in quotes, else the text."""
    plain = text.strip()
    if plain.startswith(("[", '"')):
        try:
            found = json.loads(plain)
        except (ValueError, RecursionError):
            return plain
        return found if isinstance(found, str) or _is_plain_list(found) else plain
    if plain in ("true", "false"):
        return plain == "true"
    return take_number(plain)


LINE: Final = Kind("line", _line, _as_typed)
CODE: Final = Kind("code", _line, _trimmed)
PROSE: Final = Kind("prose", _prose, _as_typed)
NUMBER: Final = Kind("number", _show_number, take_number)
MOMENT: Final = Kind("moment", _show_moment, _take_moment)
SPAN: Final = Kind("span", _show_number, _take_span)
CHOICE: Final = Kind("choice", _line, _trimmed)
FLAG: Final = Kind("choice", _show_flag, _take_flag)
HOURS: Final = Kind("hours", _show_hours, _take_hours)
SCALAR: Final = Kind("scalar", _show_scalar, _take_scalar)
TEXT_OF: Final = Kind("line", _line, _as_typed)
"""The value of a pair whose values are texts alone."""
