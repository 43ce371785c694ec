"""Sensors and calibrations of a device, and its swap for another one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token
from api.acting import acting, taken_up
from api.context import Conn, Context, Ctx
from api.enrolling import require_connectable
from api.rendering import page_of, respond
from ingest.acts.sensing import MOST_TEXT, SensorChange, change_or_correct, enter_sensor
from ingest.acts.swapping import Swapped, swap
from insitu.errors import CorrectInput
from insitu.times import require_usual
from insitu.zones import find_zone
from store.access import Viewer
from store.catalogue.sensors import SensorFacts, list_device_sensors
from store.catalogue.trials import Trial
from store.database import Connection
from store.read.fleet import get_device, list_devices

router = APIRouter()
_DEVICE = "/trials/{trial}/devices/{device}"
Line = Annotated[str, Form(max_length=MOST_TEXT)]
Moment = Annotated[str, Form(max_length=40)]
"""Of an input of the type datetime-local, in the time zone of the trial; empty for none."""


def read_moment(text: str, trial: Trial) -> datetime | None:
    """CorrectInput for a text that is no time. Without an offset it is one of the trial's clock."""
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        zoned = found if found.tzinfo else found.replace(tzinfo=find_zone(trial.time_zone))
        return require_usual(zoned)
    except ValueError as error:
        raise CorrectInput(f"{text!r} is no time: {error}.") from None


@router.get(f"{_DEVICE}/sensors", response_class=HTMLResponse)
def sensors_page(
    request: Request, trial: str, device: str, conn: Conn, context: Ctx, viewer: Signed
) -> HTMLResponse:
    """The sensors of a device with their intervals, and the forms to change and to correct them."""
    return _show_sensors(request, conn, context, viewer, trial, device)


def _show_sensors(
    request: Request,
    conn: Connection,
    context: Context,
    viewer: Viewer,
    trial: str,
    device: str,
    problem: str = "",
) -> HTMLResponse:
    found = require_connectable(conn, viewer, trial)
    row = get_device(conn, viewer, found.code, device, now=context.clock.now())
    return respond(
        request,
        "sensors.j2",
        page_of(request, viewer, found.time_zone),
        status=400 if problem else 200,
        device=row,
        sensors=list_device_sensors(conn, row.device_id),
        problem=problem,
        most=MOST_TEXT,
    )


@router.post(f"{_DEVICE}/sensors", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def post_sensor(
    request: Request,
    trial: str,
    device: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    act: Annotated[Literal["first", "change", "correct"], Form()] = "change",
    make: Line = "",
    model: Line = "",
    serial: Line = "",
    calibration: Line = "",
    reason: Line = "",
    calibrated_at: Moment = "",
    at: Moment = "",
) -> Response:
    """Enter the first sensor, another one or a new calibration from a time on, or correct the present entry.
    A field that is left empty stays as it is.
    """
    found, now = require_connectable(conn, viewer, trial), context.clock.now()
    row = get_device(conn, viewer, found.code, device, now=now)
    texts = {"make": make, "model": model, "serial": serial, "calibration": calibration}
    stated = {name: text.strip() for name, text in texts.items() if text.strip()}
    try:
        if calibrated := read_moment(calibrated_at, found):
            stated |= {"calibrated_at": calibrated}  # type: ignore[dict-item]
        with conn.transaction():
            if act == "first":
                facts = SensorFacts(**{"make": "", "model": ""} | stated)  # type: ignore[arg-type]
                enter_sensor(conn, found.code, row.device, facts, now=now, by=viewer.login)
            else:
                change = SensorChange(stated, reason, read_moment(at, found), act == "correct")
                change_or_correct(conn, found.code, row.device, change, now=now, by=viewer.login)
    except CorrectInput as error:
        return _show_sensors(request, conn, context, viewer, trial, device, str(error))
    return RedirectResponse(f"/trials/{found.code}/devices/{row.device}/sensors", status_code=303)


@router.get(f"{_DEVICE}/swap", response_class=HTMLResponse)
def swap_page(
    request: Request, trial: str, device: str, conn: Conn, context: Ctx, viewer: Signed
) -> HTMLResponse:
    """The form: which device takes the place of this one, and since when."""
    return _show_swap(request, conn, context, viewer, trial, device)


def _show_swap(
    request: Request,
    conn: Connection,
    context: Context,
    viewer: Viewer,
    trial: str,
    device: str,
    *,
    done: Swapped | None = None,
    new: str = "",
    problem: str = "",
) -> HTMLResponse:
    found = require_connectable(conn, viewer, trial)
    everybody = list_devices(conn, viewer, now=context.clock.now(), trial=found.code)
    row = get_device(conn, viewer, found.code, device, now=context.clock.now())
    return respond(
        request,
        "swap.j2",
        page_of(request, viewer, found.time_zone),
        status=400 if problem else 200,
        device=row,
        others=[one for one in everybody if one.retired_at is None and one.device != row.device],
        done=done,
        new=new,
        problem=problem,
        most=MOST_TEXT,
    )


@router.post(f"{_DEVICE}/swap", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
async def post_swap(
    request: Request,
    trial: str,
    device: str,
    context: Ctx,
    viewer: Signed,
    new: Annotated[str, Form(max_length=64)] = "",
    reason: Line = "",
    at: Moment = "",
) -> HTMLResponse:
    """The other device takes the place of this one and continues its series; the credential of this
    one ends.
    """

    def work(conn: Connection) -> Swapped:
        found, now = require_connectable(conn, viewer, trial), context.clock.now()
        row, since = get_device(conn, viewer, found.code, device, now=now), read_moment(at, found)
        return swap(
            conn, found.code, row.device, new, at=since, reason=reason.strip(), now=now, by=viewer.login
        )

    done, problem = None, ""
    try:
        done = await acting(request, work)
    except CorrectInput as error:
        problem = str(error)
    else:
        await taken_up(request)
    return await acting(
        request,
        lambda conn: _show_swap(
            request, conn, context, viewer, trial, device, done=done, new=new, problem=problem
        ),
    )
