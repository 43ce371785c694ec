"""`sensor`: a sensor that is changed, or calibrated again, in the housing of its device."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.actor import LoginOption, open_acting
from cli.fields import to_utc
from cli.output import say
from ingest.acts.sensing import EnterFirst, SensorChange, change_or_correct, told, told_time
from insitu.errors import CorrectInput
from store.catalogue.sensors import Sensor

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
        change = SensorChange(stated, reason, at and to_utc(at), correct, there_at and to_utc(there_at))
        try:
            known = change_or_correct(conn, trial, device, change, now=now, by=actor)
        except EnterFirst as error:
            raise CorrectInput(
                f"{trial}/{device} has no sensor: enter one with its [[device]] and `insitu register`."
            ) from error
        for one in known:
            say(f"{name}: {_told_with_interval(one)}")


def _told_with_interval(one: Sensor) -> str:
    begun = f"since {told_time(one.start)}" if one.start else "from the beginning"
    until = f" until {told_time(one.end)}" if one.end else ""
    return f"{told(one.facts)}, {begun}{until}"
