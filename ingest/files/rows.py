"""One row of a file, whatever the file is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class Row(NamedTuple):
    number: int
    """As an editor counts the lines of a text, the header included; of Parquet from 1."""
    cells: Sequence[Any]
    """One for each column of the header: text, or what Parquet holds; None where nothing is."""
    text: str = ""
    """As it stood; of Parquet empty."""
    problem: str = ""
    """Why the cells are not those of the header."""


class Source(Protocol):
    """A file that can be read from its first row more than once, and is never in memory as a whole."""

    header: list[str]
    described: str

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[Row]:
        """`wanted`: indexes of the columns that are needed; others may be None. Rows without any content are
        left out.
        """
        ...

    def done(self) -> float:
        """How much of the file was read, 0 to 1."""
        ...
