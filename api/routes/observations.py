"""Observations for reading: page by page, or a whole span as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import Annotated, Final, TextIO

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from api.access import Signed, record_download, require_right
from api.context import Conn, Context, Ctx, ExportConn
from api.routes.shapes import Code, Limit, Listed, Moment, ObservationOut, span, time_cursor
from insitu.errors import NotFound
from insitu.times import to_rfc3339
from store.access import visible_trial
from store.database import Connection
from store.read.fleet import list_devices
from store.read.results import export_observations, list_own_observations
from store.read.streams import get_owner, list_streams
from store.rights import Act
from trials.package.rows import safe_cell

router = APIRouter()
_COLUMNS: Final = (
    "trial",
    "device",
    "datastream",
    "property",
    "unit",
    "phenomenon_time",
    "result",
    "flag",
    "received_at",
)
_LINES_AT_ONCE: Final = 1000
_BLOCK: Final = 65_536


@router.get("/datastreams/{datastream_id}/observations")
def list_observations(
    datastream_id: Annotated[int, Path(ge=1, lt=2**31)],
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    start: Moment = None,
    end: Moment = None,
    cursor: Annotated[str | None, "`next` of the page before"] = None,
    limit: Limit = 1000,
) -> Listed[ObservationOut]:
    """Observations in `[start, end)` by time; by default the last seven days."""
    require_right(viewer, Act.READ_MEASUREMENTS, f"datastream {datastream_id}")
    now = context.clock.now()
    owner = get_owner(conn, datastream_id)
    if not list_devices(conn, viewer, now=now, trial=owner.trial, device=owner.device):
        raise NotFound(f"There is no datastream {datastream_id}, or you may not see it.")
    since, until = span(start, end, now=now)
    after = time_cursor(cursor)
    found = list_own_observations(conn, datastream_id, since, until, after=after, most=limit + 1)
    items = [
        ObservationOut(
            phenomenon_time=one.phenomenon_time,
            result=one.result,
            received_at=one.received_at,
            flag=one.flag,
            clock_quality=one.clock_quality,
        )
        for one in found[:limit]
    ]
    return Listed(
        items=items,
        next=items[-1].phenomenon_time.astimezone(UTC).isoformat() if len(found) > limit else None,
    )


@router.get(
    "/trials/{trial}/observations.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"example": ",".join(_COLUMNS) + "\r\n"}}}},
)
def export_csv(
    trial: str,
    conn: ExportConn,
    context: Ctx,
    viewer: Signed,
    device: Code = None,
    start: Moment = None,
    end: Moment = None,
) -> StreamingResponse:
    """All observations in `[start, end)`, UTF-8, by datastream and time; by default everything."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_MEASUREMENTS, f"export of {trial!r}", found)
    now = context.clock.now()
    rows = list_devices(conn, viewer, now=now, trial=found.code, device=device)
    if device is not None and not rows:
        raise NotFound(f"There is no device {device!r} in trial {trial!r}, or you may not see it.")
    streams = [one.datastream_id for one in list_streams(conn, [row.device_id for row in rows])]
    since, until = span(start or datetime(2000, 1, 1, tzinfo=UTC), end, now=now)
    name = "-".join(part for part in (found.code, device, "observations.csv") if part)
    lines = _lines(conn, context, streams, since, until)
    record_download(conn, viewer, name, found.code, now)
    return StreamingResponse(
        lines,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _lines(
    conn: Connection, context: Context, streams: Sequence[int], start: datetime, end: datetime
) -> Iterator[str]:
    """The table in blocks, from a temporary file that is written first, so a slow reader holds no
    connection.
    """
    context.cache.mkdir(parents=True, exist_ok=True)
    # `blocks` closes it after this function has returned
    file: TextIO = TemporaryFile("w+", encoding="utf-8", newline="", dir=context.cache)  # noqa: SIM115
    try:
        file.writelines(csv_blocks(conn, streams, start, end))
        file.seek(0)
    except BaseException:
        file.close()
        raise

    def blocks() -> Iterator[str]:
        with file:
            while block := file.read(_BLOCK):
                yield block

    return blocks()


def csv_blocks(conn: Connection, streams: Sequence[int], start: datetime, end: datetime) -> Iterator[str]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    with closing(export_observations(conn, streams, start, end)) as found:
        for number, (*names, phenomenon_time, result, flag, received_at) in enumerate(found, start=1):
            writer.writerow(
                [
                    *map(safe_cell, names),
                    to_rfc3339(phenomenon_time),
                    repr(result),
                    flag,
                    to_rfc3339(received_at),
                ]
            )
            if number % _LINES_AT_ONCE == 0:
                yield text.getvalue()
                text.seek(0)
                text.truncate()
    yield text.getvalue()
