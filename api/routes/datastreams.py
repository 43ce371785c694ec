"""Datastreams: the results that a device sends under one name."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import Signed
from api.context import Conn, Ctx
from api.routes.shapes import Code, DatastreamOut, Limit, Listed, number_cursor
from store.access import Viewer, visible_trial
from store.read.fleet import list_devices
from store.read.streams import Stream, list_streams

router = APIRouter()


def shown(stream: Stream, device: str, viewer: Viewer) -> DatastreamOut:
    return DatastreamOut(
        datastream_id=stream.datastream_id,
        device=device,
        name=stream.name,
        property=stream.property,
        unit=stream.unit,
        role=stream.role,
        expected_interval_s=stream.usual_interval_s(),
        interval_source=stream.interval_source(),
        stamp=stream.stamp,
        averaging_scale=stream.averaging_scale,
        sensor=stream.sensor,
        latest_at=stream.latest_at,
        latest_result=stream.latest_result if viewer.sees_measurements else None,
    )


@router.get("/trials/{trial}/datastreams")
def list_datastreams(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    device: Code = None,
    cursor: Code = None,
    limit: Limit = 100,
) -> Listed[DatastreamOut]:
    """Datastreams of a trial, or of one of its devices, by number."""
    found = visible_trial(conn, viewer, trial)
    codes = {
        row.device_id: row.device
        for row in list_devices(conn, viewer, now=context.clock.now(), trial=found.code, device=device)
    }
    after = number_cursor(cursor) or 0
    streams = sorted(list_streams(conn, list(codes)), key=lambda one: one.datastream_id)
    streams = [one for one in streams if one.datastream_id > after]
    items = [shown(one, codes[one.device_id], viewer) for one in streams[:limit]]
    return Listed(items=items, next=str(items[-1].datastream_id) if len(streams) > limit else None)
