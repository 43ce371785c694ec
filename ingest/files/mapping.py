"""The user's description of a file, from the command line or from a TOML file that can be reviewed and
reused.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from insitu.errors import CorrectInput

MOST_SKIPPED: Final = 10_000
"""Lines above a header; loggers write some dozens."""

MISSING = (
    "NA",
    "N/A",
    "#N/A",
    "#NV",
    "NaN",
    "-nan",
    "nan(ind)",
    "-nan(ind)",
    "1.#QNAN",
    "-1.#IND",
    "null",
    "(null)",
    "None",
    "nil",
    "-",
    "--",
    "---",
    "----",
    "–",
    "—",
    "n.d.",
    "n.d",
    "nd",
    "n/d",
    "n.a.",
    "n.v.",
    "k.A.",
    "k. A.",
    "s.o.",
    "err",
    "error",
    "fehler",
    "erreur",
    "<NA>",
    "/",
    "//",
    "...",
    "NULL",
    "no reading",
    "not measured",
    "OFFLINE",
    "NODATA",
    "no data",
    "no_data",
    "no value",
    "unavailable",
    "not available",
    "unknown",
    "missing",
    "invalid",
    "#VALUE!",
    "#DIV/0!",
    "#REF!",
    "#NUM!",
    "#NULL!",
    "#NAME?",
    "*",
    "**",
    "***",
    "?",
)


class FileMap(BaseModel):
    """Every field is optional: missing ones are found from the header and the first rows, or asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: str = ""
    device: str = ""
    """Device of all columns that name no other."""
    device_column: str = ""
    time_columns: list[str] = Field(default_factory=list, max_length=7)
    """One column with date and time, or two: date, then time of day. More only with `time_format`, such as
    `%Y %m %d %H`.
    """
    time_format: str = ""
    """In the format of strptime; two columns are joined by a space."""
    zone: str = ""
    """Clock of times without an offset: a time zone, or a fixed offset such as +01:00."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column → datastream of the device, or DEVICE/DATASTREAM; then `:UNIT`, or `:` alone where the column's
    name states no unit. Empty: skip the column.
    """
    property_column: str = ""
    result_column: str = ""
    """With `property_column`: each row has one result."""
    delimiter: Literal["", ",", ";", "\t", "|", " "] = ""
    """A space means any number of blanks."""
    decimal: Literal["", ".", ","] = ""
    encoding: Literal["", "utf-8", "utf-8-sig", "cp1252", "utf-16"] = ""
    names: list[str] = Field(default_factory=list)
    """Names of the columns of a file without a header."""
    skip_lines: int = Field(default=0, ge=0, le=MOST_SKIPPED)
    """Number of lines above the header; if 0, they are found."""
    skip_after: int = Field(default=0, ge=0, le=MOST_SKIPPED)
    """Number of lines between the header (and the units) and the first row."""
    units_row: bool = False
    """The line below the header contains units."""
    where: dict[str, str] = Field(default_factory=dict)
    """Column → text: only rows with this text are read."""
    sheet: str = ""
    """Of a workbook."""
    member: str = ""
    """The file in a zip file."""
    missing: list[str] = Field(default_factory=list)
    """Texts that mean no result, besides an empty cell and the usual ones; case is ignored."""
    keep: list[str] = Field(default_factory=list)
    """Numbers that are results, although loggers write them for no result: -999 and such."""
    ignore: list[str] = Field(default_factory=list)
    """Statements of the file about its clock or its units that are wrong, as the file writes them."""


def make_map(given: dict[str, Any], *, source: str) -> FileMap:
    """Raises a CorrectInput that names `source` and each wrong field."""
    try:
        return FileMap.model_validate(given)
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:10]]
        raise CorrectInput(f"{source}:\n" + "\n".join(lines)) from error


def read_map(path: Path) -> dict[str, Any]:
    """The entries of a TOML file, checked; only those that it contains."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CorrectInput(f"{path}: {error}.") from error
    make_map(given, source=str(path))
    return given
