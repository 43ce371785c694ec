"""The layout of a file: its columns and their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ingest.files.cells import Cells
from ingest.files.rows import Source


@dataclass(frozen=True, slots=True)
class Column:
    """A column with results of a datastream; `device` is empty if another column names the device."""

    index: int
    device: str
    name: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read every row. Either `columns`, or `property_index` and `result_index`."""

    source: Source
    file: str
    trial: str
    device: str
    device_index: int | None
    time_indexes: tuple[int, ...]
    time_format: str
    zone: ZoneInfo | None
    columns: tuple[Column, ...]
    property_index: int | None
    result_index: int | None
    cells: Cells
    booleans: frozenset[tuple[str, str]]
    """(device, datastream) pairs whose results are true or false."""
    sentences: tuple[str, ...]
    """Description of the layout, for the person who starts the import."""

    def needed(self) -> set[int]:
        single = (self.device_index, self.property_index, self.result_index)
        return {
            *self.time_indexes,
            *(c.index for c in self.columns),
            *(index for index in single if index is not None),
        }
