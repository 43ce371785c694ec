"""`import`: results from a file, as if its devices had sent them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import JsonOption
from cli.output import console, errors, progress, warn
from cli.reports import aside, show
from cli.target import open_target
from ingest.files.layout import understand
from ingest.files.load import Loader, fingerprint
from ingest.files.mapping import make_map, read_map
from insitu.errors import CorrectInput, FreeSpace, InsituError, RetryLater
from store.catalogue.snapshot import load_snapshot
from store.corrections import Correction
from store.imports import Origin

if TYPE_CHECKING:
    from ingest.files.load import Summary
    from ingest.files.mapping import FileMap
    from ingest.files.shape import Layout
    from store.corrections import Correction


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet.")],
    trial: Annotated[str, typer.Option(help="The trial that the data belong to.")] = "",
    device: Annotated[str, typer.Option(help="The device that measured, if the file has only one.")] = "",
    device_column: Annotated[str, typer.Option(help="The column that names the device.")] = "",
    time_column: Annotated[
        list[str] | None, typer.Option(help="The time; twice for a date and a time of day.")
    ] = None,
    time_format: Annotated[str, typer.Option(help="In strptime's format, such as '%d/%m/%Y %H:%M'.")] = "",
    zone: Annotated[str, typer.Option(help="Of times without an offset, such as Europe/Paris.")] = "",
    map: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=DATASTREAM or COLUMN=DEVICE/DATASTREAM; COLUMN= leaves it out."),
    ] = None,
    long: Annotated[str, typer.Option(help="PROPERTY_COLUMN=RESULT_COLUMN: a row for each result.")] = "",
    delimiter: Annotated[str, typer.Option(help=", or ; or tab or |; otherwise found.")] = "",
    decimal: Annotated[str, typer.Option(help="Point or comma: . or ,; otherwise found.")] = "",
    encoding: Annotated[str, typer.Option(help="utf-8, utf-8-sig, cp1252 or utf-16.")] = "",
    skip_lines: Annotated[int, typer.Option(help="Lines above the header.")] = 0,
    units_row: Annotated[
        bool, typer.Option("--units-row", help="The line below the header has units.")
    ] = False,
    missing: Annotated[
        list[str] | None, typer.Option(help="Texts for no result, instead of NA, NaN, null, -, …")
    ] = None,
    columns: Annotated[
        Path | None, typer.Option(help="A TOML file with these options; options given here win.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    correct: Annotated[
        bool, typer.Option("--correct", help="Replace stored results that differ; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why results are corrected; kept with each of them.")] = "",
    login: str = "lab",
    as_json: JsonOption = False,
) -> None:
    """Import results from a CSV or Parquet file along the path of live messages; a repeated import changes
    nothing.
    """
    given: dict[str, Any] = {
        "trial": trial,
        "device": device,
        "device_column": device_column,
        "time_columns": time_column,
        "time_format": time_format,
        "zone": zone,
        "columns": dict(_pair(one, "--map COLUMN=DATASTREAM") for one in map or ()),
        "delimiter": "\t" if delimiter in ("tab", "\\t") else delimiter,
        "decimal": decimal,
        "encoding": encoding,
        "skip_lines": skip_lines,
        "units_row": units_row,
        "missing": missing,
    }
    if long:
        given["property_column"], given["result_column"] = _pair(long, "--long PROPERTY_COLUMN=RESULT_COLUMN")
    if correct != bool(reason.strip()):
        raise CorrectInput('A correction needs both: --correct and --reason "why".')
    said = _said({name: what for name, what in given.items() if what}, columns)
    _import(file, said, dry=dry_run, reason=reason.strip(), login=login, as_json=as_json)


def _pair(text: str, form: str) -> tuple[str, str]:
    """Splits at the last =, because headers may contain one."""
    left, equals, right = text.rpartition("=")
    if not equals or not left:
        raise CorrectInput(f"{text!r}: write {form}.")
    return left, right.strip()


def _said(given: dict[str, Any], path: Path | None) -> FileMap:
    if path is not None:
        before = read_map(path)
        given = {**before, **given, "columns": {**before.get("columns", {}), **given.get("columns", {})}}
    return make_map(given, source="import")


def _import(file: Path, said: FileMap, *, dry: bool, reason: str, login: str, as_json: bool) -> None:
    target, conn = open_target("insitu import")
    with conn:
        layout = understand(file, said, load_snapshot(conn))
        conn.rollback()
        for sentence in layout.sentences:
            aside(as_json)(sentence)
        origin = Origin(file.name, login, said.trial, fingerprint(file), layout.sentences)
        correction: Correction | None = None
        if reason:
            correction = Correction(said.trial, login, reason, file.name, fingerprint(file))
        loader = Loader(conn, layout, clock=target.clock, dry=dry, correction=correction, origin=origin)
        try:
            with progress(file.name, errors if as_json else console) as steps:
                summary = loader.run(
                    lambda done, so_far: steps(done, 1.0, f"{so_far.rows} rows, {so_far.stored} stored")
                )
        except (KeyboardInterrupt, RetryLater, FreeSpace):
            warn(
                f"Stopped after row {loader.summary.last_row}: what is stored stays; the same command again "
                "completes it."
            )
            raise
    _report(layout, summary, dry=dry, as_json=as_json)


def _report(layout: Layout, summary: Summary, *, dry: bool, as_json: bool) -> None:
    """Raises InsituError if anything was refused, so that the exit code shows it."""
    document = {"trial": layout.trial, "understood": layout.sentences, "is_dry_run": dry, **asdict(summary)}
    show(document, _lines(summary, dry=dry), as_json=as_json)
    if summary.refused:
        raise InsituError(
            f"{layout.file}: not everything could be stored. docs/rejects.md says how to fix each reason. "
            "After a change of the catalogue: "
            f"`insitu replay --trial {layout.trial}`; after a change of the file: import it again."
        )


def _lines(summary: Summary, *, dry: bool) -> Iterator[str]:
    speed = summary.rows / summary.elapsed_s if summary.elapsed_s else 0
    yield (
        f"{'Nothing was written; it would be: ' if dry else ''}{summary.rows} rows, {summary.contained} "
        f"results: {summary.stored} stored, "
        f"{summary.duplicate} there already"
        + (f" ({summary.corrected} of them corrected)" if summary.corrected else "")
        + f". {summary.elapsed_s:.1f} s, {speed:.0f} rows/s."
    )
    if summary.import_id is not None:
        yield (
            f"This is import {summary.import_id}. If it was wrong: `insitu withdraw {summary.import_id} "
            "--reason WHY` takes its results out of use."
        )
    if summary.empty:
        yield f"{summary.empty} rows have no result."
    for code, refused in sorted(summary.refused.items()):
        what = (
            f"{refused.results} results of {refused.rows} rows" if refused.results else f"{refused.rows} rows"
        )
        yield f"refused    {code}: {what}, the first in row {refused.first_row}: {refused.detail}"
