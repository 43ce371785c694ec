"""`import`: results from a file, as if its devices had sent them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli import import_options as options
from cli.actor import LoginOption, open_acting
from cli.options import JsonOption
from cli.output import console, errors, progress, warn
from cli.reports import aside, show
from ingest.acts.importing import SayColumns, loader_of, understand_file
from ingest.files.mapping import make_map, read_map
from insitu.errors import CorrectInput, FreeSpace, InsituError, RetryLater
from insitu.model import RejectReason
from insitu.room import Room
from insitu.settings import load

if TYPE_CHECKING:
    from ingest.files.load import Summary
    from ingest.files.mapping import FileMap
    from ingest.files.shape import Layout
    from store.database import Connection


def import_file(
    context: typer.Context,
    file: options.File,
    trial: options.Trial = "",
    device: options.Device = "",
    device_column: options.DeviceColumn = "",
    time_column: options.TimeColumn = None,
    time_format: options.TimeFormat = "",
    zone: options.Zone = "",
    map: options.Map = None,
    long: options.Long = "",
    delimiter: options.Delimiter = "",
    decimal: options.Decimal = "",
    encoding: options.Encoding = "",
    names: options.Names = "",
    skip_lines: options.SkipLines = 0,
    skip_after: options.SkipAfter = 0,
    units_row: options.UnitsRow = False,
    where: options.Where = None,
    sheet: options.Sheet = "",
    member: options.Member = "",
    missing: options.Missing = None,
    keep: options.Keep = None,
    ignore: options.Ignore = None,
    columns: options.ColumnsFile = None,
    dry_run: options.DryRun = False,
    correct: options.Correct = False,
    reason: options.Reason = "",
    login: LoginOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import results from a file along the path of live messages; a repeated import changes nothing."""
    given = _given(context.params)
    if correct != bool(reason.strip()):
        raise CorrectInput('A correction needs both: --correct and --reason "why".')
    said = _said({name: what for name, what in given.items() if what}, columns)
    _import(file, said, dry=dry_run, reason=reason.strip(), login=login, as_json=as_json)


_SAME_NAME = (
    *("trial", "device", "device_column", "time_format", "zone", "decimal", "encoding", "skip_lines"),
    *("skip_after", "units_row", "sheet", "member", "missing", "keep", "ignore"),
)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The description of the file, from the values of the options by name."""
    delimiter, long = options["delimiter"], options["long"]
    given = {
        **{name: options[name] for name in _SAME_NAME},
        "time_columns": options["time_column"],
        "columns": dict(_pair(one, "--map COLUMN=DATASTREAM") for one in options["map"] or ()),
        "where": dict(_pair(one, "--where COLUMN=TEXT") for one in options["where"] or ()),
        "delimiter": {"tab": "\t", "\\t": "\t", "space": " "}.get(delimiter, delimiter),
        "names": next(csv.reader([options["names"]])) if options["names"] else None,
    }
    if long:
        given["property_column"], given["result_column"] = _pair(long, "--long PROPERTY_COLUMN=RESULT_COLUMN")
    return given


def _pair(text: str, form: str) -> tuple[str, str]:
    """Splits at the last =, because headers may contain one."""
    left, equals, right = text.rpartition("=")
    if not equals or not left:
        raise CorrectInput(f"{text!r}: write {form}.")
    return left, right.strip()


def _said(given: dict[str, Any], path: Path | None) -> FileMap:
    if path is not None:
        before = read_map(path)
        both = {name: {**before.get(name, {}), **given.get(name, {})} for name in ("columns", "where")}
        given = {**before, **given, **both}
    return make_map(given, source="import")


def _import(file: Path, said: FileMap, *, dry: bool, reason: str, login: str, as_json: bool) -> None:
    target, conn, actor = open_acting("insitu import", login)
    with conn:
        layout = _understood(conn, file, said)
        conn.rollback()
        for sentence in layout.sentences:
            aside(as_json)(sentence)
        settings = load()
        disk = target.data_dir if target.running is not None else settings.database_disk
        loader = loader_of(
            conn,
            file,
            layout,
            clock=target.clock,
            by=actor,
            dry=dry,
            reason=reason,
            room=Room(disk, settings.least_free_bytes),
        )
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


def _understood(conn: Connection, file: Path, said: FileMap) -> Layout:
    """Raises a CorrectInput with the tables to paste if the device has no datastream yet."""
    try:
        return understand_file(conn, file, said)
    except SayColumns as missing:
        raise CorrectInput(
            f"{missing} Say what its columns are: put these tables into a file, check them, enter it "
            f"with `insitu register FILE`, and run the same import again.\n\n{missing.tables}"
        ) from missing


def _report(layout: Layout, summary: Summary, *, dry: bool, as_json: bool) -> None:
    """Raises InsituError if anything was refused that somebody can mend, so that the exit code shows it. A
    result that is not finite is what the sensor gave.
    """
    document = {"trial": layout.trial, "understood": layout.sentences, "is_dry_run": dry, **asdict(summary)}
    show(document, _lines(summary, dry=dry), as_json=as_json)
    if set(summary.refused) - {RejectReason.NOT_FINITE}:
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
