"""`map` and `mappings`: apply the mappings of a device family, or only try some on the refused messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import open_acting
from cli.mapping import edit_trial
from cli.options import JsonOption
from cli.output import say, warn
from cli.registration import read_registration
from cli.reports import show
from ingest.device_families import Family, families, family
from ingest.mapping_edits import edit_mappings
from ingest.trial_run import FieldOutcome, Tried, try_mappings
from insitu.errors import CorrectInput
from store.catalogue.properties import list_properties
from store.catalogue.trials import get_trial

if TYPE_CHECKING:
    from ingest.mapping_entry import MappingEntry
    from store.database import Connection

_MOST_DETAIL = 150


def mappings(as_json: JsonOption = False) -> None:
    """List the device families whose mappings come with Insitu."""
    show(families(), (line for one in families() for line in _family_lines(one)), as_json=as_json)


def _family_lines(one: Family) -> Iterator[str]:
    yield f"{one.name}: {one.title}"
    yield f"  {', '.join(one.properties)}; {one.sent}"


def map_trial(
    trial: Annotated[str, typer.Argument(help="Code of the trial.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Registration with [[mapping]]; its mappings are entered beside the trial's others."
        ),
    ] = None,
    family_names: Annotated[
        list[str] | None, typer.Option("--family", help="A family of `insitu mappings`; may be repeated.")
    ] = None,
    devices: Annotated[
        str, typer.Option(help="Only these devices: a code, or a pattern with * and ?.")
    ] = "*",
    renamed: Annotated[
        list[str] | None,
        typer.Option("--property", help="FAMILY=OURS: the property here that a family's property is."),
    ] = None,
    zone: Annotated[
        str, typer.Option(help="Time zone of the clock of devices that send local time, as Europe/Paris.")
    ] = "",
    is_try: Annotated[
        bool, typer.Option("--try", help="Store nothing: show what the refused messages would become.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Map the fields of a device family, or show with --try what mappings make of the refused messages."""
    if file is not None and family_names:
        raise CorrectInput("Give a file or --family, not both.")
    if file is None and not family_names and not is_try:
        raise CorrectInput("Say what to map: a file, --family NAME (`insitu mappings` lists them), or --try.")
    target, conn, actor = open_acting("insitu map")
    with conn:
        entries = _of_file(file, trial) if file is not None else None
        if family_names:
            entries = _of_families(conn, family_names, trial, devices, renamed or [], zone)
        if is_try:
            wanted = None if entries is None else edit_mappings(conn, trial, entries).mappings
            tried = try_mappings(conn, trial, wanted)
            show(tried, _lines(tried), as_json=as_json)
            return
        changes = edit_trial(conn, trial, entries or [], target.clock.now(), login=actor)
    entered = sum(change.what == "entered" for change in changes)
    say(f"{entered} datastreams entered. To store what was refused: insitu replay --trial {trial}")


def _of_file(file: Path, trial: str) -> list[MappingEntry]:
    entries = [entry for entry in read_registration(file).mapping if entry.trial == trial]
    if not entries:
        raise CorrectInput(f"{file} has no [[mapping]] of trial {trial!r}.")
    return entries


def _of_families(
    conn: Connection, names: Sequence[str], trial: str, devices: str, renamed: Sequence[str], zone: str
) -> list[MappingEntry]:
    """Mappings of the families; fields of properties that are not registered here are named and left out."""
    ours = dict(_pair(text) for text in renamed)
    known = {one.code for one in list_properties(conn)}
    found: dict[str, MappingEntry] = {}
    for one in map(family, names):
        name = one.name
        if one.local_time and not zone:
            raise CorrectInput(
                f"{name} sends local time without an offset: say the zone of its clock, as "
                f"--zone {get_trial(conn, trial).time_zone}."
            )
        for entry in one.entries(trial, devices, ours, zone):
            if not entry.property or entry.property in known:
                found.setdefault(entry.field, entry)
            else:
                warn(f"{name}: {entry.field!r} is left out: register the property {entry.property!r} first.")
    return list(found.values())


def _pair(text: str) -> tuple[str, str]:
    theirs, equals, ours = text.partition("=")
    if not (theirs and equals and ours):
        raise CorrectInput(f"{text!r}: write --property FAMILY=OURS, as temperature=air-temperature.")
    return theirs, ours


def _lines(tried: Tried) -> Iterator[str]:
    yield f"{tried.messages} refused messages read again; nothing was stored."
    for one in tried.fields:
        yield _line(one)


def _line(one: FieldOutcome) -> str:
    name = one.field or "(message)"
    sent = json.dumps(one.sent, ensure_ascii=False, default=str)[:60]
    if one.outcome == "stored" and one.result is not None:
        time = one.time.isoformat(timespec="seconds").replace("+00:00", "Z") if one.time else ""
        return (
            f"  observation  {name}: {sent} → {one.property} {one.result:g} {one.unit} at {time}, "
            f"as on {one.device} ({one.times})"
        )
    if one.outcome == "refused":
        return f"  refused      {name}: {one.reason}: {one.detail[:_MOST_DETAIL]} ({one.times})"
    return f"  {one.outcome:<12} {name}: {one.detail or one.reason} ({one.times})"
