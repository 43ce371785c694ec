"""`[[device]]` of a registration: a device with its place and its sensor, entered or compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ingest.acts.sensing import differences, told, told_time
from insitu.entered import Code, Entry, Line, Moment, Name
from insitu.errors import AlreadyExists, CorrectInput
from store.audit import SERVICE, record
from store.catalogue.deployments import correct_place, deploy, end_deployment, list_deployments
from store.catalogue.devices import add_device, find_device
from store.catalogue.entries import amend, compare
from store.catalogue.sensors import (
    Sensor,
    SensorFacts,
    change_sensor,
    correct_sensor,
    correct_since,
    first_sensor,
    list_device_sensors,
)

if TYPE_CHECKING:
    from store.catalogue.deployments import Deployment
    from store.database import Connection


class SensorEntry(Entry):
    """`from`: since when this sensor is in the device; without it, from the device's beginning."""

    make: Name
    model: Name
    serial: Line = ""
    calibrated_at: Moment | None = None
    calibration: Line = ""
    since: Moment | None = Field(default=None, alias="from")

    def facts(self) -> SensorFacts:
        return SensorFacts(self.make, self.model, self.serial, self.calibrated_at, self.calibration)


class DeviceEntry(Entry):
    trial: Code
    code: Code
    name: Line = ""
    model: Line = ""
    serial: Line = ""
    site: Code
    position: Line = ""
    start: Moment | None = None
    sensor: SensorEntry | None = None


def enter_device(
    conn: Connection, entry: DeviceEntry, now: datetime, reason: str = "", login: str = SERVICE
) -> str:
    """Enter a device at its place, from `start` or now; an existing one is compared field by field.
    Returns the
    line that says what happened. CorrectInput if it is there in another way that cannot change like this.
    """
    name = f"{entry.trial}/{entry.code}"
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
            start = entry.start or now
            deploy(conn, device_id=number, site=entry.site, position=_position(entry), start=start)
            if entry.sensor is not None:
                if entry.sensor.since is not None and entry.sensor.since > start:
                    raise CorrectInput(
                        f"device {name} is there before its sensor, which comes "
                        f"{told_time(entry.sensor.since)}: enter "
                        "the sensor that it had first, and then the change."
                    )
                first_sensor(conn, number, entry.sensor.facts())
            facts = entry.model_dump(mode="json", exclude_none=True)
            record(conn, at=now, login=login, action="enter device", subject=name, detail=facts)
    except AlreadyExists:
        with conn.transaction():
            changes = _compared(conn, entry, name, reason)
            if not changes:
                return f"there   device {name}"
            detail = {"changes": changes} | ({"reason": reason} if reason else {})
            record(conn, at=now, login=login, action="change device", subject=name, detail=detail)
        return f"changed device {name}: {'; '.join(changes)}"
    return f"entered device {name}"


def _position(entry: DeviceEntry) -> str:
    return entry.position or entry.code


def _compared(conn: Connection, entry: DeviceEntry, name: str, reason: str) -> list[str]:
    """Changes of an existing device, in words."""
    number = find_device(conn, entry.trial, entry.code).device_id
    found = compare(conn, "device", name, entry.stated())
    if found:
        amend(conn, "device", name, found, reason=reason)
    stays = [one for one in list_deployments(conn, entry.trial) if one.device_id == number]
    first = min((one.start for one in stays), default=datetime.now(UTC))
    return [
        *map(str, found),
        *_placed(conn, entry, number, stays, reason),
        *(_sensed(conn, entry.sensor, number, name, first, reason) if entry.sensor is not None else []),
    ]


