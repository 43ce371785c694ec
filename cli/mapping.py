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
from ingest.mapping_entry import Code, Every, MappingEntry
from insitu.errors import CorrectInput
from insitu.model import Stamp
from store.access import record
from store.catalogue.datastreams import list_datastreams
from store.fields import FieldRule
from store.mapping import require_interval
from store.mappings import (
    apply_mappings,
    declare_interval,
    fields_of,
    mappings_of_trial,
    replace_mappings,
)

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
) -> None:
    """For each trial in the file, replace its mappings and give its devices the resulting datastreams."""
    mapped = {entry.trial: None for entry in mappings}
    for trial in mapped:
        with conn.transaction():
            wanted = [entry.mapping(conn) for entry in mappings if entry.trial == trial]
            changes = replace_mappings(conn, trial, wanted)
            done = {
                what: [f"{c.device}/{c.field}" for c in changes if c.what == what]
                for what in ("entered", "changed")
            }
            if any(done.values()):
                record(conn, at=now, login="cli", action="map", subject=trial, detail=done)
        for mapping in wanted:
            if not mapping.property:
                tell(f"entered mapping {trial}/{mapping.field}: {_told_rule(mapping.rule())}")
                continue
            _tell(
                tell,
                f"{trial}/{mapping.field}",
                mapping.unit,
                f"{mapping.property} in {mapping.property_unit}",
                [
                    change
                    for change in changes
                    if change.field == mapping.field and mapping.holds(change.device)
                ],
            )
    for entry in devices:
        if entry.trial not in mapped:
            with conn.transaction():
                apply_mappings(conn, entry.trial, device=entry.code)


def enter_datastream(
    conn: Connection, entry: DatastreamEntry, now: datetime, tell: Callable[[str], None] = say
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
        record(conn, at=now, login="cli", action="map", subject=name, detail=detail)
    tell(f"changed datastream {name}: {', '.join(differing)}")


def _told_rule(rule: FieldRule) -> str:
    """The use of a field that is no result."""
    return f"health, as {rule.health}" if rule.health else "the time" if rule.time else "ignored"


def _tell(tell: Callable[[str], None], name: str, unit: str, kept: str, changes: Sequence[Change]) -> None:
    done = {
        what: [change.device for change in changes if change.what == what]
        for what in ("entered", "changed", "there")
    }
    word = next((what for what, devices in done.items() if devices), "entered")
    told = ", ".join(f"{len(devices)} {what}" for what, devices in done.items() if devices) or "no device yet"
    tell(f"{word:<7} mapping {name}: {unit} → {kept} ({told})")
