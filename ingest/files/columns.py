"""Finds the column of each datastream's results, and their unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingest.files.cells import Conversion, make_conversion
from ingest.files.claims import require_no_factor
from ingest.files.headings import Heading, Statement, is_short, is_temperature, read_heading, state
from ingest.files.mapping import FileMap
from ingest.files.rows import Source
from ingest.files.shape import Column
from ingest.files.statements import UnitLine, read_unit_lines
from ingest.files.undeclared import DeclareDatastreams, Undeclared, read_undeclared
from insitu.errors import CorrectInput
from insitu.unit_words import read_unit, states_no_unit
from insitu.units import Factors, conversion, require_unit
from store.catalogue.snapshot import KnownDatastream, KnownDevice

Target = tuple[str, str]
"""(device, datastream); the device is empty where another column names it."""


class Columns:
    """Finds the columns of a wide file. `device_index`: the column that names the device, if there is one."""

    def __init__(
        self,
        path: Path,
        said: FileMap,
        source: Source,
        devices: Mapping[str, KnownDevice],
        device_index: int | None,
    ) -> None:
        self._path, self._said, self._source = path, said, source
        self._devices, self._device_index = devices, device_index
        self.header = source.header
        self.sentences: list[str] = []
        self.has_unit_column = False

    # -- by name

    def index(self, name: str) -> int:
        """Index of a named column: exact match first, then ignoring upper and lower case; NAME#2 is the
        second of that name.
        """
        header, folded = self.header, [one.casefold() for one in self.header]
        found = [i for i, one in enumerate(header) if one == name] or [
            i for i, one in enumerate(folded) if one == name.casefold()
        ]
        base, mark, number = name.rpartition("#")
        if not found and mark and number.isdecimal():
            same = [i for i, one in enumerate(folded) if one == base.casefold()]
            found = same[int(number) - 1 : int(number)] if int(number) else []
        if len(found) == 1:
            return found[0]
        trouble = f"has {len(found)} columns {name!r}" if found else f"has no column {name!r}"
        advice = f" Say {name}#1 or {name}#2 for the right one." if found else ""
        raise CorrectInput(
            f"{self._path} {trouble}; it has {', '.join(repr(one) for one in header[:30])}.{advice}"
        )

    def default_device(self) -> str:
        device = self._said.device or (next(iter(self._devices)) if len(self._devices) == 1 else "")
        if device not in self._devices:
            has = ", ".join(sorted(self._devices)[:20]) or "none"
            wrong = (
                f"has no device {device!r}"
                if device
                else "has several devices: say --device or --device-column"
            )
            raise CorrectInput(f"{self._said.trial} {wrong}; it has {has}.")
        return device

    def find(self, taken: set[int]) -> tuple[Column, ...]:
        named = {self.index(column): text for column, text in self._said.columns.items()}
        self.require_datastreams(read_undeclared(self.header, self._source.units, taken, named))
        targets: dict[int, tuple[Target, str | None, Statement | None]] = {}
        for index, header in enumerate(self.header):
            text = named.get(index, header)
            if index in taken or not text:
                continue
            if index in named:
                targets[index] = (*self._mapped(text), None)
            elif match := self._by_header(header):
                targets[index] = (match[0], None, match[1])
        self._require_each_once([target for target, _, _ in targets.values()])
        if not targets:
            raise self._nothing_found()
        lines = self._unit_lines(targets)
        return tuple(
            self._column(index, target, unit, ending, lines, is_named=index in named)
            for index, (target, unit, ending) in targets.items()
        )

    def require_datastreams(self, fields: Sequence[Undeclared]) -> None:
        """Raises DeclareDatastreams if no device of the file has a datastream."""
        device = self._said.device
        devices = self._devices
        asked = [devices[device]] if device in devices else [] if device else list(devices.values())
        if asked and not any(one.datastreams for one in asked):
            only = asked[0].device if len(asked) == 1 else ""
            raise DeclareDatastreams(self._said.trial, only, fields)

    def _require_each_once(self, targets: Sequence[Target]) -> None:
        (target, count), *_ = Counter(targets).most_common(1) or [(("", ""), 0)]
        if count > 1:
            raise CorrectInput(
                f"{self._path}: more than one column is for {target[1]!r}: say --map for the right one "
                f"(COLUMN#2 for the second of a name), --map COLUMN= for others."
            )

    def _nothing_found(self) -> CorrectInput:
        names = sorted({name for device in self._candidates() for name in device.datastreams})
        return CorrectInput(
            f"{self._path}: no column has the name of a datastream. It has "
            f"{', '.join(repr(h) for h in self.header[:30])}; the "
            f"datastreams are {', '.join(names[:30]) or 'none'}. Say --map COLUMN=DATASTREAM, or "
            "COLUMN=DEVICE/DATASTREAM."
        )

    def _candidates(self) -> list[KnownDevice]:
        if self._device_index is not None:
            return list(self._devices.values())
        return [self._devices[self.default_device()]]

    def _by_header(self, header: str) -> tuple[Target, Statement | None] | None:
        """Match a header with a datastream's name, possibly with a unit beside it."""
        is_open = self._device_index is None and not self._said.device and len(self._devices) != 1
        if self._said.columns and is_open:
            return None  # the user must name the device of every column
        heading = read_heading(header)
        names = [(header, None), (heading.name, None), *heading.endings]
        for name, ending in names:
            for device in self._candidates():
                streams = [one for one in device.datastreams if one.casefold() == name.casefold()]
                if streams:
                    return ("" if self._device_index is not None else device.device, streams[0]), ending
        return None

    def _mapped(self, text: str) -> tuple[Target, str | None]:
        """The target of --map, and its unit: None if it says none, '' after a colon alone."""
        cuts = [len(text), *(i for i in reversed(range(len(text))) if text[i] == ":")]
        for cut in cuts:
            target = self._target(text[:cut])
            if target is not None:
                return target, None if cut == len(text) else self._said_unit(text[cut + 1 :])
        raise self._no_target(text)

    def _target(self, text: str) -> Target | None:
        devices = self._devices
        device, slash, name = text.partition("/")
        if not slash or any(text in one.datastreams for one in devices.values()):
            device, name = "", text  # the name of a datastream may contain a slash
        if device:
            return (device, name) if device in devices and name in devices[device].datastreams else None
        if self._device_index is not None:
            return ("", name) if any(name in one.datastreams for one in devices.values()) else None
        if len(devices) != 1 and not self._said.device:
            self.default_device()  # raises
        device = self.default_device()
        return (device, name) if name in devices[device].datastreams else None

    def _no_target(self, text: str) -> CorrectInput:
        device, slash, name = text.partition("/")
        if slash and device not in self._devices:
            has = ", ".join(sorted(self._devices)[:20]) or "none"
            return CorrectInput(f"{self._said.trial} has no device {device!r}; it has {has}.")
        if not slash and self._device_index is not None:
            return CorrectInput(f"No device of {self._said.trial} has a datastream {text!r}.")
        device, name = (device, name) if slash else (self.default_device(), text)
        streams = self._devices[device].datastreams
        return CorrectInput(
            f"{device} has no datastream {name!r}; it has {', '.join(sorted(streams)[:30]) or 'none'}."
        )

    # -- units

    def _said_unit(self, text: str) -> str:
        return "" if not text.strip() else read_unit(text) or require_unit(text.strip())

    def _unit_lines(
        self, targets: Mapping[int, tuple[Target, str | None, Statement | None]]
    ) -> list[UnitLine]:
        """The units that lines above the names state; each must be for one of the columns."""
        own = {
            name.casefold()
            for index, (target, _, _) in targets.items()
            for name in self._names(index, target)
        }
        every = {name.casefold() for header in self.header for name in (header, read_heading(header).name)}
        lines = [
            line
            for line in read_unit_lines(self._source.above, sorted(own))
            if not self._is_ignored(line.statement.text)
        ]
        for line in lines:
            if line.of.casefold() in every | own or (not line.of and len(targets) == 1):
                continue
            raise CorrectInput(
                f"{self._path}: a line above the names says the unit {line.statement.text!r}"
                f"{f' of {line.of!r}' if line.of else ''}: for which column? Say the unit with --map "
                f"COLUMN=DATASTREAM:UNIT, and --ignore {line.statement.text!r} for the line."
            )
        return lines

    def long_unit(self, index: int) -> str:
        """The unit that a file with a row for each result states once for all; '' if it states none."""
        require_no_factor(self._path, self.header[index], self._said.ignore)
        heading = read_heading(self.header[index])
        found = [*heading.statements, *(ending for _, ending in heading.endings[:1])]
        if index < len(self._source.units) and self._source.units[index]:
            found.append(state(self._source.units[index]))
        lines = read_unit_lines(self._source.above, ())
        named = next((line for line in lines if line.of and not self._is_ignored(line.statement.text)), None)
        if named is not None:
            raise CorrectInput(
                f"{self._path}: a line says the unit {named.statement.text!r} of {named.of!r}, and "
                f"the file has a row "
                f"for each result. Give it a column of units, or say --ignore {named.statement.text!r}."
            )
        found += [line.statement for line in lines]
        found = [one for one in found if not self._is_ignored(one.text)]
        return self._agreed(self.header[index], "DATASTREAM", None, found)

    def names_of_results(self, property_column: str) -> dict[str, str]:
        """Of a file with a row for each result: texts of its property column → datastreams, by --map; '' for
        those that are left out.
        """
        folded = {name.casefold() for name in self.header}
        found = {}
        for text, wanted in self._said.columns.items():
            if not wanted and text.casefold() in folded:
                continue
            target, unit = self._mapped(wanted) if wanted else (("", ""), None)
            if unit is not None or target[0] not in ("", self._said.device):
                raise CorrectInput(
                    f"--map '{text}={wanted}': a file with a row for each result takes --map "
                    f"TEXT=DATASTREAM. For a unit or another device, import this property alone: "
                    f"--where '{property_column}={text}' --map 'RESULT_COLUMN={wanted}', without --long."
                )
            found[text] = target[1]
        return found

    def _names(self, index: int, target: Target) -> set[str]:
        heading = read_heading(self.header[index])
        return {self.header[index], heading.name, target[1], *(name for name, _ in heading.endings)}

    def _is_ignored(self, text: str) -> bool:
        return text.strip().casefold() in {one.strip().casefold() for one in self._said.ignore}

    def _column(
        self,
        index: int,
        target: Target,
        said_unit: str | None,
        ending: Statement | None,
        lines: Sequence[UnitLine],
        *,
        is_named: bool,
    ) -> Column:
        device, name = target
        streams = self._streams(target)
        header, where = self.header[index], f"{device}/{name}" if device else name
        if header != name:
            require_no_factor(self._path, header, self._said.ignore)
        if streams[0].result_type == "boolean":
            self._tell(f"{header} → {where}")
            return Column(index, device, name)
        statements = (
            []
            if said_unit == ""
            else self._statements(index, target, ending, lines, is_named=is_named, has_unit=bool(said_unit))
        )
        unit = self._agreed(header, name, said_unit, statements)
        factors = self._factors(header, name, unit, streams)
        kept = streams[0].unit
        self._tell(
            f"{header} → {where}"
            + (
                (", in the unit of its row" if self.has_unit_column else f", taken as {kept}")
                if not unit
                else f", {unit} converted to {kept}"
                if factors
                else f", in {unit}"
            )
        )
        return Column(index, device, name, make_conversion(factors) if factors else None, unit)

    def _tell(self, text: str) -> None:
        self.sentences.append(text)

    def _streams(self, target: Target) -> list[KnownDatastream]:
        device, name = target
        devices = [self._devices[device]] if device else list(self._devices.values())
        return [one.datastreams[name] for one in devices if name in one.datastreams]

    def _statements(
        self,
        index: int,
        target: Target,
        ending: Statement | None,
        lines: Sequence[UnitLine],
        *,
        is_named: bool,
        has_unit: bool,
    ) -> list[Statement]:
        header = self.header[index]
        heading = read_heading(header)
        found = [] if header == target[1] else list(heading.statements)
        if ending is None and is_named:
            ending = self._ending(heading, target, has_unit=has_unit)
        if ending is not None:
            found.append(ending)
        if self._source.units:
            cell = self._source.units[index] if index < len(self._source.units) else ""
            one = state(cell)
            found += [one] if one.unit is not None or not states_no_unit(cell) else []
        names = {name.casefold() for name in self._names(index, target)}
        found += [line.statement for line in lines if line.of.casefold() in names or not line.of]
        return [one for one in found if not self._is_ignored(one.text)]

    def _ending(self, heading: Heading, target: Target, *, has_unit: bool) -> Statement | None:
        """The unit at the end of a mapped column's name; one letter, or any beside a unit that the user says,
        counts only where it fits.
        """
        for name, statement in heading.endings:
            kept = self._streams(target)[0].unit
            if statement.unit is None:
                return None if has_unit else statement
            if not is_short(statement) and not has_unit:
                return statement
            try:
                factors = conversion(statement.unit, kept)
            except CorrectInput:
                continue
            if factors == (1.0, 0.0) or has_unit or not is_short(statement) or is_temperature(name):
                return statement
            return statement._replace(unit=None)  # `TA_F` is filled, `temp_F` is in °F
        return None

    def _agreed(self, header: str, name: str, said_unit: str | None, statements: Sequence[Statement]) -> str:
        """The one unit that all state; '' if none does."""
        unclear = [one.text for one in statements if one.unit is None]
        if unclear and not said_unit:
            raise CorrectInput(
                f"{self._path}: {unclear[0]!r} beside {header!r} may be a unit, and is not "
                f"understood. Say --map "
                f"'{header}={name}:UNIT', or --map '{header}={name}:' if it is none."
            )
        units = {one.unit: one.text for one in statements if one.unit is not None}
        if said_unit:
            units.setdefault(said_unit, f"--map …:{said_unit}")
        if len(units) > 1:
            raise CorrectInput(
                f"{self._path}: {header!r} has several units: {' and '.join(units.values())}. Say "
                f"--ignore TEXT for "
                "the one that is wrong."
            )
        return next(iter(units), None) or ""

    def _factors(
        self, header: str, name: str, unit: str, streams: Sequence[KnownDatastream]
    ) -> Factors | None:
        """None if results need no conversion."""
        kept = {stream.unit for stream in streams}
        if not unit or kept == {unit}:
            return None
        if len(kept) > 1:
            raise CorrectInput(
                f"{self._path}: {header!r} is in {unit}, and the devices take {name!r} in several units: "
                f"{', '.join(sorted(kept))}. Import one device at a time, with --device and --where."
            )
        try:
            return find_factors(unit, kept.pop())
        except CorrectInput as error:
            raise CorrectInput(
                f"{self._path}: unit_mismatch: {header!r} is in {unit}: {error} Say --map "
                f"'{header}={name}:UNIT' for its real unit, or --map '{header}={name}:' if it states none."
            ) from error


def find_factors(unit: str, kept: str) -> Factors | None:
    """None if both are the same size; raises CorrectInput if there is no factor."""
    factors = conversion(unit, kept)
    return None if factors == (1.0, 0.0) else factors


def find_conversion(text: str, kept: str) -> Conversion | None:
    """For a unit as a cell writes it. Raises CorrectInput if it is no unit, or has no factor to `kept`."""
    if states_no_unit(text) and read_unit(text) is None:
        return None
    unit = read_unit(text) or require_unit(text.strip())
    factors = None if unit == kept else find_factors(unit, kept)
    return None if factors is None else make_conversion(factors)
