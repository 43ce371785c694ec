"""What a person says of a file: on the command line, or in a TOML file that can be reviewed and used
again.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from insitu.errors import CorrectInput

MISSING = ("NA", "N/A", "NaN", "null", "None", "-", "--")


class FileMap(BaseModel):
    """Everything may be left out: then it is found from the header and the first rows, or asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: str = ""
    device: str = ""
    """Of all columns that do not say otherwise."""
    device_column: str = ""
    time_columns: list[str] = Field(default_factory=list, max_length=2)
    """One column with date and time, or two: the date, then the time of day."""
    time_format: str = ""
    """As of strptime; with two columns, of both joined by a space."""
    zone: str = ""
    """Of times without an offset."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column → datastream of the device, or DEVICE/DATASTREAM; empty: leave it out."""
    property_column: str = ""
    result_column: str = ""
    """Together: one result a row."""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""
    decimal: Literal["", ".", ","] = ""
    encoding: Literal["", "utf-8", "utf-8-sig", "cp1252", "utf-16"] = ""
    skip_lines: int = Field(default=0, ge=0)
    """Lines above the header."""
    units_row: bool = False
    """The line below the header has units."""
    missing: list[str] = Field(default_factory=lambda: list(MISSING))
    """What stands for no result, besides an empty cell; in capital or small letters."""


def make_map(given: dict[str, Any], *, source: str) -> FileMap:
    """CorrectInput names `source` and every place in it that is wrong."""
    try:
        return FileMap.model_validate(given)
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:10]]
        raise CorrectInput(f"{source}:\n" + "\n".join(lines)) from error


def read_map(path: Path) -> dict[str, Any]:
    """What a TOML file says, checked; only what it names."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CorrectInput(f"{path}: {error}.") from error
    make_map(given, source=str(path))
    return given
