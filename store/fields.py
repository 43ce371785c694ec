"""How a mapping reads a field: as text, as words, as a time, as health, or not at all. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from insitu.errors import CorrectInput
from insitu.times import is_zone

HEALTH: Final = ("battery", "rssi", "firmware", "uptime", "snr")
"""Entries of the status log that a field may fill."""
TIMES: Final = ("auto", "s", "ms", "us", "iso")
THOUSANDS: Final = (".", ",", " ", "'")
Scalar = str | float | bool
_TUPLES: Final = ("true", "false", "missing", "expect")


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The default is strict: a JSON number, or true and false where the datastream is boolean."""

    text: bool = False
    """Plain decimal numbers may come as text."""
    decimal: str = "."
    thousands: str = ""
    """Mark between the thousands of such a text, one of `THOUSANDS`; empty: none."""
    with_unit: bool = False
    """Such a text may have its unit behind: `21.5 °C`."""
    true: tuple[Scalar, ...] = ()
    """Words and numbers that mean true."""
    false: tuple[Scalar, ...] = ()
    missing: tuple[Scalar, ...] = ()
    """Words and numbers that stand for no result; "null" is also JSON's null."""
    ignore: bool = False
    health: str = ""
    """Entry of the status log, one of `HEALTH`."""
    time: str = ""
    """One of `TIMES`: the field is the time of the results beside and below it."""
    zone: str = ""
    """Time zone of a time without an offset."""
    time_field: str = ""
    """Field that holds this field's time."""
    expect: tuple[Scalar, ...] = ()
    """The field is no result and must say one of these, as a unit; else everything beside it is refused."""
    scale: float = 1.0
    """result = sent · scale + offset, in the unit of the mapping."""
    offset: float = 0.0

    @property
    def is_result(self) -> bool:
        """False for a field that has no datastream."""
        return not (self.ignore or self.health or self.time or self.expect)

    @property
    def is_scaled(self) -> bool:
        return (self.scale, self.offset) != (1.0, 0.0)

    def document(self) -> dict[str, Any]:
        """Entries that differ from the default, for JSON."""
        default = FieldRule()
        entries = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(entry) if isinstance(entry, tuple) else entry
            for name, entry in entries.items()
            if entry != getattr(default, name)
        }


STRICT: Final = FieldRule()


def rule_of(document: Mapping[str, Any]) -> FieldRule:
    """From `FieldRule.document`."""
    entries: dict[str, Any] = {
        name: tuple(entry) if name in _TUPLES else entry for name, entry in document.items()
    }
    return FieldRule(**entries)


def is_same(one: Scalar, other: object) -> bool:
    """True if a listed word or number and a sent one mean the same. Words: whatever their case."""
    if isinstance(one, str):
        return isinstance(other, str) and one.casefold() == other.strip().casefold()
    return (
        isinstance(other, int | float) and isinstance(one, bool) is isinstance(other, bool) and one == other
    )


def require_rule(field: str, rule: FieldRule, result_type: str) -> None:
    """Raises a CorrectInput for settings that contradict each other."""
    kinds = [name for name in ("ignore", "health", "time", "expect") if getattr(rule, name)]
    if len(kinds) > 1:
        raise CorrectInput(f"{field!r} cannot be both `{kinds[0]}` and `{kinds[1]}`: leave one of them out.")
    if rule.health and rule.health not in HEALTH:
        raise CorrectInput(f"{field!r}: `health` is one of {', '.join(HEALTH)}, not {rule.health!r}.")
    if rule.time and rule.time not in TIMES:
        raise CorrectInput(f"{field!r}: `time` is one of {', '.join(TIMES)}, not {rule.time!r}.")
    if rule.zone and not is_zone(rule.zone):
        raise CorrectInput(f"{field!r}: there is no time zone {rule.zone!r}: write one such as Europe/Paris.")
    if rule.decimal not in (".", ","):
        raise CorrectInput(f"{field!r}: `decimal` is a point or a comma, not {rule.decimal!r}.")
    if rule.thousands and (rule.thousands not in THOUSANDS or rule.thousands == rule.decimal):
        raise CorrectInput(
            f"{field!r}: `thousands` is one of . , ' and a blank, and not the `decimal`; it is "
            f"{rule.thousands!r}."
        )
    _require_words(field, rule, result_type)
    if "*" in field and not rule.ignore:
        raise CorrectInput(f"{field!r}: only `ignore = true` may name many fields with *.")


def _require_words(field: str, rule: FieldRule, result_type: str) -> None:
    if (rule.true or rule.false) and result_type != "boolean":
        raise CorrectInput(f'{field!r}: `true` and `false` need result_type = "boolean".')
    if result_type == "boolean" and (rule.is_scaled or rule.text or rule.thousands or rule.with_unit):
        raise CorrectInput(
            f"{field!r}: a boolean has no `scale`, `offset`, `text`, `thousands` or `with_unit`."
        )
    for name, other in (("true", "false"), ("true", "missing"), ("false", "missing")):
        both = [a for a in getattr(rule, name) if any(is_same(a, b) for b in getattr(rule, other))]
        if both:
            raise CorrectInput(f"{field!r}: {both[0]!r} cannot be in both `{name}` and `{other}`.")
