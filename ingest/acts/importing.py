"""Results from a file: understood first, then imported. Unlike other acts an import commits after each batch,
so that an interruption loses nothing; the same file again completes it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.files.layout import understand
from ingest.files.load import Loader, Summary, fingerprint
from ingest.files.undeclared import DeclareDatastreams, Observable, write_mappings
from ingest.refusals import without_persons
from insitu.errors import CorrectInput
from insitu.room import Room
from store.catalogue.properties import list_properties
from store.catalogue.snapshot import load_snapshot
from store.corrections import Correction
from store.imports import Origin

if TYPE_CHECKING:
    from ingest.files.mapping import FileMap
    from ingest.files.shape import Layout
    from insitu.clock import Clock
    from store.database import Connection


class SayColumns(CorrectInput):
    """The device of the file has no datastream. `tables`: `[[mapping]]` that would give it some, to be
    checked.
    """

    def __init__(self, text: str, tables: str) -> None:
        super().__init__(text)
        self.tables = tables


def understand_file(conn: Connection, path: Path, said: FileMap) -> Layout:
    """The meaning of each column. Raises CorrectInput that asks for what the file leaves open, SayColumns."""
    try:
        return understand(path, said, load_snapshot(conn))
    except DeclareDatastreams as missing:
        known = [
            Observable(one.code, frozenset(n.casefold() for n in (one.code, *one.name.values())), one.unit)
            for one in list_properties(conn)
        ]
        raise SayColumns(f"{path}: {missing}", write_mappings(missing, known)) from missing


def loader_of(
    conn: Connection,
    path: Path,
    layout: Layout,
    *,
    clock: Clock,
    by: str,
    dry: bool = False,
    reason: str = "",
    room: Room | None = None,
) -> Loader:
    """The importer of the file. `dry`: nothing is written. `room`: on the disk of the database. `reason`:
    stored results that differ are corrected, and why.
    """
    name, digest = without_persons(path.name), fingerprint(path)
    understood = [without_persons(one) for one in layout.sentences]
    origin = Origin(name, by, layout.trial, digest, understood)
    correction = Correction(layout.trial, by, reason, name, digest) if reason else None
    return Loader(conn, layout, clock=clock, dry=dry, correction=correction, origin=origin, room=room)


def import_file(
    conn: Connection,
    path: Path,
    layout: Layout,
    *,
    clock: Clock,
    by: str,
    dry: bool = False,
    say: Callable[[float, Summary], None] = lambda done, so_far: None,
) -> Summary:
    """Import the file, or count what an import would do. A repeat stores nothing twice."""
    return loader_of(conn, path, layout, clock=clock, by=by, dry=dry).run(say)
