"""Sensors of a device and their calibrations, and the swap of a device."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.access import Signed
from api.acting import acting, taken_up
from api.context import Conn, Ctx
from api.enrolling import require_connectable
from api.problems import OF_BODIES
from api.routes.enrolling import USED
from api.routes.shapes import example
from ingest.acts.sensing import MOST_TEXT, SensorChange, change_or_correct, enter_sensor
from ingest.acts.swapping import Swapped, swap
from insitu.errors import CorrectInput
from insitu.model import CODE_PATTERN
from insitu.times import require_usual
from store.catalogue.devices import find_device
from store.catalogue.sensors import Sensor, SensorFacts, list_device_sensors
from store.database import Connection
from store.read.fleet import get_device

router = APIRouter()
Line = Annotated[str, Field(max_length=MOST_TEXT)]


class SensorIn(BaseModel):
    """The first sensor of a device, a change, a new calibration, or a correction. A key that is left out
    stays as it is.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "calibrated_at": "2026-03-01T08:00:00Z",
                "calibration": "certificate 17-204",
                "at": "2026-03-01T09:00:00Z",
                "reason": "calibrated again",
            }
        },
    )

    make: Line | None = None
    model: Line | None = None
    serial: Line | None = None
    calibrated_at: AwareDatetime | None = None
    calibration: Line | None = None
    at: AwareDatetime | None = None
    """Since when it is there; null: now, or for a correction as entered."""
    corrects: bool = False
    """Nothing was changed: an entry was wrong."""
    there_at: AwareDatetime | None = None
    """With `corrects`: the sensor that was there then; null: the present one."""
    reason: Line = ""
    """Needed unless it is the first sensor of the device."""

    def stated(self) -> dict[str, Any]:
        names = ("make", "model", "serial", "calibrated_at", "calibration")
        return {name: found for name in names if (found := getattr(self, name)) is not None}


class SensorOut(BaseModel):
    model_config = example(
        make="Sensirion",
        model="SPS30",
        serial="A-17",
        calibrated_at="2026-03-01T08:00:00Z",
        calibration="certificate 17-204",
        start=None,
        end=None,
    )

    make: str
    model: str
    serial: str
    calibrated_at: datetime | None
    calibration: str
    start: datetime | None
    """Null: from the beginning of the device."""
    end: datetime | None


class SensorsOut(BaseModel):
    items: list[SensorOut]
    """In order of time."""


class SwapIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"new": "p2-new", "at": "2026-03-01T09:00:00Z", "reason": "dead"}},
    )

    new: Annotated[str, Field(pattern=CODE_PATTERN)]
    """Enrolled already; it gets the place, the datastreams, the mappings and the fixed topics."""
    at: AwareDatetime | None = None
    """Null: now."""
    reason: Line = ""


class SwapOut(BaseModel):
    model_config = example(
        since="2026-03-01T09:00:00Z",
        continues=["pm25"],
        topics=[],
        later_results=0,
        ended_credentials=1,
        new_is_silent=False,
        used_by_broker=True,
        problem="",
    )

    since: datetime
    continues: list[str]
    """Datastreams of the old device that the new one goes on with."""
    topics: list[str]
    later_results: int
    """Results of the old device from then or later: they stay with it."""
    ended_credentials: int
    new_is_silent: bool
    """The new device has no credential that works."""
    used_by_broker: bool | None
    problem: str


def usual(when: datetime | None) -> datetime | None:
    """A stated time; CorrectInput for one that nobody means."""
    try:
        return None if when is None else require_usual(when)
    except ValueError as error:
        raise CorrectInput(f"{error}.") from None


@router.get("/trials/{trial}/devices/{device}/sensors")
def list_sensors(trial: str, device: str, conn: Conn, context: Ctx, viewer: Signed) -> SensorsOut:
    """The sensors of a device, one after the other."""
    row = get_device(conn, viewer, trial, device, now=context.clock.now())
    return _listed(list_device_sensors(conn, row.device_id))


def _listed(sensors: list[Sensor]) -> SensorsOut:
    return SensorsOut(items=[SensorOut.model_validate(one, from_attributes=True) for one in sensors])


@router.post("/trials/{trial}/devices/{device}/sensors", status_code=201, responses=OF_BODIES)
def post_sensor(
    trial: str, device: str, body: SensorIn, conn: Conn, context: Ctx, viewer: Signed
) -> SensorsOut:
    """Enter the first sensor of a device, another one from a time on, a new calibration, or correct such an
    entry.
    """
    found, now = require_connectable(conn, viewer, trial), context.clock.now()
    number = find_device(conn, found.code, device).device_id
    stated = body.stated() | ({"calibrated_at": usual(body.calibrated_at)} if body.calibrated_at else {})
    if list_device_sensors(conn, number):
        change = SensorChange(stated, body.reason, usual(body.at), body.corrects, usual(body.there_at))
        change_or_correct(conn, found.code, device, change, now=now, by=viewer.login)
    else:
        facts = SensorFacts(**{"make": "", "model": ""} | stated)
        enter_sensor(conn, found.code, device, facts, now=now, by=viewer.login)
    return _listed(list_device_sensors(conn, number))


@router.post("/trials/{trial}/devices/{device}/swap", status_code=201, responses=OF_BODIES)
async def post_swap(
    request: Request, trial: str, device: str, body: SwapIn, context: Ctx, viewer: Signed
) -> SwapOut:
    """Another device takes the place of this one and continues its series; the credential of this
    one ends.
    """

    def work(conn: Connection) -> Swapped:
        found, now = require_connectable(conn, viewer, trial), context.clock.now()
        at = usual(body.at)
        return swap(conn, found.code, device, body.new, at=at, reason=body.reason, now=now, by=viewer.login)

    done = await acting(request, work)
    effect = await taken_up(request)
    return SwapOut(
        since=done.since,
        continues=done.names,
        topics=done.topics,
        later_results=done.later,
        ended_credentials=done.ended,
        new_is_silent=done.is_silent,
        used_by_broker=USED[effect.state],
        problem=effect.problem,
    )
