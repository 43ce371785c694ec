"""Columns beside the results, used for nothing, that state a fact about them: another device of the trial,
the unit of another column, a factor. The first row in which one contradicts what is stored stops the import.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ingest.decode.stray import is_factor, is_factor_key
from ingest.files.beside import names_place
from ingest.files.rows import Row
from ingest.stated_units import names_unit
from insitu.errors import CorrectInput
from insitu.unit_words import read_unit


class FactsBeside:
    """`used`: indexes of the columns that the import reads. `answered`: names that the user says something
    about. `others`: devices of the trial that the user does not name. `units`: of the results.
    """

    def __init__(
        self,
        header: Sequence[str],
        used: Collection[int],
        answered: Collection[str],
        others: Collection[str],
        units: Collection[str],
    ) -> None:
        self._others, self._units = others, units
        said = {name.casefold() for name in answered}
        free = [
            (index, name)
            for index, name in enumerate(header)
            if name and index not in used and name.casefold() not in said
        ]
        self._places = [one for one in free if others and names_place(one[1])]
        self._of_units = [one for one in free if names_unit(one[1])]
        self._factors = [one for one in free if is_factor_key(one[1])]

    def require_none(self, path: Path, row: Row) -> None:
        for index, name in self._places:
            text = str(row.cells[index]).strip()
            if text in self._others:
                raise CorrectInput(
                    f"{path}, row {row.number}: the column {name!r} says {text!r}, another device of the "
                    f"trial. Say --device-column '{name}' if it names devices, or --map '{name}=' if it does "
                    "not matter."
                )
        for index, name in self._of_units:
            unit = read_unit(str(row.cells[index]).strip()) if row.cells[index] else None
            if unit is not None and unit not in self._units:
                raise CorrectInput(
                    f"{path}, row {row.number}: the column {name!r} says {str(row.cells[index])!r}, and is "
                    "not read. Say --map COLUMN=DATASTREAM:UNIT for the results in that unit, and --map "
                    f"'{name}='."
                )
        for index, name in self._factors:
            number = _number(row.cells[index])
            if number is not None and is_factor(name, number):
                raise CorrectInput(
                    f"{path}, row {row.number}: the column {name!r} says {row.cells[index]!s}, which may "
                    "be a factor of the results, and is not read. Correct the numbers, then say --map "
                    f"'{name}='; or only say --map '{name}=' if it is in them already."
                )


def _number(cell: object) -> float | None:
    try:
        return float(str(cell).strip().replace(",", "."))
    except ValueError:
        return None
