"""Devices of a trial and their health."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from api.access import Signed
from api.conditions import conditions_of
from api.context import Conn, Ctx
from api.pages.remarks import WITHIN
from api.routes.shapes import Code, DeviceOut, Limit, Listed, RemarkOut
from store.access import visible_trial
from store.read.fleet import FleetRow
from store.read.fleet import get_device as get_stored_device
from store.read.fleet import list_devices as list_stored_devices
from store.remarks import DeviceRemark, list_remarks
from trials.workflow.condition import Judged

router = APIRouter()


def describe(row: FleetRow, judged: Judged, remarks: Sequence[DeviceRemark] = ()) -> DeviceOut:
    condition, contact = judged.condition, judged.contact
    return DeviceOut(
        trial=row.trial,
        code=row.device,
        name=row.name,
        model=row.model,
        serial=row.serial,
        state=condition.state.value,
        causes=[cause.key for cause in condition.causes],
        site=row.site,
        position=row.position,
        last_seen_at=contact.last_seen_at,
        battery=contact.battery,
        rssi=contact.rssi,
        firmware=contact.firmware,
        clock_offset=condition.clock_offset,
        completeness=condition.share,
        retired_at=condition.retired_at,
        remarks=[
            RemarkOut.model_validate(one, from_attributes=True)
            for one in remarks
            if one.device_id == row.device_id
        ],
    )


@router.get("/trials/{trial}/devices")
def list_devices(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    site: Code = None,
    cursor: Code = None,
    limit: Limit = 100,
) -> Listed[DeviceOut]:
    """Devices by code, with their state and its causes."""
    found = visible_trial(conn, viewer, trial)
    now = context.clock.now()
    rows = [
        row
        for row in list_stored_devices(conn, viewer, now=now, trial=found.code, site=site)
        if cursor is None or row.device > cursor
    ]
    judged = conditions_of(conn, context, viewer, rows[:limit], now)
    remarks = list_remarks(conn, [row.device_id for row in rows[:limit]], now - WITHIN)
    items = [describe(row, judged[row.device_id], remarks) for row in rows[:limit]]
    return Listed(items=items, next=items[-1].code if len(rows) > limit else None)


@router.get("/trials/{trial}/devices/{device}")
def get_device(trial: str, device: str, conn: Conn, context: Ctx, viewer: Signed) -> DeviceOut:
    """One device."""
    now = context.clock.now()
    row = get_stored_device(conn, viewer, trial, device, now=now)
    remarks = list_remarks(conn, [row.device_id], now - WITHIN)
    return describe(row, conditions_of(conn, context, viewer, [row], now)[row.device_id], remarks)
