"""`sensor`: a sensor that is changed, or calibrated again, in the housing of its device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.actor import LoginOption, open_acting
from cli.entries import differences, told, told_time
from cli.fields import to_utc
from cli.output import say
from insitu.errors import CorrectInput
from store.audit import record
from store.catalogue.devices import find_device
from store.catalogue.sensors import (
    Sensor,
    change_sensor,
    correct_sensor,
    correct_since,
    list_device_sensors,
)

if TYPE_CHECKING:
    from store.database import Connection

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%z"]


def sensor(
    trial: str,
    device: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=_FORMATS,
            help="Since when it is there, UTC or with an offset [default: now; with --correct: as entered].",
        ),
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
        typer.Option("--correct", help="Nothing was changed: an entry was wrong, or its time (--at)."),
    ] = False,
    there_at: Annotated[
        datetime | None,
        typer.Option(
            formats=_FORMATS,
            help="With --correct: the sensor that was there then [default: the present one].",
        ),
    ] = None,
    login: LoginOption = "",
) -> None:
    """Enter another sensor of a device, or a new calibration, from a time on. Its datastreams go on; reports
    list both with their intervals. Or correct such an entry.
    """
    when = calibrated_at and to_utc(calibrated_at)
    given: dict[str, Any] = {"make": make, "model": model, "serial": serial}
    given |= {"calibrated_at": when, "calibration": calibration}
    stated = {name: value for name, value in given.items() if value is not None}
    if not stated and not (correct and at):
        raise CorrectInput(
            "Say what is new: --serial, --calibrated-at, …; with --correct also --at for the right time."
        )
    if there_at is not None and not correct:
        raise CorrectInput("--there-at chooses the entry that --correct corrects: say --correct too.")
    target, conn, actor = open_acting("insitu sensor", login)
    with conn:
        now, name = target.clock.now(), f"{trial}/{device}"
        if at is not None and to_utc(at) > now:
            raise CorrectInput(f"--at {told_time(to_utc(at))} is in the future: enter what has happened.")
        known = _list_sensors(conn, trial, device)
        wrong = _there_at(known, there_at and to_utc(there_at))
        detail: dict[str, Any] = {"reason": reason}
        if correct:
            detail["changes"] = _correct(conn, known, wrong, stated, at and to_utc(at))
        else:
            detail |= {"changes": _change(conn, wrong, stated, to_utc(at or now)), "since": _iso(at or now)}
        verb = "correct" if correct else "change"
        record(conn, at=now, login=actor, action=f"{verb} sensor", subject=name, detail=detail)
        for one in _list_sensors(conn, trial, device):
            say(f"{name}: {_told_with_interval(one)}")


def _list_sensors(conn: Connection, trial: str, device: str) -> list[Sensor]:
    """In order of time; CorrectInput if there is none."""
    known = list_device_sensors(conn, find_device(conn, trial, device).device_id)
    if not known:
        raise CorrectInput(
            f"{trial}/{device} has no sensor: enter one with its [[device]] and `insitu register`."
        )
    return known


def _told_with_interval(one: Sensor) -> str:
    begun = f"since {told_time(one.start)}" if one.start else "from the beginning"
    until = f" until {told_time(one.end)}" if one.end else ""
    return f"{told(one.facts)}, {begun}{until}"


def _iso(when: datetime) -> str:
    return to_utc(when).isoformat()


def _there_at(known: Sequence[Sensor], when: datetime | None) -> Sensor:
    """The sensor of that time; without one, the present one."""
    if when is None:
        return known[-1]
    return next(
        one
        for one in known
        if (one.start is None or one.start <= when) and (one.end is None or when < one.end)
    )


def _change(conn: Connection, before: Sensor, stated: dict[str, Any], since: datetime) -> list[str]:
    facts = before.facts
    if {"make", "model", "serial"} & stated.keys():  # a new sensor does not inherit a calibration
        facts = replace(facts, calibrated_at=None, calibration="")
    after = replace(facts, **stated)
    if after == before.facts:
        raise CorrectInput(f"{before.device} has that sensor already: {told(after)}.")
    change_sensor(conn, before, after, since)
    return differences(before, after)


def _correct(
    conn: Connection, known: Sequence[Sensor], wrong: Sensor, stated: dict[str, Any], since: datetime | None
) -> list[str]:
    """Corrects facts, and since when the sensor is there."""
    after = replace(wrong.facts, **stated)
    changes = differences(wrong, after)
    if since is not None and since != wrong.start:
        correct_since(conn, known, wrong, since)
        changes.append(f"sensor.from was {told_time(wrong.start)}, is {told_time(since)}")
    if not changes:
        raise CorrectInput(f"{wrong.device} has that entry already: {told(after)}.")
    correct_sensor(conn, wrong.sensor_id, after)
    return changes
