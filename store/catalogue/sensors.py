"""Sensors inside devices, one after the other. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from insitu.errors import CorrectInput
from store.database import Connection, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/sensors"):
    add_sensor: str
    sensors_of_trial: str
    hand_over: str
    correct_sensor: str
    correct_since: str


@dataclass(frozen=True, slots=True)
class SensorFacts:
    """Facts about a sensor, whatever device it is in."""

    make: str
    model: str
    serial: str = ""
    calibrated_at: datetime | None = None
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor in a device for `[start, end)`. `start` None: from the beginning; `end` None: it is there
    now.
    """

    sensor_id: int
    device_id: int
    device: str
    make: str
    model: str
    serial: str
    calibrated_at: datetime | None
    calibration: str
    start: datetime | None
    end: datetime | None

    @property
    def facts(self) -> SensorFacts:
        return SensorFacts(self.make, self.model, self.serial, self.calibrated_at, self.calibration)


def add_sensor(
    conn: Connection,
    *,
    device_id: int,
    make: str,
    model: str,
    serial: str = "",
    calibrated_at: datetime | None = None,
    calibration: str = "",
) -> int:
    """A sensor that the device has from its beginning."""
    return _add(
        conn,
        device_id=device_id,
        facts=SensorFacts(make, model, serial, calibrated_at, calibration),
        since=None,
        replaces=None,
    )


def first_sensor(conn: Connection, device_id: int, facts: SensorFacts) -> int:
    """The sensor of a device that was entered without one; its datastreams become the sensor's."""
    number = _add(conn, device_id=device_id, facts=facts, since=None, replaces=None)
    _hand_over(conn, device_id, None, number)
    return number


def change_sensor(conn: Connection, before: Sensor, facts: SensorFacts, at: datetime) -> int:
    """From `at` on another sensor takes the place of `before`, or the same one calibrated again. Its
    datastreams go on.

    CorrectInput if `before` was replaced already, or was not there yet.
    """
    if before.end is not None:
        raise CorrectInput(
            f"{before.device}: {_name(before.facts)} was replaced already, at "
            f"{before.end:%Y-%m-%d %H:%M} UTC."
        )
    if before.start is not None and at <= before.start:
        raise CorrectInput(
            f"{before.device}: {_name(before.facts)} is there since {before.start:%Y-%m-%d %H:%M} UTC: "
            f"another "
            "sensor can only come later."
        )
    number = _add(conn, device_id=before.device_id, facts=facts, since=at, replaces=before.sensor_id)
    _hand_over(conn, before.device_id, before.sensor_id, number)
    return number


def correct_sensor(conn: Connection, sensor_id: int, facts: SensorFacts) -> None:
    """Correct what was entered wrongly; its interval stays."""
    run(conn, _SQL.correct_sensor, sensor_id=sensor_id, **_columns(facts))


def correct_since(conn: Connection, known: Sequence[Sensor], wrong: Sensor, since: datetime) -> None:
    """Correct when `wrong` came into its device; the one before it ends then. `known`: all of the device, in
    order of time.

    CorrectInput if it is the first, or if the order of the sensors would change.
    """
    number = known.index(wrong)
    if number == 0:
        raise CorrectInput(
            f"{wrong.device}: {_name(wrong.facts)} is there from the device's beginning, which is the start "
            "of its deployment: `insitu deployment` corrects that."
        )
    begun = known[number - 1].start
    if (begun is not None and since <= begun) or (wrong.end is not None and since >= wrong.end):
        raise CorrectInput(
            f"{wrong.device}: {_name(wrong.facts)} came after {_name(known[number - 1].facts)}"
            + (f" (there since {begun:%Y-%m-%d %H:%M} UTC)" if begun else "")
            + (f" and was replaced at {wrong.end:%Y-%m-%d %H:%M} UTC" if wrong.end else "")
            + f": {since:%Y-%m-%d %H:%M} UTC is outside."
        )
    run(conn, _SQL.correct_since, sensor_id=wrong.sensor_id, since=since)


def list_trial_sensors(conn: Connection, trial: str) -> list[Sensor]:
    """By device, in order of time."""
    return rows(conn, Sensor, _SQL.sensors_of_trial, trial=trial, device_id=None)


def list_device_sensors(conn: Connection, device_id: int) -> list[Sensor]:
    """In order of time."""
    return rows(conn, Sensor, _SQL.sensors_of_trial, trial=None, device_id=device_id)


def _add(
    conn: Connection, *, device_id: int, facts: SensorFacts, since: datetime | None, replaces: int | None
) -> int:
    return int(
        scalar(conn, _SQL.add_sensor, device_id=device_id, since=since, replaces=replaces, **_columns(facts))
    )


def _columns(facts: SensorFacts) -> dict[str, Any]:
    return {
        "make": facts.make,
        "model": facts.model,
        "serial": facts.serial,
        "calibrated_at": facts.calibrated_at,
        "calibration": facts.calibration,
    }


def _hand_over(conn: Connection, device_id: int, before: int | None, after: int) -> None:
    run(conn, _SQL.hand_over, device_id=device_id, **{"from": before, "to": after})


def _name(facts: SensorFacts) -> str:
    return " ".join(part for part in (facts.make, facts.model, facts.serial) if part)
