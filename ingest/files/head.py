"""Where the names of the columns are, what is above them and directly below. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.files.clocks import read_clock, read_time_name
from ingest.files.mapping import FileMap
from ingest.files.stamps import read_stamp
from insitu.errors import CorrectInput
from insitu.unit_words import looks_like_unit, read_unit

MOST_HEAD_LINES: Final = 60
TIMES: Final = (
    "time",
    "timestamp",
    "datetime",
    "date time",
    "date/time",
    "date_time",
    "phenomenon time",
    "horodatage",
    "horodate",
    "time stamp",
    "aaaammjjhh",
    "aaaammjjhhmn",
    "aaaammjj",
    "tmstamp",
    "datetime utc",
    "last changed",
    "last updated",
    "date heure",
    "date/heure",
    "date et heure",
    "datum/zeit",
    "datum/uhrzeit",
    "datum uhrzeit",
    "zeitstempel",
    "date & time",
    "date and time",
    "local time",
    "time local",
    "timestamp local",
    "utc time",
    "time time",
    "created at",
    "recorded at",
    "measured at",
    "sampled at",
    "time ms",
    "time s",
    "timestamp ms",
    "timestamp s",
    "unix time",
    "unixtime",
    "unix timestamp",
    "unix",
    "epoch",
    "epoch ms",
    "ts",
    "date",
    "datum",
    "zeit",
    "heure",
)
"""Names of a time's column, in lower case, without its clock; the first that a file has is taken."""
TIMES_OF_DAY: Final = ("time", "heure", "hour", "zeit", "uhrzeit")
DAYS: Final = ("date", "datum", "day", "jour")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*(?:[eE][+-]?[0-9]+)?")
_TIME_WORDS: Final = re.compile(
    r"[\[(]?(?:ts|utc|gmt|local|[ymdhsjat:/.\-\s]+|iso ?8601|date|time)?[\])]?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Head:
    """`line`: number of lines above the names. `below`: lines between names and data. `units`: cells of the
    row of units, if there is one. `missing`: numbers that stand for no result in this format.
    """

    line: int
    below: int
    units: tuple[str, ...] = ()
    described: str = ""
    missing: tuple[str, ...] = ()


def is_time_name(name: str) -> bool:
    return read_time_name(name).plain in TIMES


def is_head(cells: Sequence[str], said: FileMap) -> bool:
    """True for names with a time among them, and with every column that the user names."""
    folded = {cell.strip().casefold() for cell in cells}
    if len(cells) < 2:
        return False
    columns = () if said.property_column else said.columns
    named = [*said.time_columns, *columns, said.device_column, said.property_column]
    if any(
        name.casefold().partition("#")[0] not in folded and name.casefold() not in folded
        for name in named
        if name
    ):
        return False
    return bool(said.time_columns) or any(is_time_name(cell) for cell in cells)


def is_data(cells: Sequence[str]) -> bool:
    """True if every cell is a number or a time, as below a table without names."""
    texts = [cell.strip() for cell in cells if cell.strip()]
    return bool(texts) and all(
        _NUMBER.fullmatch(text) or read_stamp([text], "") is not None for text in texts
    )


def refuse_data(path: object, cells: Sequence[str], number: int) -> None:
    if is_data(cells):
        names = ",".join(["time", *(f"column{i}" for i in range(2, len(cells) + 1))])
        raise CorrectInput(
            f"{path}: line {number} has no names, only numbers and times. Say the names with "
            f"--names {names}, or "
            "--skip-lines if they are further down."
        )


def is_units_row(cells: Sequence[str], header: Sequence[str]) -> bool:
    """True for a row with units and no numbers; its time has none, or the form of a time."""
    texts = [cell.strip().strip("[]()").strip() for cell in cells]
    if any(_NUMBER.fullmatch(text) or read_stamp([text], "") is not None for text in texts if text):
        return False
    times = [text for text, name in zip(texts, header, strict=False) if is_time_name(name)]
    others = [text for text, name in zip(texts, header, strict=False) if not is_time_name(name)]
    return all(_TIME_WORDS.fullmatch(text) or read_clock(text) for text in times) and any(
        read_unit(text) or looks_like_unit(text) for text in others
    )


def units_above(rows: Sequence[Sequence[str]], header: Sequence[str]) -> list[str]:
    """Cells of the row of units that is right above the names; none if that is another row."""
    row = next(([cell.strip() for cell in row] for row in reversed(rows) if any(map(str.strip, row))), [])
    if len(header) - 1 <= len(row) <= len(header) and is_units_row(row, header):
        return [*row, *("" for _ in header)][: len(header)]
    return []


def logger_format(first: Sequence[str], path: object) -> bool:
    """True for TOA5 of Campbell loggers; its other formats are refused."""
    name = first[0].strip().strip('"').upper() if first else ""
    if name in ("TOB1", "TOB2", "TOB3", "TOACI1", "CSIXML"):
        raise CorrectInput(
            f"{path} is in Campbell's format {name}, which is not read: convert it to TOA5 with LoggerNet or "
            "CardConvert."
        )
    return name == "TOA5"
