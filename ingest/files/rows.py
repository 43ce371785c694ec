"""One row of a file of any format."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class Row(NamedTuple):
    number: int
    """Line number as in an editor, including the header; for Parquet, the row from 1."""
    cells: Sequence[Any]
    """One for each column of the header: text, or Parquet's value; None if missing."""
    text: str = ""
    """The row's original text; empty for Parquet."""
    problem: str = ""
    """Reason why the cells do not match the header."""


class Source(Protocol):
    """A file whose rows can be read more than once, and which is never completely in memory."""

    header: list[str]
    described: str

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        """`wanted`: indexes of the needed columns; others may be None. Skips rows without content."""
        ...

    def done(self) -> float:
        """Share of the file that was read, 0 to 1."""
        ...
