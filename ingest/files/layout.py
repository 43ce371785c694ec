"""Finds out the meaning of each column, from the user's description, the header, the first rows and the
catalogue. Reads the file, writes nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.files.cells import Cells
from ingest.files.mapping import FileMap
from ingest.files.rows import Row, Source
from ingest.files.shape import Column, Layout
from ingest.files.stamps import find_formats, read_time
from ingest.files.text import TextFile
from insitu.errors import CorrectInput
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice

_SAMPLE = 1000
_TIMES = (
    "time",
    "timestamp",
    "datetime",
    "date_time",
    "date time",
    "date/time",
    "phenomenon_time",
    "horodatage",
    "date heure",
    "date_heure",
    "date et heure",
    "date",
)
_TIMES_OF_DAY = ("time", "heure", "hour")
_PROPERTIES = ("property", "datastream", "parameter", "variable")
_RESULTS = ("result", "value")
_DEVICES = ("device",)
_BRACKETS = re.compile(r"\s*[\[(][^\[\]()]*[\])]\s*$")
_WITH_COMMA = re.compile(r"-?[0-9]+,[0-9]+")
_WITH_POINT = re.compile(r"-?[0-9]+\.[0-9]+")


def understand(path: Path, said: FileMap, known: CatalogueSnapshot) -> Layout:
    """Raises a CorrectInput that says which option is needed if the file is ambiguous."""
    if not path.is_file():
        raise CorrectInput(f"There is no file {path}.")
    if said.trial not in known.trials:
        raise CorrectInput(
            f"There is no trial {said.trial!r}." if said.trial else "Say --trial: whose data is it?"
        )
    try:
        return _Finding(path, said, known, _open(path, said)).layout()
    except OSError as error:
        raise CorrectInput(f"Cannot read {path}: {error.strerror or error}.") from error


def _open(path: Path, said: FileMap) -> Source:
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return TextFile(path, said)
    from ingest.files.parquet import ParquetTable  # a large library, and most files are text

    return ParquetTable(path)


class _Finding:
    """The steps of `understand`, in order; each needs the earlier ones."""

    def __init__(self, path: Path, said: FileMap, known: CatalogueSnapshot, source: Source) -> None:
        self._path, self._said, self._source = path, said, source
        self._devices = {
            device: found for (trial, device), found in known.devices.items() if trial == said.trial
        }
        self._folded = [name.casefold() for name in source.header]
        self._sample: list[Row] = [
            row for row in itertools.islice(source.rows(), _SAMPLE) if not row.problem and row.cells
        ]
        self._sentences = [f"{path.name}: {source.described}"]

    def layout(self) -> Layout:
        said, header = self._said, self._source.header
        device_index = self._device_column()
        property_index, result_index = self._long()
        times = self._time_columns()
        time_format, zone = self._time_format(times)
        taken = {
            *times,
            *(index for index in (device_index, property_index, result_index) if index is not None),
        }
        columns = () if property_index is not None else self._columns(taken, device_index)
        if property_index is not None and said.columns:
            raise CorrectInput("A file with a row for each result has no columns to map: leave --map out.")
        if property_index is not None and result_index is not None and device_index is None:
            self._default_device()
            self._tell(
                "result",
                f"{header[property_index]} names the datastream, {header[result_index]} has the result",
            )
        cells = Cells(
            decimal=self._decimal(
                {c.index for c in columns} | ({result_index} if result_index is not None else set())
            ),
            missing=said.missing,
        )
        self._tell("no result", "an empty cell, " + ", ".join(said.missing))
        left = [
            name
            for index, name in enumerate(header)
            if index not in taken and index not in {c.index for c in columns} and name
        ]
        if left:
            self._tell("left out", ", ".join(left))
        elsewhere = device_index is not None or (bool(columns) and all(column.device for column in columns))
        device = "" if elsewhere else self._default_device()
        return Layout(
            self._source,
            self._path.name,
            said.trial,
            device,
            device_index,
            times,
            time_format,
            zone,
            columns,
            property_index,
            result_index,
            cells,
            self._booleans(),
            tuple(self._sentences),
        )

    def _tell(self, what: str, text: str) -> None:
        self._sentences.append(f"  {what:<10} {text}")

    def _index(self, name: str) -> int:
        """Index of a named column: exact match first, then ignoring upper and lower case."""
        header = self._source.header
        found = [i for i, one in enumerate(header) if one == name] or [
            i for i, one in enumerate(self._folded) if one == name.casefold()
        ]
        if len(found) == 1:
            return found[0]
        trouble = f"has {len(found)} columns {name!r}" if found else f"has no column {name!r}"
        raise CorrectInput(f"{self._path} {trouble}; it has {', '.join(repr(one) for one in header[:30])}.")

    def _first(self, names: Sequence[str]) -> int | None:
        return next((self._folded.index(name) for name in names if name in self._folded), None)

    # -- whose

    def _device_column(self) -> int | None:
        said = self._said
        if said.device and said.device_column:
            raise CorrectInput("Say --device or --device-column, not both.")
        index = (
            self._index(said.device_column)
            if said.device_column
            else None
            if said.device
            else self._first(_DEVICES)
        )
        if index is not None:
            self._tell("device", f"as {self._source.header[index]} says")
        return index

    def _default_device(self) -> str:
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

    def _booleans(self) -> frozenset[tuple[str, str]]:
        streams = (
            (device, name, stream)
            for device, found in self._devices.items()
            for name, stream in found.datastreams.items()
        )
        return frozenset(
            (device, name) for device, name, stream in streams if stream.result_type == "boolean"
        )

    # -- results

    def _long(self) -> tuple[int | None, int | None]:
        said = self._said
        if bool(said.property_column) != bool(said.result_column):
            raise CorrectInput(
                "Name both: the column of the datastream and the column of the result, as --long "
                "PROPERTY=RESULT."
            )
        if said.property_column:
            return self._index(said.property_column), self._index(said.result_column)
        found = self._first(_PROPERTIES), self._first(_RESULTS)
        return (None, None) if None in found or said.columns else found

    def _columns(self, taken: set[int], device_index: int | None) -> tuple[Column, ...]:
        named = {self._index(column): name for column, name in self._said.columns.items()}
        columns = []
        for index, header in enumerate(self._source.header):
            given = named.get(index, "" if index in named else header)
            if index in taken or not given:
                continue
            if index in named:
                columns.append(self._mapped(index, given, device_index))
            elif found := self._by_header(header, device_index):
                columns.append(Column(index, *found))
        twice = [c for c in columns if sum((c.device, c.name) == (o.device, o.name) for o in columns) > 1]
        if twice:
            raise CorrectInput(
                f"{self._path}: more than one column is for {twice[0].name!r}: say --map for the right one, "
                "--map COLUMN= for others."
            )
        if not columns:
            raise self._nothing_found(device_index)
        for column in columns:
            where = f"{column.device}/{column.name}" if column.device else column.name
            self._tell("result", f"{self._source.header[column.index]} → {where}")
        return tuple(columns)

    def _nothing_found(self, device_index: int | None) -> CorrectInput:
        names = sorted({name for device in self._candidates(device_index) for name in device.datastreams})
        return CorrectInput(
            f"{self._path}: no column has the name of a datastream. It has "
            f"{', '.join(repr(h) for h in self._source.header[:30])}; the "
            f"datastreams are {', '.join(names[:30]) or 'none'}. Say --map COLUMN=DATASTREAM, or "
            "COLUMN=DEVICE/DATASTREAM."
        )

    def _candidates(self, device_index: int | None) -> list[KnownDevice]:
        return (
            list(self._devices.values())
            if device_index is not None
            else [self._devices[self._default_device()]]
        )

    def _by_header(self, header: str, device_index: int | None) -> tuple[str, str] | None:
        """Match a header with a datastream's name, possibly followed by a unit in brackets."""
        if self._said.columns and device_index is None and not self._said.device and len(self._devices) != 1:
            return None  # the user must name the device of every column
        for name in (header, _BRACKETS.sub("", header)):
            for device in self._candidates(device_index):
                found = [one for one in device.datastreams if one.casefold() == name.casefold()]
                if found:
                    return "" if device_index is not None else device.device, found[0]
        return None

    def _mapped(self, index: int, given: str, device_index: int | None) -> Column:
        device, slash, name = given.partition("/")
        if not slash or any(
            given in one.datastreams for one in self._devices.values()
        ):  # the name of a datastream may contain a slash
            device, slash, name = "", "", given
        if slash and device not in self._devices:
            raise CorrectInput(
                f"{self._said.trial} has no device {device!r}; it has "
                f"{', '.join(sorted(self._devices)[:20]) or 'none'}."
            )
        if not slash and device_index is not None:
            if not any(name in one.datastreams for one in self._devices.values()):
                raise CorrectInput(f"No device of {self._said.trial} has a datastream {name!r}.")
            return Column(index, "", name)
        device = device or self._default_device()
        streams = self._devices[device].datastreams
        if name not in streams:
            raise CorrectInput(
                f"{device} has no datastream {name!r}; it has {', '.join(sorted(streams)[:30]) or 'none'}."
            )
        return Column(index, device, name)

    def _decimal(self, indexes: set[int]) -> str:
        if self._said.decimal:
            decimal = self._said.decimal
        else:
            texts = [
                row.cells[index].strip()
                for row in self._sample
                for index in indexes
                if isinstance(row.cells[index], str)
            ]
            commas, points = (
                sum(bool(form.fullmatch(text)) for text in texts) for form in (_WITH_COMMA, _WITH_POINT)
            )
            if commas and points:
                raise CorrectInput(
                    f"{self._path}: some results have a comma, some a point. Say --decimal , or --decimal . "
                    "for the right one."
                )
            decimal = "," if commas else "."
        self._tell("decimal", "comma" if decimal == "," else "point")
        return decimal

    # -- time

    def _time_columns(self) -> tuple[int, ...]:
        if self._said.time_columns:
            return tuple(self._index(name) for name in self._said.time_columns)
        plain = [_BRACKETS.sub("", name) for name in self._folded]
        day = plain.index("date") if "date" in plain else None
        clock = next((plain.index(name) for name in _TIMES_OF_DAY if name in plain), None)
        if day is not None and clock is not None:
            return day, clock
        found = next((plain.index(name) for name in _TIMES if name in plain), None)
        if found is None:
            found = next(
                (
                    i
                    for i, name in enumerate(plain)
                    if re.fullmatch(r"(date)?_?time(stamp)?[ _](utc|gmt|local)", name)
                ),
                None,
            )
        if found is None:
            raise CorrectInput(
                f"{self._path}: which column is the time? Say --time-column; it has "
                f"{', '.join(self._source.header[:30])}."
            )
        return (found,)

    def _time_format(self, indexes: tuple[int, ...]) -> tuple[str, ZoneInfo | None]:
        given = [[row.cells[index] for index in indexes] for row in self._sample]
        given = [cells for cells in given if all(cell is not None and cell != "" for cell in cells)]
        chosen = self._said.time_format or self._found_format(given, indexes)
        readable = [found for cells in given if (found := read_time(cells, chosen)) is not None]
        names = " and ".join(self._source.header[index] for index in indexes)
        if given and not readable:
            example = " ".join(str(cell) for cell in given[0])
            raise CorrectInput(
                f"{self._path}: {example[:60]!r} in {names} is no time in the format "
                f"{chosen or 'ISO 8601 or Unix'}. Say --time-format "
                "(such as '%d/%m/%Y %H:%M'), --time-column, --skip-lines or --units-row."
            )
        zone = self._zone(names, local=any(isinstance(found, datetime) for found in readable))
        self._tell(
            "time",
            f"{names}, {chosen or 'ISO 8601 or Unix'}, "
            f"{f'without an offset: {zone.key}' if zone else 'with an offset'}",
        )
        return chosen, zone

    def _found_format(self, given: list[list[Any]], indexes: tuple[int, ...]) -> str:
        texts = [
            " ".join(cell.strip() for cell in cells)
            for cells in given
            if all(isinstance(cell, str) for cell in cells)
        ]
        formats = find_formats(texts) if texts else [""]
        if "" in formats:
            return ""
        if len(formats) > 1:
            formats = self._told_apart(indexes, formats)
        if len(formats) > 1:
            choice = " or ".join(f"'{one}'" for one in formats[:4])
            raise CorrectInput(
                f"{self._path}: {texts[0]!r} can be read in several ways. Say --time-format {choice}."
            )
        return formats[0] if formats else ""

    def _told_apart(self, indexes: tuple[int, ...], formats: list[str]) -> list[str]:
        """Decide between day-month and month-day by the first date in the file whose day is after the
        12th.
        """
        for row in self._source.rows(indexes):
            cells = [row.cells[index] for index in indexes] if row.cells else []
            able = [made for made in formats if cells and read_time(cells, made) is not None]
            if 0 < len(able) < len(formats):
                return able
        return formats

    def _zone(self, names: str, *, local: bool) -> ZoneInfo | None:
        key = self._said.zone or (
            "UTC" if re.search(r"\b(utc|gmt)\b", names.replace("_", " "), re.IGNORECASE) else ""
        )
        if not key and local:
            raise CorrectInput(
                f"{self._path}: the times in {names} have no offset. Say --zone Europe/Paris (or wherever "
                "the clock was), or --zone UTC."
            )
        try:
            return ZoneInfo(key) if key else None
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise CorrectInput(
                f"There is no time zone {key!r}: write one such as Europe/Paris or UTC."
            ) from error
