"""`[[mapping]]` and `[[datastream]]` of a registration: the property and unit of each field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from cli.output import say
from ingest.acts.mapping import save_mappings
from ingest.mapping_entry import Code, Every, MappingEntry
from insitu.errors import CorrectInput
from insitu.model import Stamp
from store.audit import SERVICE, record
from store.catalogue.datastreams import list_datastreams
from store.mapping import require_interval
from store.mappings import apply_mappings, declare_interval, fields_of, mappings_of_trial

if TYPE_CHECKING:
    from cli.entries import DeviceEntry
    from store.database import Connection
    from store.mappings import Change


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatastreamEntry(_Entry):
    """Facts about a datastream that `enrol --measure` made; those of a mapping stand in the mapping."""

    trial: Code
    device: Code
    field: str = Field(min_length=1, max_length=128)
    every: Every | None = None
    stamp: Stamp = Stamp.INSTANT


def enter_mappings(
    conn: Connection,
    devices: Sequence[DeviceEntry],
    mappings: Sequence[MappingEntry],
    now: datetime,
    tell: Callable[[str], None] = say,
    login: str = SERVICE,
) -> None:
    """For each trial in the file, edit its mappings and give its devices the resulting datastreams."""
    mapped = {entry.trial: None for entry in mappings}
    for trial in mapped:
        edit_trial(conn, trial, [entry for entry in mappings if entry.trial == trial], now, tell, login)
    for entry in devices:
        if entry.trial not in mapped:
            with conn.transaction():
                apply_mappings(conn, entry.trial, device=entry.code)


def enter_datastream(
    conn: Connection,
    entry: DatastreamEntry,
    now: datetime,
    tell: Callable[[str], None] = say,
    login: str = SERVICE,
) -> None:
    """Declare the interval and the stamp of a datastream that no mapping made. CorrectInput names the mapping
    of one that has one.
    """
    if entry.field in fields_of(mappings_of_trial(conn, entry.trial), entry.device):
        raise CorrectInput(
            f"{entry.trial}/{entry.device}/{entry.field} comes from a mapping: declare `every` and `stamp` "
            "there."
        )
    name = f"{entry.trial}/{entry.device}/{entry.field}"
    stream = next(
        (s for s in list_datastreams(conn, entry.trial) if (s.device, s.name) == (entry.device, entry.field)),
        None,
    )
    if stream is None:
        raise CorrectInput(f"There is no datastream {name}: `insitu enrol --measure` or a mapping makes one.")
    every = entry.every or stream.every()
    stamp = entry.stamp if "stamp" in entry.model_fields_set else stream.stamp
    require_interval(name, every, stamp)
    differing = [
        f"{field} was {was or 'nothing'}, is {new}"
        for field, was, new in (("every", stream.every(), every), ("stamp", stream.stamp, stamp))
        if was != new
    ]
    if not differing:
        tell(f"there   datastream {name}")
        return
    with conn.transaction():
        declare_interval(conn, stream.datastream_id, every, stamp)
        detail = {"every": str(every) if every else None, "stamp": str(stamp)}
        record(conn, at=now, login=login, action="map", subject=name, detail=detail)
    tell(f"changed datastream {name}: {', '.join(differing)}")


def edit_trial(
    conn: Connection,
    trial: str,
    entries: Sequence[MappingEntry],
    now: datetime,
    tell: Callable[[str], None] = say,
    login: str = SERVICE,
) -> list[Change]:
    """Enter, change and remove mappings of one trial, with a line for each entry. Returns what happened to
    datastreams.
    """
    saved = save_mappings(conn, trial, entries, now=now, by=login)
    for line in saved.lines:
        tell(line)
    return saved.changes
