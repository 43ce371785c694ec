"""`[[device]]` and `[[mapping]]` of a registration: the devices of a trial, and the property and unit of each
field.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from cli.output import say
from insitu.errors import AlreadyExists, CorrectInput
from insitu.model import CODE_PATTERN, DatastreamRole, Stamp
from insitu.spacing import Spacing
from store.access import record
from store.catalogue.datastreams import list_datastreams
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device, add_sensor
from store.fields import FieldRule
from store.mapping import Mapping, new_mapping, require_interval
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

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
Words = StrictBool | StrictInt | StrictFloat | StrictStr
"""A word or number of a payload, as TOML has it."""


def read_interval(given: object) -> Spacing:
    """From a number of seconds, or ISO 8601 as "P1D" or "P1M". ValueError says what to write."""
    if isinstance(given, str):
        return Spacing.parse(given)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 100 * 366 * 86_400:
        raise ValueError('an interval is a number of seconds, or a text as "PT15M", "P1D" or "P1M"')
    return Spacing(timedelta(seconds=given))


Every = Annotated[Spacing, PlainValidator(read_interval)]


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


class MappingEntry(_Entry):
    trial: Code
    devices: str | list[str] = "*"
    field: str = Field(min_length=1, max_length=128)
    property: Code | None = None
    unit: str | None = None
    role: DatastreamRole = DatastreamRole.CANDIDATE
    result_type: Literal["number", "boolean"] | None = None
    every: Every | None = None
    stamp: Stamp = Stamp.INSTANT
    text: bool = False
    decimal: str = "."
    true: tuple[Words, ...] = ()
    false: tuple[Words, ...] = ()
    missing: tuple[Words, ...] = ()
    ignore: bool = False
    health: str = ""
    time: bool | str = ""
    zone: str = ""
    time_field: str = Field(default="", max_length=128)
    scale: float = Field(default=1.0, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)

    def rule(self) -> FieldRule:
        time = ("auto" if self.time else "") if isinstance(self.time, bool) else self.time
        return FieldRule(
            text=self.text,
            decimal=self.decimal,
            true=self.true,
            false=self.false,
            missing=self.missing,
            ignore=self.ignore,
            health=self.health,
            time=time,
            zone=self.zone,
            time_field=self.time_field,
            scale=self.scale,
            offset=self.offset,
        )

    def mapping(self, conn: Connection) -> Mapping:
        """Raises a CorrectInput that says what is wrong."""
        rule = self.rule()
        if self.property is None and rule.is_result:
            raise CorrectInput(
                f"{self.field!r}: say which `property` it is; or `ignore = true`, `health` or `time` if it is "
                "no result."
            )
        return new_mapping(
            conn,
            field=self.field,
            property=self.property or "",
            unit=self.unit,
            devices=self.devices,
            role=self.role,
            result_type=self.result_type or ("boolean" if rule.true or rule.false else "number"),
            every=self.every,
            stamp=self.stamp,
            rule=rule,
        )


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
