"""One mapping: which field is which datastream, in which unit, read how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as Entries
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from insitu.errors import CorrectInput
from insitu.model import DatastreamRole, Stamp
from insitu.spacing import Spacing
from insitu.units import Factors, conversion, require_unit
from store.catalogue.properties import list_properties
from store.database import Connection
from store.fields import STRICT, FieldRule, require_rule, rule_of


@dataclass(frozen=True, slots=True)
class Mapping:
    """`field` is the key in the payload, or `source.field`; `unit` as sent."""

    devices: Sequence[str]
    """Codes, or patterns with * and ?."""
    field: str
    property: str
    property_unit: str
    unit: str
    role: DatastreamRole
    result_type: str
    every_s: float | None
    """The declared interval in s; about, if it is a number of months."""
    every_months: int
    stamp: Stamp
    rule_document: Entries[str, Any] = dataclasses.field(default_factory=dict)

    def rule(self) -> FieldRule:
        return rule_of(self.rule_document)

    def every(self) -> Spacing | None:
        return spacing_of(self.every_s, self.every_months)

    def holds(self, device: str) -> bool:
        return any(fnmatchcase(device, pattern) for pattern in self.devices)

    def factors(self) -> Factors:
        """From what is sent to the property's unit. Raises CorrectInput if its unit cannot be converted."""
        if self.result_type == "boolean":
            return Factors(1.0, 0.0)
        unit, rule = conversion(self.unit, self.property_unit), self.rule()
        if not rule.is_scaled:
            return unit
        return Factors(rule.scale * unit.scale, rule.offset * unit.scale + unit.shift)


def spacing_of(seconds: float | None, months: int) -> Spacing | None:
    if seconds is None:
        return None
    return Spacing(months=months) if months else Spacing(timedelta(seconds=seconds))


def new_mapping(
    conn: Connection,
    *,
    field: str,
    property: str = "",
    unit: str | None = None,
    devices: str | Sequence[str] = "*",
    role: DatastreamRole = DatastreamRole.CANDIDATE,
    result_type: str = "number",
    every: Spacing | None = None,
    stamp: Stamp = Stamp.INSTANT,
    rule: FieldRule = STRICT,
) -> Mapping:
    """A checked mapping; without `unit` the devices send the property's unit. Raises a CorrectInput that says
    what is wrong.
    """
    require_rule(field, rule, result_type)
    if not rule.is_result:
        if property:
            raise CorrectInput(f"{field!r} is no result, so it has no `property`: leave one of them out.")
        return mapping_without_result(field, devices, rule)
    units = {known.code: known.unit for known in list_properties(conn)}
    if property not in units:
        raise CorrectInput(
            f"{field!r}: {property!r} is no observed property here; known are "
            f"{', '.join(sorted(units)) or 'none'}."
        )
    patterns = _patterns(field, devices)
    require_interval(field, every, stamp)
    found = Mapping(
        patterns,
        field,
        property,
        units[property],
        unit or units[property],
        role,
        result_type,
        None if every is None else every.about_s(),
        0 if every is None else every.months,
        stamp,
        rule.document(),
    )
    try:
        require_unit(found.unit)
        found.factors()
    except CorrectInput as error:
        raise CorrectInput(f"{field!r} as {property!r}: {error}") from error
    return found


def _patterns(field: str, devices: str | Sequence[str]) -> list[str]:
    patterns = [devices] if isinstance(devices, str) else sorted(set(devices))
    if not patterns:
        raise CorrectInput(
            f"{field!r} is mapped for no device: leave `devices` out to mean every device of the trial."
        )
    return patterns


def mapping_without_result(field: str, devices: str | Sequence[str], rule: FieldRule) -> Mapping:
    """A mapping of a field that is no result."""
    return Mapping(
        _patterns(field, devices),
        field,
        "",
        "",
        "",
        DatastreamRole.CANDIDATE,
        "number",
        None,
        0,
        Stamp.INSTANT,
        rule.document(),
    )


def require_interval(field: str, every: Spacing | None, stamp: Stamp) -> None:
    """Raises CorrectInput for a stamp at an edge of an interval whose length nobody has declared."""
    if stamp is not Stamp.INSTANT and every is None:
        raise CorrectInput(
            f"{field!r}: a stamp that marks the {stamp} of an interval needs the length of the interval: add "
            '`every`, as in every = 3600 or every = "P1M".'
        )
