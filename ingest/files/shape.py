"""The layout of a file: its columns and their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.files.cells import Cells, Conversion
from ingest.files.clocks import Zone
from ingest.files.rows import Source


@dataclass(frozen=True, slots=True)
class Column:
    """A column with results of a datastream; `device` is empty if another column names the device."""

    index: int
    device: str
    name: str
    conversion: Conversion | None = None
    """From the unit that the file states to the datastream's; None if they are the same."""
    unit: str = ""
    """The unit that the file states, in UCUM."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A clock that the file states for all its times, or that the user states. `where` is for messages."""

    zone: Zone
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Times:
    """How to read the time of a row. `zone` is for times without a clock of their own."""

    indexes: tuple[int, ...]
    time_format: str
    zone: Zone | None
    statements: tuple[Statement, ...] = ()
    """All that is stated about the clock; they must agree in every row."""
    zone_index: int | None = None
    """A column with the clock of each row."""
    is_answered: bool = False
    """True if the user says the zone: it settles names with several meanings, such as EST."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read every row. Either `columns`, or `property_index` and `result_index`."""

    source: Source
    file: str
    trial: str
    device: str
    device_index: int | None
    times: Times
    columns: tuple[Column, ...]
    property_index: int | None
    result_index: int | None
    unit_index: int | None
    """A column with the unit of each row."""
    cells: Cells
    booleans: frozenset[tuple[str, str]]
    """(device, datastream) pairs whose results are true or false."""
    sentences: tuple[str, ...]
    """Description of the layout, for the person who starts the import."""
    conversions: Mapping[tuple[str, str, str], Conversion | None] = field(default_factory=dict)
    """(device, datastream, unit as written) → conversion, for files with a column of units."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Text that names a property → datastream, '' to leave it out; others name their datastream."""
    long_unit: str = ""
    """The unit of all results of a file with a row for each, where the file states it once."""

    def name_of(self, cell: object) -> str:
        """The datastream of a row with one result."""
        text = "" if cell is None else str(cell).strip()
        return self.names.get(text, text)

    def devices(self) -> set[str]:
        """Devices that the user names for the file, where no column names them."""
        return {self.device, *(column.device for column in self.columns)} - {""}

    def needed(self) -> set[int]:
        single = (
            self.device_index,
            self.property_index,
            self.result_index,
            self.unit_index,
            self.times.zone_index,
        )
        return {
            *self.times.indexes,
            *(c.index for c in self.columns),
            *(index for index in single if index is not None),
        }
