"""Finds out the meaning of each column, from the user's description, the header, the rows and the catalogue.
Reads the file, writes nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ingest.files.cells import Cells, without_spaces
from ingest.files.claims import require_no_claims, require_own_device
from ingest.files.columns import Columns
from ingest.files.containers import open_container
from ingest.files.head import is_time_name
from ingest.files.mapping import MISSING, FileMap
from ingest.files.rows import Bare, Chosen, Row, Source
from ingest.files.shape import Column, Layout
from ingest.files.survey import survey
from ingest.files.text import TextFile
from ingest.files.time_columns import TimeFinding
from ingest.files.undeclared import Undeclared
from insitu.errors import CorrectInput
from insitu.unit_words import read_unit
from store.catalogue.snapshot import CatalogueSnapshot

_SAMPLE = 1000
_PROPERTIES = ("property", "datastream", "parameter", "variable")
_RESULTS = ("result", "value")
_UNITS = ("unit", "units", "uom", "unité", "unités", "einheit")
_DEVICES = ("device",)
_WITH_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")
_WITH_POINT = re.compile(r"[+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_WITH_UNIT: Final = re.compile(r"[+-]?[0-9][0-9.,]*\s*([^\W\d_]{2,}[^\s]*|[°º%µμ‰℃℉][^\d]*)")
_BARE: Final = re.compile(r"[+-]?[0-9]*[1-9][0-9.,]*|[+-]?0?[.,][0-9]+")
_ENDING_SAMPLE: Final = 50
_COULD_BE_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_GROUPED: Final = {
    ",": (re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+"), "."),
    ".": (re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+"), ","),
}
"""Decimal sign → form of a number that also shows the mark between thousands, and that mark."""
_GROUPS: Final = {
    ",": re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+"),
    ".": re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+"),
}
"""Decimal sign → form of a whole number whose marks may also be decimal signs."""
_SPACED: Final = re.compile(r"[+-]?[0-9]{1,3}(?: [0-9]{3})+,[0-9]+")


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
    container = open_container(path, said.member)
    if container.kind != "workbook" and said.sheet:
        raise CorrectInput(f"{path} is no workbook: leave --sheet out.")
    if container.kind == "parquet":
        from ingest.files.parquet import ParquetTable  # a large library, and most files are text

        return ParquetTable(container)
    if container.kind == "workbook":
        from ingest.files.workbook import Workbook  # needed for workbooks only

        return Workbook(container, said)
    return TextFile(container, said)


def _endings(source: Source, said: FileMap) -> tuple[dict[int, str], dict[int, tuple[str, str]]]:
    """Columns whose first results all have the same unit behind them; and of those that have it and do not,
    one of each.
    """
    found: dict[int, set[str]] = {}
    bare: dict[int, str] = {}
    united: dict[int, str] = {}
    for row in itertools.islice(source.rows(), _ENDING_SAMPLE):
        for index, cell in enumerate(row.cells if not row.problem else ()):
            if isinstance(cell, str) and (match := _WITH_UNIT.fullmatch(cell.strip())):
                found.setdefault(index, set()).add(match[1])
                united[index] = cell.strip()
            elif isinstance(cell, int | float) or (isinstance(cell, str) and _BARE.fullmatch(cell.strip())):
                bare.setdefault(index, str(cell).strip())
    times = {name.casefold() for name in said.time_columns}
    endings = {
        index: texts.pop()
        for index, texts in found.items()
        if len(texts) == 1
        and read_unit(next(iter(texts))) is not None
        and source.header[index].casefold() not in times
        and not is_time_name(source.header[index])
    }
    return endings, {index: (united[index], bare[index]) for index in endings if index in bare}


class _Finding:
    """The steps of `understand`, in order; each needs the earlier ones."""

    def __init__(self, path: Path, said: FileMap, known: CatalogueSnapshot, source: Source) -> None:
        endings, self._mixed = _endings(source, said)
        source = Bare(source, endings) if endings else source
        self._path, self._said, self._whole = path, said, source
        self._devices = {
            device: found for (trial, device), found in known.devices.items() if trial == said.trial
        }
        self._folded = [name.casefold() for name in source.header]
        self._has_points = False
        """True if dates have points (13.03.2026): those who write so seldom have points in numbers."""
        self._sentences = [f"{path.name}: {source.described}"]

    def layout(self) -> Layout:
        said, header = self._said, self._whole.header
        require_no_claims(self._path, self._whole.above, said.ignore)
        columns = Columns(self._path, said, self._whole, self._devices, self._device_index())
        self._source = self._choose(columns)
        self._sample: list[Row] = [
            row for row in itertools.islice(self._source.rows(), _SAMPLE) if not row.problem and row.cells
        ]
        device_index = self._device_index()
        if device_index is not None:
            self._tell("device", f"as {header[device_index]} says")
        property_index, result_index = self._long(columns)
        finding = TimeFinding(self._path, said, self._source, columns, self._sample)
        times = finding.find()
        self._tell("time", finding.sentence)
        is_long = property_index is not None
        single = (device_index, property_index, result_index, times.zone_index)
        taken = {*times.indexes, *(index for index in single if index is not None)}
        columns.has_unit_column = self._units_name() is not None
        found = () if is_long else columns.find(taken)
        names = columns.names_of_results(header[property_index]) if property_index is not None else {}
        for sentence in columns.sentences:
            self._tell("result", sentence)
        if is_long and device_index is None:
            columns.default_device()
        if property_index is not None and result_index is not None:
            columns.require_datastreams(self._named_in_rows(property_index))
            self._tell(
                "result",
                f"{header[property_index]} names the datastream, {header[result_index]} has the result",
            )
        unit_index = self._unit_index(taken, found, is_long=is_long)
        self._has_points = times.time_format.startswith("%d.")
        cells = self._cells({c.index for c in found} if result_index is None else {result_index})
        used = taken | {c.index for c in found} | ({unit_index} if unit_index is not None else set())
        left = [name for index, name in enumerate(header) if index not in used and name]
        if left:
            self._tell("left out", ", ".join(left))
        elsewhere = device_index is not None or (bool(found) and all(column.device for column in found))
        layout = Layout(
            self._source,
            self._path.name,
            said.trial,
            "" if elsewhere else columns.default_device(),
            device_index,
            times,
            found,
            property_index,
            result_index,
            unit_index,
            cells,
            self._booleans(),
            tuple(self._sentences),
            names=names,
            long_unit=""
            if result_index is None or property_index is None
            else columns.long_unit(result_index),
        )
        return self._surveyed(layout)

    def _require_one_form(self, used: set[int]) -> None:
        """Raises CorrectInput for a column that has numbers with a unit and numbers without one."""
        for index, texts in self._mixed.items():
            if index in used:
                raise CorrectInput(
                    f"{self._path}: {self._whole.header[index]!r} has numbers with a unit ({texts[0]!r}) and "
                    f"without ({texts[1]!r}). Give all of them one form, since they may mean different "
                    "things."
                )

    def _surveyed(self, layout: Layout) -> Layout:
        """The layout after a look at every row: what no sample shows stops the import before anything is
        stored.
        """
        self._require_one_form(layout.needed())
        others = {*self._devices} - layout.devices()
        require_own_device(self._path, self._whole.above, others, self._said.ignore)
        findings = survey(self._path, layout, self._said, self._devices)
        assert isinstance(self._source, Chosen)
        return replace(
            layout,
            source=self._source.without(findings.left_out, findings.refused),
            conversions=findings.conversions,
            sentences=(*layout.sentences, *findings.sentences),
        )

    def _tell(self, what: str, text: str) -> None:
        self._sentences.append(f"  {what:<10} {text}")

    def _choose(self, columns: Columns) -> Chosen:
        """The rows that --where chooses."""
        where = {columns.index(name): text.strip() for name, text in self._said.where.items()}
        if where:
            self._tell(
                "rows", "only where " + " and ".join(f"{n} is {t!r}" for n, t in self._said.where.items())
            )
        source = Chosen(self._whole, where)
        if where and next((row for row in source.rows() if not row.problem), None) is None:
            raise CorrectInput(f"{self._path}: no row is as --where says. Correct the text of --where.")
        return source

    def _first(self, names: Sequence[str]) -> int | None:
        return next((self._folded.index(name) for name in names if name in self._folded), None)

    def _device_index(self) -> int | None:
        said = self._said
        if said.device and said.device_column:
            raise CorrectInput("Say --device or --device-column, not both.")
        if said.device_column:
            return Columns(self._path, said, self._whole, self._devices, None).index(said.device_column)
        return None if said.device else self._first(_DEVICES)

    def _booleans(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            (device, name)
            for device, found in self._devices.items()
            for name, stream in found.datastreams.items()
            if stream.result_type == "boolean"
        )

    def _long(self, columns: Columns) -> tuple[int | None, int | None]:
        said = self._said
        if bool(said.property_column) != bool(said.result_column):
            raise CorrectInput(
                "Name both: the column of the datastream and the column of the result, as --long "
                "PROPERTY=RESULT."
            )
        if said.property_column:
            return columns.index(said.property_column), columns.index(said.result_column)
        found = self._first(_PROPERTIES), self._first(_RESULTS)
        return (None, None) if None in found or any(said.columns.values()) else found

    def _named_in_rows(self, property_index: int) -> list[Undeclared]:
        """The fields of a file with a row for each result, with the unit of their first row."""
        name = self._units_name()
        found: dict[str, str] = {}
        for row in self._sample:
            field, unit = row.cells[property_index], "" if name is None else row.cells[name]
            if field:
                found.setdefault(str(field).strip(), read_unit(str(unit or "")) or "")
        return [Undeclared(field, unit) for field, unit in found.items()]

    def _units_name(self) -> int | None:
        left_out = {name.casefold() for name, text in self._said.columns.items() if not text}
        return self._first([name for name in _UNITS if name not in left_out])

    def _unit_index(self, taken: set[int], found: Sequence[Column], *, is_long: bool) -> int | None:
        """The column with the unit of each row; --map COLUMN= leaves it out."""
        index = self._units_name()
        if index is None or index in taken or index in {column.index for column in found}:
            return None
        name = self._whole.header[index]
        if not is_long and len(found) != 1:
            raise CorrectInput(
                f"{self._path}: the column {name!r} has units, and there are {len(found)} columns "
                f"with results. Say "
                f"--map COLUMN=DATASTREAM:UNIT for each, and --map '{name}=' to leave it out."
            )
        self._tell("unit", f"as {name} says")
        return index

    # -- how results are written

    def _cells(self, indexes: set[int]) -> Cells:
        texts = [
            without_spaces(row.cells[index].strip())
            for row in self._sample
            for index in indexes
            if isinstance(row.cells[index], str)
        ]
        decimal = self._said.decimal or self._decimal(texts)
        form, mark = _GROUPED[decimal]
        thousands = mark if any(form.fullmatch(text) for text in texts) else ""
        if self._said.decimal and any(_GROUPS[decimal].fullmatch(text) for text in texts):
            thousands = mark
        if decimal == "," and not thousands and any(_SPACED.fullmatch(text) for text in texts):
            thousands = " "
        shown = {".": "a point", ",": "a comma", " ": "a space"}
        self._tell(
            "decimal",
            ("comma" if decimal == "," else "point")
            + (f", {shown[thousands]} between thousands" if thousands else ""),
        )
        missing = (*self._said.missing, *(n for n in self._source.missing if n not in self._said.keep))
        words = ", ".join((*missing, *MISSING[:5]))
        self._tell("no result", f"an empty cell, {words}, …")
        return Cells(decimal=decimal, missing=(*MISSING, *missing), thousands=thousands)

    def _decimal(self, texts: Sequence[str]) -> str:
        grouped = {
            sign for sign, (form, _) in _GROUPED.items() if any(form.fullmatch(text) for text in texts)
        }
        if len(grouped) == 1:
            return grouped.pop()
        if any(_SPACED.fullmatch(text) for text in texts):
            return ","
        commas = [text for text in texts if _WITH_COMMA.fullmatch(text)]
        points = [text for text in texts if _WITH_POINT.fullmatch(text)]
        if commas and points:
            raise CorrectInput(
                f"{self._path}: some results have a comma, some a point. Say --decimal , or --decimal . "
                "for the right one."
            )
        if commas and all(_COULD_BE_THOUSANDS.fullmatch(text) for text in commas):
            whole = commas[0].replace(",", "")
            raise CorrectInput(
                f"{self._path}: {commas[0]!r} is {commas[0].replace(',', '.')} or {whole}: every "
                f"comma has three digits "
                "behind it. Say --decimal , or --decimal . for the right one."
            )
        if self._has_points and points and all(_GROUPS[","].fullmatch(text) for text in points):
            raise CorrectInput(
                f"{self._path}: {points[0]!r} is {points[0]} or {points[0].replace('.', '')}: the dates have "
                "points, and every point in a result has three digits behind it. Say --decimal . or "
                "--decimal , for the right one."
            )
        return "," if commas else "."
