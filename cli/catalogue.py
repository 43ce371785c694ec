"""`insitu catalogue`: the whole catalogue as one file, to move a lab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.actor import open_acting
from cli.options import JsonOption
from cli.reports import show
from insitu.errors import CorrectInput, NotAcceptedHere
from insitu.whole import write_whole
from store.constraints import NOUNS
from store.database import connect
from trials.workflow.moving import Imported, export_catalogue, import_catalogue

FileArgument = Annotated[Path, typer.Argument(help="A zip file.", dir_okay=False)]


@dataclass(frozen=True, slots=True)
class Written:
    file: str
    bytes: int
    rows: int
    sha256: str


def export(file: FileArgument, as_json: JsonOption = False) -> None:
    """Write the catalogue: everything that was entered and decided, without results and without secrets."""
    target, conn, actor = open_acting("insitu catalogue export")
    with conn:
        done = export_catalogue(conn, by=actor, now=target.clock.now(), simulated=target.clock.is_simulated)
        _write(file, done.content)
    shown = Written(str(file), len(done.content), done.rows, done.sha256)
    show(shown, [f"{file}: {done.rows:,} rows, SHA-256 {done.sha256}"], as_json=as_json)


def _write(file: Path, content: bytes) -> None:
    try:
        write_whole(file, content)
    except OSError as error:
        raise CorrectInput(f"Cannot write {file} ({error.strerror}).") from error


def import_(file: FileArgument, as_json: JsonOption = False) -> None:
    """Enter a catalogue into an installation that was only started. Only the local administrator may."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CorrectInput(f"Cannot read {file} ({error.strerror}).") from error
    target, conn, actor = open_acting("insitu catalogue import")
    conn.close()
    if not actor.startswith("local:"):
        raise NotAcceptedHere(
            f"Only the local administrator imports a catalogue: `insitu logout` ends acting as {actor}."
        )
    with connect(target.owner_url, application="insitu catalogue import") as owner:
        done = import_catalogue(
            owner, content, by=actor, now=target.clock.now(), simulated=target.clock.is_simulated
        )
    show(done, _lines(done), as_json=as_json)


def _lines(done: Imported) -> Iterator[str]:
    yield f"Entered {sum(done.rows.values()):,} rows:"
    yield from (f"  {number:>7,}  {NOUNS[name]}" for name, number in done.rows.items())
    yield "Nobody has a password yet, and no device a credential:"
    if "lab" in done.lab:
        yield "  `lab` signs in with the password of the first start;"
    yield "  `insitu people reset LOGIN` prints a link for a person;"
    yield "  `insitu enrol TRIAL DEVICE` gives a device its credential,"
    yield "  `insitu network CODE --enrol` a network server."
    if not done.lab:
        yield "No person of the lab is in it: `insitu register FILE` enters one."
