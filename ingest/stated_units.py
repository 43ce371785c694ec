"""Units that a message states in a field of its own: `"TempUnit": "F"`, `"unit": "mg/m3"` beside a value.
Where no mapping says what such a field means, a result in another unit must not be stored as if it said
nothing. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from insitu.model import Reading
from insitu.unit_words import read_unit
from store.catalogue.snapshot import KnownDatastream

_NAME: Final = re.compile(
    r".*(?:units?|uom|unitcode|units?_?of_?measure(?:ment)?|einheit|unit[ée]s?|unidad|eenheid)", re.IGNORECASE
)


class StatedUnit(NamedTuple):
    field: str
    text: str
    unit: str
    """UCUM."""
    around: str
    """The name of the object that it is in, with a dot behind; empty for the message itself."""


def names_unit(name: str) -> bool:
    """True if a text in a field of that name may be the unit of others."""
    return _NAME.fullmatch(name) is not None


def stated_units(readings: Sequence[Reading], names: Sequence[str | None]) -> list[StatedUnit]:
    """Those of fields that have no mapping. `names`: what mappings call each reading."""
    found = []
    for reading, name in zip(readings, names, strict=True):
        text = reading.result
        if name is None and isinstance(text, str) and _NAME.fullmatch(reading.property):
            unit = read_unit(text)
            if unit is not None:
                around = reading.property.rpartition(".")[0]
                found.append(StatedUnit(reading.property, text, unit, f"{around}." if around else ""))
    return found


def contradiction(
    stated: Sequence[StatedUnit], reading: Reading, sent: str, streams: Mapping[str, KnownDatastream]
) -> str:
    """Why the result cannot be in the unit of its datastream; '' if nothing speaks against it. `sent`: name
    of the field in the message.
    """
    stream = streams.get(reading.property)
    if stream is None or reading.unit:
        return ""
    for one in stated:
        factors = stream.accepts.get(one.unit)
        if sent.startswith(one.around) and factors not in (None, (stream.scale, stream.shift)):
            return (
                f"{one.field[:60]!r} says {one.text[:40]!r}, and {reading.property[:60]!r} is taken in "
                f"{stream.unit!r}: map the field in its unit, and {one.field[:60]!r} with `expect`, "
                "then replay."
            )
    return ""
