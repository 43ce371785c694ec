"""Devices of a trial and their health."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.access import Signed
from api.context import Conn, Ctx
from api.pages import board
from api.pages.board import Shown
from api.rendering import page_of
from api.routes.shapes import Code, DeviceOut, Limit, Listed
from store.access import visible_trial
from store.read.fleet import get_device as get_stored_device
from store.read.fleet import list_devices as list_stored_devices

router = APIRouter()


def shown(one: Shown) -> DeviceOut:
    row = one.row
    return DeviceOut(
        trial=row.trial,
        code=row.device,
        name=row.name,
        model=row.model,
        serial=row.serial,
        state=one.state.value,
        causes=list(one.codes),
        site=row.site,
        position=row.position,
        last_seen_at=row.last_seen_at,
        battery=row.battery,
        rssi=row.rssi,
        firmware=row.firmware,
        clock_offset=row.clock_offset,
        completeness=one.share,
        retired_at=row.retired_at,
    )


@router.get("/trials/{trial}/devices")
def list_devices(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    site: Code = None,
    cursor: Code = None,
    limit: Limit = 100,
) -> Listed[DeviceOut]:
    """Devices by code, with their state and why."""
    found = visible_trial(conn, viewer, trial)
    page = page_of(request, viewer)
    rows = [
        row
        for row in list_stored_devices(conn, viewer, now=page.now, trial=found.code, site=site)
        if cursor is None or row.device > cursor
    ]
    items = [shown(one) for one in board.assess(conn, context, viewer, page, rows[:limit])]
    return Listed(items=items, next=items[-1].code if len(rows) > limit else None)


@router.get("/trials/{trial}/devices/{device}")
def get_device(
    request: Request, trial: str, device: str, conn: Conn, context: Ctx, viewer: Signed
) -> DeviceOut:
    """One device."""
    page = page_of(request, viewer)
    row = get_stored_device(conn, viewer, trial, device, now=page.now)
    (one,) = board.assess(conn, context, viewer, page, [row])
    return shown(one)
