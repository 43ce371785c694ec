"""Sensors of devices, and their calibrations: entered, changed, corrected. The caller owns the
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from insitu.errors import CorrectInput
from store.audit import record
from store.catalogue.devices import find_device
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
    from store.database import Connection

MOST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class SensorChange:
    """A statement about the sensor of a device: fields of SensorFacts that are new.

    `at`: since when it is there; None: now, or with `corrects` as entered. `there_at`: with `corrects`, the
    entry of that time, else the present one.
    """

    stated: Mapping[str, Any]
    reason: str
    at: datetime | None = None
    corrects: bool = False
    there_at: datetime | None = None


class EnterFirst(CorrectInput):
    """This device has no sensor entered yet."""


def enter_sensor(
    conn: Connection, trial: str, device: str, facts: SensorFacts, *, now: datetime, by: str
) -> None:
    """The sensor that a device had from its beginning; CorrectInput if one is entered."""
    found, name = find_device(conn, trial, device), f"{trial}/{device}"
    _require_lines({one.name: getattr(facts, one.name) for one in fields(SensorFacts)})
    if not facts.make or not facts.model:
        raise CorrectInput("A sensor has a make and a model.")
    _require_past(facts.calibrated_at, now, "It was calibrated")
    if list_device_sensors(conn, found.device_id):
        raise CorrectInput(f"{name} has a sensor: change or correct it.")
    first_sensor(conn, found.device_id, facts)
    detail = {"changes": [f"sensor was nothing, is {told(facts)}"]}
    record(conn, at=now, login=by, action="enter sensor", subject=name, detail=detail)


def change_or_correct(
    conn: Connection, trial: str, device: str, change: SensorChange, *, now: datetime, by: str
) -> list[Sensor]:
    """Another sensor from a time on, or a new calibration; or the correction of such an entry. Returns the
    sensors in order of time. CorrectInput says what is missing or contradicts an entry.
    """
    name = f"{trial}/{device}"
    _require_lines(change.stated)
    if not change.reason.strip() or len(change.reason) > MOST_TEXT:
        raise CorrectInput(f"Say why, in at most {MOST_TEXT} characters: it stays in the audit log.")
    _require_past(change.at, now, "It is there")
    _require_past(change.stated.get("calibrated_at"), now, "It was calibrated")
    found = find_device(conn, trial, device)
    known = list_device_sensors(conn, found.device_id)
    if not known:
        raise EnterFirst(f"{name} has no sensor yet: enter the one that it had first.")
    wrong = _there_at(known, change.there_at)
    detail: dict[str, Any] = {"reason": change.reason.strip()}
    if change.corrects:
        detail["changes"] = _correct(conn, known, wrong, change.stated, change.at)
    else:
        since = change.at or now
        detail |= {"changes": _change(conn, wrong, change.stated, since), "since": _iso(since)}
    verb = "correct" if change.corrects else "change"
    record(conn, at=now, login=by, action=f"{verb} sensor", subject=name, detail=detail)
    return list_device_sensors(conn, found.device_id)


def _require_lines(stated: Mapping[str, Any]) -> None:
    for name, text in stated.items():
        if isinstance(text, str) and (len(text) > MOST_TEXT or not text.isprintable()):
            raise CorrectInput(f"{name} is one line of at most {MOST_TEXT} characters.")


def _require_past(when: datetime | None, now: datetime, what: str) -> None:
    if when is not None and when > now:
        raise CorrectInput(
            f"{what} since {told_time(when)}, which is in the future: enter what has happened."
        )


def _there_at(known: Sequence[Sensor], when: datetime | None) -> Sensor:
    """The sensor of that time; without one, the present one."""
    if when is None:
        return known[-1]
    return next(
        one
        for one in known
        if (one.start is None or one.start <= when) and (one.end is None or when < one.end)
    )


def _change(conn: Connection, before: Sensor, stated: Mapping[str, Any], since: datetime) -> list[str]:
    if not stated:
        raise CorrectInput("Say what is new of the sensor.")
    facts = before.facts
    if {"make", "model", "serial"} & stated.keys():  # a new sensor does not inherit a calibration
        facts = replace(facts, calibrated_at=None, calibration="")
    after = replace(facts, **stated)
    if after == before.facts:
        raise CorrectInput(f"{before.device} has that sensor already: {told(after)}.")
    change_sensor(conn, before, after, since)
    return differences(before, after)


def _correct(
    conn: Connection,
    known: Sequence[Sensor],
    wrong: Sensor,
    stated: Mapping[str, Any],
    since: datetime | None,
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


def differences(before: Sensor, after: SensorFacts) -> list[str]:
    """Each field of a sensor that differs, in words."""
    return [
        f"sensor.{one.name} was {_shown(was)}, is {_shown(new)}"
        for one in fields(SensorFacts)
        if (was := getattr(before.facts, one.name)) != (new := getattr(after, one.name))
    ]


def told(facts: SensorFacts) -> str:
    """A sensor in words: make, model, serial number, and when it was calibrated."""
    parts = [facts.make, facts.model, *([facts.serial] if facts.serial else [])]
    when = f", calibrated {told_time(facts.calibrated_at)}" if facts.calibrated_at else ""
    return " ".join(parts) + when


def told_time(when: datetime | None) -> str:
    """To the minute, in UTC."""
    return "" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _shown(value: object) -> str:
    return told_time(value) if isinstance(value, datetime) else repr(value) if value else "nothing"


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).isoformat()
