"""One row of a file of any format."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Row(NamedTuple):
    number: int
    """Line number as in an editor, including the header; for Parquet, the row from 1."""
    cells: Sequence[Any]
    """One for each column of the header: text, or the value of Parquet or a workbook; None if missing."""
    text: str = ""
    """The row's original text; empty for Parquet."""
    problem: str = ""
    """Reason why the cells do not match the header."""
    is_open: bool = False
    """The last line of the file, without a line end."""


class Source(Protocol):
    """A file whose rows can be read more than once. Only a workbook is completely in memory."""

    header: list[str]
    described: str
    above: list[str]
    """Lines above the header, and comments near it."""
    units: list[str]
    """Cells of the row of units, one for each column; empty without such a row."""
    serial_format: str
    """Format of plain numbers in a time's column of a workbook; empty for other files."""
    missing: tuple[str, ...]
    """Numbers that stand for no result in this format."""
    head: frozenset[str]
    """The lines down to the first row, without blanks at their ends."""
    notes: dict[int, str]
    """Number of each comment below the first row → its text; complete once all rows were read."""

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        """`wanted`: indexes of the needed columns; others may be None. Skips rows without content."""
        ...

    def done(self) -> float:
        """Share of the file that was read, 0 to 1."""
        ...


class Bare:
    """The rows of another source without the unit behind the results: `21.5 °C`. `endings`: index of a
    column → the unit as written, which counts as its cell in the row of units.
    """

    def __init__(self, source: Source, endings: Mapping[int, str]) -> None:
        self._source, self._endings = source, endings
        self.header, self.described = source.header, source.described
        self.above, self.serial_format, self.missing = source.above, source.serial_format, source.missing
        self.head, self.notes = source.head, source.notes
        units = [*source.units, *("" for _ in source.header)][: len(source.header)]
        self.units = [units[index] or endings.get(index, "") for index in range(len(units))]

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        for row in self._source.rows(wanted):
            if row.problem or not row.cells:
                yield row
                continue
            cells = list(row.cells)
            for index, ending in self._endings.items():
                cell = cells[index]
                if isinstance(cell, str) and cell.rstrip().endswith(ending):
                    cells[index] = cell.rstrip().removesuffix(ending).rstrip()
            yield row._replace(cells=cells)

    def done(self) -> float:
        return self._source.done()


class Chosen:
    """The rows of another source whose cells are as `where` says, without the rows in `left_out`. `refused`:
    number of a row → why it is refused.
    """

    def __init__(
        self,
        source: Source,
        where: Mapping[int, str],
        left_out: frozenset[int] = frozenset(),
        refused: Mapping[int, str] | None = None,
    ) -> None:
        self._source, self._where, self._left_out, self._refused = source, where, left_out, refused or {}
        self.header, self.described = source.header, source.described
        self.above, self.units, self.serial_format = source.above, source.units, source.serial_format
        self.missing, self.head, self.notes = source.missing, source.head, source.notes

    @property
    def whole(self) -> Source:
        """All rows, also those that `where` leaves out."""
        return self._source

    def without(self, numbers: frozenset[int], refused: Mapping[int, str]) -> Chosen:
        return Chosen(self._source, self._where, numbers, refused)

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        needed = None if wanted is None else {*wanted, *self._where}
        for row in self._source.rows(needed):
            if row.number in self._left_out:
                continue
            if row.problem or all(
                ("" if row.cells[index] is None else str(row.cells[index]).strip()) == text
                for index, text in self._where.items()
            ):
                problem = self._refused.get(row.number, "")
                yield row._replace(cells=[], problem=problem) if problem else row

    def done(self) -> float:
        return self._source.done()
