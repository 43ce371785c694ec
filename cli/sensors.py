"""`sensor`: a sensor that is changed, or calibrated again, in the housing of its device."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.entries import differences, told
from cli.output import say
from cli.target import open_target
from insitu.errors import CorrectInput
from store.access import record
from store.catalogue.devices import find_device
from store.catalogue.sensors import SensorFacts, change_sensor, correct_sensor, list_device_sensors

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%z"]


def sensor(
    trial: str,
    device: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    at: Annotated[
        datetime | None,
        typer.Option(formats=_FORMATS, help="Since when, UTC or with an offset [default: now]."),
    ] = None,
    make: Annotated[str | None, typer.Option(help="Who made it.")] = None,
    model: Annotated[str | None, typer.Option(help="Its type.")] = None,
    serial: Annotated[str | None, typer.Option(help="Its serial number.")] = None,
    calibrated_at: Annotated[
        datetime | None, typer.Option(formats=_FORMATS, help="When it was calibrated.")
    ] = None,
    calibration: Annotated[str | None, typer.Option(help="How, or by which certificate.")] = None,
    correct: Annotated[
        bool,
        typer.Option("--correct", help="Nothing was changed: the entry of the present sensor was wrong."),
    ] = False,
    login: Annotated[str, typer.Option(help="Who changes it.")] = "cli",
) -> None:
    """Enter another sensor of a device, or a new calibration, from a time on. Its datastreams go on;
    reports list
    both with their intervals.
    """
    given: dict[str, Any] = {
        "make": make,
        "model": model,
        "serial": serial,
        "calibrated_at": calibrated_at and _utc(calibrated_at),
        "calibration": calibration,
    }
    stated = {name: value for name, value in given.items() if value is not None}
    if not stated or (correct and at is not None):
        raise CorrectInput(
            "Say what is new: --serial, --calibrated-at, … A change has a time (--at), a correction "
            "(--correct) none."
        )
    target, conn = open_target("insitu sensor")
    with conn:
        now = target.clock.now()
        known = list_device_sensors(conn, find_device(conn, trial, device).device_id)
        if not known:
            raise CorrectInput(
                f"{trial}/{device} has no sensor: enter one with its [[device]] and `insitu register`."
            )
        before = known[-1]
        after = _after(before.facts, stated, correct=correct)
        if after == before.facts:
            raise CorrectInput(f"{trial}/{device} has that sensor already: {told(after)}.")
        since = _utc(at or now)
        if correct:
            correct_sensor(conn, before.sensor_id, after)
        else:
            change_sensor(conn, before, after, since)
        detail = {"reason": reason, "changes": differences(before, after), "since": since.isoformat()}
        verb = "correct" if correct else "change"
        record(conn, at=now, login=login, action=f"{verb} sensor", subject=f"{trial}/{device}", detail=detail)
    when = "" if correct else f" since {since:%Y-%m-%d %H:%M} UTC; before: {told(before.facts)}"
    say(f"The sensor of {trial}/{device} is {told(after)}{when}.")


def _after(before: SensorFacts, stated: dict[str, Any], *, correct: bool) -> SensorFacts:
    """A new sensor does not inherit the calibration of the one that is gone."""
    if not correct and {"make", "model", "serial"} & stated.keys():
        before = replace(before, calibrated_at=None, calibration="")
    return replace(before, **stated)


def _utc(when: datetime) -> datetime:
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
