"""`[[device]]` and `[[mapping]]` of a registration: the devices of a trial, and the property and unit of each
field.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from cli.output import say
from ingest.mapping_entry import Code, Every, MappingEntry
from insitu.errors import AlreadyExists, CorrectInput
from insitu.model import Stamp
from store.access import record
from store.catalogue.datastreams import list_datastreams
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device, add_sensor
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
    from store.database import Connection
    from store.mappings import Change


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SensorEntry(_Entry):
    make: str
    model: str
    serial: str = ""
    calibrated_at: datetime | None = None
    calibration: str = ""


class DeviceEntry(_Entry):
    trial: Code
    code: Code
    name: str = ""
    model: str = ""
    serial: str = ""
    site: Code
    position: str = ""
    start: datetime | None = None
    sensor: SensorEntry | None = None


class DatastreamEntry(_Entry):
    """Facts about a datastream that `enrol --measure` made; those of a mapping stand in the mapping."""

    trial: Code
    device: Code
    field: str = Field(min_length=1, max_length=128)
    every: Every | None = None
    stamp: Stamp = Stamp.INSTANT


def enter_device(conn: Connection, entry: DeviceEntry, now: datetime) -> None:
    """Enter a device at its place, from `start` or now; an existing one keeps everything, including its
    place.
    """
    start = (
        now if entry.start is None else entry.start if entry.start.tzinfo else entry.start.replace(tzinfo=UTC)
    )
    try:
        with conn.transaction():
            number = add_device(
                conn,
                trial=entry.trial,
                code=entry.code,
                name=entry.name or entry.code,
                model=entry.model,
                serial=entry.serial,
                now=now,
            )
            deploy(
                conn, device_id=number, site=entry.site, position=entry.position or entry.code, start=start
            )
            if entry.sensor is not None:
                add_sensor(conn, device_id=number, **dict(entry.sensor))
    except AlreadyExists:
        say(f"there   device {entry.trial}/{entry.code}")
    else:
        say(f"entered device {entry.trial}/{entry.code}")


def enter_mappings(
    conn: Connection, devices: Sequence[DeviceEntry], mappings: Sequence[MappingEntry], now: datetime
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
                say(f"entered mapping {trial}/{mapping.field}: {_told_rule(mapping.rule())}")
                continue
            _tell(
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


def enter_datastream(conn: Connection, entry: DatastreamEntry, now: datetime) -> None:
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
    require_interval(name, every, entry.stamp)
    if (every, entry.stamp) == (stream.every(), stream.stamp):
        say(f"there   datastream {name}")
        return
    with conn.transaction():
        declare_interval(conn, stream.datastream_id, every, entry.stamp)
        detail = {"every": str(every) if every else None, "stamp": str(entry.stamp)}
        record(conn, at=now, login="cli", action="map", subject=name, detail=detail)
    say(f"changed datastream {name}")


def _told_rule(rule: FieldRule) -> str:
    """The use of a field that is no result."""
    return f"health, as {rule.health}" if rule.health else "the time" if rule.time else "ignored"


def _tell(name: str, unit: str, kept: str, changes: Sequence[Change]) -> None:
    done = {
        what: [change.device for change in changes if change.what == what]
        for what in ("entered", "changed", "there")
    }
    word = next((what for what, devices in done.items() if devices), "entered")
    told = ", ".join(f"{len(devices)} {what}" for what, devices in done.items() if devices) or "no device yet"
    say(f"{word:<7} mapping {name}: {unit} → {kept} ({told})")
