"""The options of `import`, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(help="CSV, a workbook or Parquet; also as .gz or .zip.")]
Trial = Annotated[str, typer.Option(help="The trial that the data belong to.")]
Device = Annotated[str, typer.Option(help="The device that measured, if the file has only one.")]
DeviceColumn = Annotated[str, typer.Option(help="The column that names the device.")]
TimeColumn = Annotated[
    list[str] | None,
    typer.Option(help="The time; twice for a date and a time of day; more with --time-format."),
]
TimeFormat = Annotated[
    str,
    typer.Option(help="In strptime's format, such as '%d/%m/%Y %H:%M'; excel for a spreadsheet's days."),
]
Zone = Annotated[
    str,
    typer.Option(help="Of times without an offset: Europe/Paris, or +01:00 for a clock that never changes."),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        help="COLUMN=DATASTREAM or COLUMN=DEVICE/DATASTREAM, then :UNIT; COLUMN= leaves it out. With "
        "--long: TEXT=DATASTREAM."
    ),
]
Long = Annotated[str, typer.Option(help="PROPERTY_COLUMN=RESULT_COLUMN: a row for each result.")]
Delimiter = Annotated[str, typer.Option(help=", or ; or tab or | or space; otherwise found.")]
Decimal = Annotated[str, typer.Option(help="Point or comma: . or ,; otherwise found.")]
Encoding = Annotated[str, typer.Option(help="utf-8, utf-8-sig, cp1252 or utf-16.")]
Names = Annotated[str, typer.Option(help="Names of the columns, with commas, of a file without a header.")]
SkipLines = Annotated[int, typer.Option(help="Lines above the header; otherwise found.")]
SkipAfter = Annotated[int, typer.Option(help="Lines between the header and the first row.")]
UnitsRow = Annotated[bool, typer.Option("--units-row", help="The line below the header has units.")]
Where = Annotated[
    list[str] | None, typer.Option(help="COLUMN=TEXT: only rows with this text, such as station=A.")
]
Sheet = Annotated[str, typer.Option(help="The sheet of a workbook.")]
Member = Annotated[str, typer.Option(help="The file in a zip file.")]
Missing = Annotated[
    list[str] | None,
    typer.Option(help="Texts for no result, besides NA, NaN, null, -, …: -999 and such."),
]
Keep = Annotated[list[str] | None, typer.Option(help="Numbers such as -999 that are results all the same.")]
Ignore = Annotated[
    list[str] | None,
    typer.Option(help="A statement of the file about its clock or a unit that is wrong, as it is written."),
]
ColumnsFile = Annotated[
    Path | None, typer.Option(help="A TOML file with these options; options given here win.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")]
Correct = Annotated[
    bool, typer.Option("--correct", help="Replace stored results that differ; needs --reason.")
]
Reason = Annotated[str, typer.Option(help="Why results are corrected; kept with each of them.")]
