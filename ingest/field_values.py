"""The use of one field by its mapping: no result, a number from its text, a boolean, or health. Pure."""

from __future__ import annotations

from typing import Final

from ingest.place import shown
from ingest.text_numbers import from_text, number_in
from insitu.model import Reading
from store.fields import FieldRule, is_same

_MAX_FIRMWARE: Final = 128


class NoHealth(Exception):
    """Says why a field is not the health that its mapping says."""


def is_none(result: object, rule: FieldRule) -> bool:
    """True if it stands for no result. Where numbers may come as text, 32767 and "32767" are the same."""
    if any(_is_missing(word, result) for word in rule.missing):
        return True
    number = _number_of(result, rule) if rule.missing and _reads_text(rule) else None
    return number is not None and any(_number_of(word, rule) == number for word in rule.missing)


def _reads_text(rule: FieldRule) -> bool:
    return rule.text or rule.with_unit or rule.decimal == "," or bool(rule.thousands)


def _number_of(given: object, rule: FieldRule) -> float | None:
    if isinstance(given, str):
        return number_in(given, rule)
    return given if isinstance(given, int | float) and not isinstance(given, bool) else None


def _is_missing(word: object, result: object) -> bool:
    if result is None:
        return isinstance(word, str) and word.casefold() == "null"
    return is_same(word, result)  # type: ignore[arg-type]


def converted(reading: Reading, rule: FieldRule) -> Reading:
    result = reading.result
    for meaning, words in ((True, rule.true), (False, rule.false)):
        if any(is_same(word, result) for word in words):
            return reading._replace(result=meaning)
    if _reads_text(rule) and isinstance(result, str):
        return from_text(reading, result, rule)
    return reading


def health_of(reading: Reading, rule: FieldRule) -> float | str:
    """Raises NoHealth."""
    result = reading.result
    if rule.health == "firmware":
        if isinstance(result, str) and 0 < len(result) <= _MAX_FIRMWARE:
            return result
        if isinstance(result, int | float) and not isinstance(result, bool):
            return str(result)[:_MAX_FIRMWARE]
    elif isinstance(result, int | float) and not isinstance(result, bool):
        number = result * rule.scale + rule.offset if abs(result) < 1e12 else result
        low, high = (0, 100) if rule.health == "battery" else (-1e12, 1e12)
        if low <= number <= high:
            return float(number)
    wanted = {"firmware": "a text", "battery": "a number from 0 to 100"}.get(rule.health, "a number")
    raise NoHealth(
        f"{reading.property[:60]!r} as {rule.health} must be {wanted}, not {shown(result)}: "
        f"{_health_advice(result)}.",
    )


def _health_advice(result: object) -> str:
    if result is None:
        return 'leave it out, or have its mapping say missing = ["null"]'
    if isinstance(result, str):
        return "have its mapping say `text = true` for a number in quotes, or `missing` for a word"
    return "have its mapping say `scale`, or `missing` where it stands for none; or `ignore` the field"
