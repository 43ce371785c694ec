"""Nested JSON → named results: `{"air": {"pm25": 1}, "t": [2]}` gives `air.pm25` and `t.0`.

The order of a list of objects means nothing, so its results are also known by the entries beside them (their
`Record`): a mapping selects them by a key, as `messages[measurementId=4097].measurementValue`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from insitu.model import Reading
from insitu.unit_words import read_unit
from insitu.units import SENML

_NAMES: Final = ("n", "name", "key", "property", "parameter", "value_type")
_VALUES: Final = ("v", "value", "val")
_UNITS: Final = ("u", "unit")
_BESIDE: Final = {*_NAMES, *_VALUES, *_UNITS, "id"}
"""Entries that a record of a name and a value may have. With any other it is no such record."""


class Step(NamedTuple):
    """An object in a list."""

    path: str
    """Keys from the object around it to the list, joined by dots; empty for an item of the message itself."""
    keys: Mapping[str, object]
    """Its entries that are neither lists nor objects."""
    position: int = 0
    among: Sequence[object] = ()
    """The list."""


class Record(NamedTuple):
    """The objects in lists that a result is in, the outermost first."""

    steps: tuple[Step, ...]
    leaf: str
    """Keys from the innermost object to the result, joined by dots."""
    is_named: bool = False
    """A record of a name and a value: its result has the record's name."""

    @property
    def is_positional(self) -> bool:
        """The result's name contains a position in a list of objects."""
        return not self.is_named and any(step.path for step in self.steps)


Records = Mapping[int, Record]
"""Index of a reading → its record."""
NO_RECORDS: Final[Records] = MappingProxyType({})


class Leaf(NamedTuple):
    name: str
    result: object
    record: Record | None = None
    unit: str = ""


def is_nested(found: object) -> bool:
    return isinstance(found, dict | list)


def leaves(found: Any, name: str = "") -> Iterator[Leaf]:
    """Every result in `found`, whose own name is `name`."""
    yield from _walk(found, name, (), name)


def items(parts: list[Any]) -> Iterator[Iterator[Leaf]]:
    """The results of each object in the list that is the whole message."""
    for position, part in enumerate(parts):
        yield _element(part, "", "", (), "", (position, parts))


def add_readings(
    found: Iterator[Leaf],
    readings: list[Reading],
    records: dict[int, Record],
    time: tuple[int | None, bool],
    unit: str = "",
) -> None:
    """Append a reading for each leaf, all at one time: (µs, repaired). `unit`: of leaves that state none."""
    for name, result, record, own in found:
        if record is not None:
            records[len(readings)] = record
        readings.append(Reading(name, result, *time, unit=own or unit))


def _walk(found: Any, name: str, steps: tuple[Step, ...], inner: str) -> Iterator[Leaf]:
    if isinstance(found, dict):
        for key, part in found.items():
            yield from _walk(part, _join(name, key), steps, _join(inner, key))
    elif isinstance(found, list):
        for position, part in enumerate(found):
            own = _join(name, str(position))
            yield from _element(part, own, name, steps, inner, (position, found))
    else:
        yield Leaf(name, found, Record(steps, inner) if steps else None)


def _element(
    part: Any, name: str, around: str, steps: tuple[Step, ...], inner: str, place: tuple[int, list[Any]]
) -> Iterator[Leaf]:
    """Results of an item of the list `around`, at its `place`; a list in a list counts as one list."""
    if isinstance(part, list):
        for position, deeper in enumerate(part):
            own = _join(name, str(position))
            yield from _element(deeper, own, around, steps, inner, (position, part))
        return
    if not isinstance(part, dict):
        yield from _walk(part, name, steps, name if not steps else f"{inner}.{name.rpartition('.')[2]}")
        return
    step = Step(inner, {key: entry for key, entry in part.items() if not is_nested(entry)}, *place)
    pair = _pair(part)
    if pair is not None:
        own, value, unit = pair
        yield Leaf(_join(around, own), part[value], Record((*steps, step), value, is_named=True), unit)
        return
    for key, entry in part.items():
        yield from _walk(entry, _join(name, key), (*steps, step), key)


def _pair(part: dict[str, Any]) -> tuple[str, str, str] | None:
    """(name, key of the value, unit) of a record such as `{"n": "temp", "v": 21}`."""
    if not part.keys() <= _BESIDE:
        return None
    names, values, units = ([key for key in keys if key in part] for keys in (_NAMES, _VALUES, _UNITS))
    if len(names) != 1 or len(values) != 1 or len(units) > 1 or is_nested(part[values[0]]):
        return None
    name = part[names[0]]
    unit = part[units[0]] if units else ""
    if not isinstance(name, str) or not name or not isinstance(unit, str):
        return None
    return name, values[0], _meant(unit)


@lru_cache(maxsize=1024)
def _meant(unit: str) -> str:
    """The UCUM unit of a record's unit, which people write as they like; else the text itself."""
    strict = None if unit in ("C", "F") else SENML.get(unit)  # there coulomb and farad
    return strict or read_unit(unit) or unit


def _join(before: str, name: str) -> str:
    return f"{before}.{name}" if before else name