def _placed(
    conn: Connection, entry: DeviceEntry, number: int, stays: Sequence[Deployment], reason: str
) -> list[str]:
    """Compares the place: another one from a later time is a move."""
    said_position = "position" in entry.model_fields_set
    wanted = f"{entry.site}, {_position(entry)}"
    same = [
        s for s in stays if s.site == entry.site and (not said_position or s.position == _position(entry))
    ]
    if not stays:
        deploy(
            conn,
            device_id=number,
            site=entry.site,
            position=_position(entry),
            start=entry.start or datetime.now(UTC),
        )
        return [f"stands at {wanted}"]
    if any(entry.start in (None, stay.start) for stay in same):
        return []
    last = stays[-1]
    was = f"{last.site}, {last.position}, from {told_time(last.start)}"
    if entry.start is not None and entry.start > last.start and last not in same:
        if last.end is None:
            end_deployment(conn, device_id=number, at=entry.start)
        deploy(conn, device_id=number, site=entry.site, position=_position(entry), start=entry.start)
        return [f"place was {was}, is {wanted} from {told_time(entry.start)}"]
    if same:
        raise CorrectInput(
            f"device {entry.trial}/{entry.code} is entered already: "
            f"start was {told_time(same[-1].start)}, is {told_time(entry.start)} "
            f"(`insitu deployment {entry.trial} {entry.code} --start … --reason WHY` corrects it)."
        )
    stay = next((s for s in stays if entry.start in (None, s.start)), last)
    if not reason or entry.start not in (None, stay.start):
        raise CorrectInput(
            f"device {entry.trial}/{entry.code} is entered already: place was {was}, is {wanted} (if it "
            f"moved, say "
            "since when with `start`; a wrong entry is corrected with --reason WHY)."
        )
    position = _position(entry) if said_position else stay.position
    correct_place(conn, device_id=number, start=stay.start, site=entry.site, position=position)
    return [f"place was {was}, is {entry.site}, {position}"]


def _sensed(
    conn: Connection, entry: SensorEntry, number: int, name: str, first: datetime, reason: str
) -> list[str]:
    """Compares the sensor: another one from a time on is a change. `first`: since when the device is
    deployed.
    """
    known = list_device_sensors(conn, number)
    if not known:
        first_sensor(conn, number, entry.facts())
        return [f"sensor was nothing, is {told(entry.facts())}"]
    current = known[-1]
    wanted = replace(current.facts, **_stated(entry))
    same = [one for one in known if replace(one.facts, **_stated(entry)) == one.facts]
    if any(entry.since in (None, one.start) for one in same):
        return []
    if any(one.start is None for one in same):
        if entry.since is not None and entry.since <= first:
            return []
        raise CorrectInput(
            f"device {name} is entered already: sensor.from was the beginning of the device, is "
            f"{told_time(entry.since)}, and nothing else differs (say what is new of the sensor: serial, "
            f"calibrated_at, …)."
        )
    if current in same and entry.since is not None:
        return _again_from(conn, known, name, entry.since, reason)
    at_that_time = next((one for one in known if one.start == entry.since), None)
    if entry.since is not None and at_that_time is None:
        change_sensor(conn, current, entry.facts(), entry.since)
        return [f"sensor was {told(current.facts)}, is {told(entry.facts())} from {told_time(entry.since)}"]
    wrong = at_that_time or current
    if not reason:
        raise CorrectInput(
            f"device {name} is entered already: {'; '.join(differences(wrong, wanted))} (if the sensor "
            f"was changed "
            "or calibrated again, say since when: `from = TIME` in its entry, or `insitu sensor`; a "
            "wrong entry is "
            "corrected with --reason WHY)."
        )
    correct_sensor(conn, wrong.sensor_id, replace(wrong.facts, **_stated(entry)))
    return differences(wrong, wanted)


def _again_from(
    conn: Connection, known: Sequence[Sensor], name: str, since: datetime, reason: str
) -> list[str]:
    """The present sensor, entered again with another `from`: with a reason, a correction."""
    change = f"sensor.from was {told_time(known[-1].start)}, is {told_time(since)}"
    if not reason:
        raise CorrectInput(
            f"device {name} is entered already: {change}, and nothing else differs (a wrong time is "
            "corrected with --reason WHY; of a new calibration say calibrated_at)."
        )
    correct_since(conn, known, known[-1], since)
    return [change]


def _stated(entry: SensorEntry) -> dict[str, Any]:
    return {name: value for name, value in entry.stated().items() if name != "since"}
