"""A file for a device that has no datastream yet: the `[[mapping]]` tables that would give it some. Pure.

A column's property follows from its name, or from its unit where one column and one property have it. The
user chooses anything else: the text then has a question mark, which `insitu register` refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.files.headings import Statement, read_heading, state
from insitu.errors import CorrectInput
from insitu.unit_words import read_unit
from insitu.units import conversion


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A field of a file, and the UCUM unit that the file states for it; '' if it states none."""

    field: str
    unit: str


class DeclareDatastreams(CorrectInput):
    """The device has no datastream: declare what the file contains, then import it."""

    def __init__(self, trial: str, device: str, fields: Sequence[Undeclared]) -> None:
        super().__init__(f"{device or trial} has no datastream yet, so nothing of the file has a place.")
        self.trial, self.device, self.fields = trial, device, tuple(fields)


@dataclass(frozen=True, slots=True)
class Observable:
    """A property of the catalogue: `names` in every language, with its code."""

    code: str
    names: frozenset[str]
    unit: str


def read_undeclared(
    header: Sequence[str], units: Sequence[str], taken: Iterable[int], mapped: Mapping[int, str]
) -> list[Undeclared]:
    """`units`: cells of the row of units. `taken`: columns of times and devices. `mapped`: what --map says of
    a column.
    """
    found = []
    for index, name in enumerate(header):
        if index in set(taken) or not name or mapped.get(index) == "":
            continue
        heading = read_heading(name)
        statements: list[Statement] = [*heading.statements, *(ending for _, ending in heading.endings[:1])]
        if index < len(units):
            statements.append(state(units[index]))
        stated = next((one.unit for one in statements if one.unit), "")
        if index in mapped:
            field, _, unit = mapped[index].rpartition("/")[2].partition(":")
            found.append(Undeclared(field, read_unit(unit) or unit or stated))
        else:
            found.append(Undeclared(heading.name or name, stated))
    return found


def write_mappings(missing: DeclareDatastreams, properties: Sequence[Observable]) -> str:
    """The tables for a registration, and as comments the fields that no property fits."""
    fits = {one.field: _fitting(one, properties) for one in missing.fields}
    claimed = Counter(codes[0] for codes, _ in fits.values() if len(codes) == 1)
    tables, left = [], []
    for one in missing.fields:
        codes, is_named = fits[one.field]
        if not codes:
            left.append(f"{one.field}{f' ({one.unit})' if one.unit else ''}")
            continue
        is_sure = len(codes) == 1 and (is_named or claimed[codes[0]] == 1)
        lines = [
            "[[mapping]]",
            f"trial = {_quoted(missing.trial)}",
            f"devices = {_quoted(missing.device)}" if missing.device else "",
            f"field = {_quoted(one.field)}",
            f"property = {_quoted(codes[0])}" if is_sure else f'property = "?"  # choose: {", ".join(codes)}',
            f"unit = {_quoted(one.unit)}" if one.unit else "# unit = the file states none; the property's",
        ]
        tables.append("\n".join(line for line in lines if line))
    if left:
        tables.append("# without a property that fits, so left out: " + ", ".join(left))
    return "\n\n".join(tables)


def _fitting(one: Undeclared, properties: Sequence[Observable]) -> tuple[list[str], bool]:
    """Codes of the properties that the field may be, and whether its name says so."""
    possible = [p for p in properties if not one.unit or _converts(one.unit, p.unit)]
    named = [p.code for p in possible if one.field.casefold() in p.names]
    if named or not one.unit:
        return named, True
    exact = [p for p in possible if p.unit == one.unit]
    return [p.code for p in exact or possible], False


def _converts(unit: str, kept: str) -> bool:
    try:
        conversion(unit, kept)
    except CorrectInput:
        return False
    return True


def _quoted(text: str) -> str:
    """As a TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
