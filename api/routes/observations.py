"""Observations for reading: page by page, or a whole span as CSV, Parquet or an Arrow stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, Annotated, Final, NamedTuple

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from api.access import Signed, record_download, require_right
from api.context import Conn, Context, Ctx, ExportConn
from api.csv_table import COLUMNS, EARLIEST, Write, write_csv
from api.routes.shapes import Code, Limit, Listed, Moment, ObservationOut, span, time_cursor
from insitu.errors import NotFound
from store.access import Viewer, visible_trial
from store.database import Connection
from store.read.fleet import list_devices
from store.read.results import list_own_observations
from store.read.streams import get_owner, list_streams
from store.rights import Act

router = APIRouter()
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
    responses={200: {"content": {"text/csv": {"example": ",".join(COLUMNS) + "\r\n"}}}},
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
    asked = _Asked(trial, device, start, end, "observations.csv", "text/csv; charset=utf-8")
    return _answer(conn, context, viewer, asked, write_csv)


@router.get(
    "/trials/{trial}/observations.parquet",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/vnd.apache.parquet": {}}}},
)
def export_parquet(
    trial: str,
    conn: ExportConn,
    context: Ctx,
    viewer: Signed,
    device: Code = None,
    start: Moment = None,
    end: Moment = None,
) -> StreamingResponse:
    """The same table as Parquet: texts as dictionaries, times in microseconds UTC."""
    from api.arrow_tables import write_parquet  # a large library, and few ask for it

    asked = _Asked(trial, device, start, end, "observations.parquet", "application/vnd.apache.parquet")
    return _answer(conn, context, viewer, asked, write_parquet)


@router.get(
    "/trials/{trial}/observations.arrow",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/vnd.apache.arrow.stream": {}}}},
)
def export_arrow(
    trial: str,
    conn: ExportConn,
    context: Ctx,
    viewer: Signed,
    device: Code = None,
    start: Moment = None,
    end: Moment = None,
) -> StreamingResponse:
    """The same table as a stream of Arrow IPC."""
    from api.arrow_tables import write_arrow  # a large library, and few ask for it

    asked = _Asked(trial, device, start, end, "observations.arrow", "application/vnd.apache.arrow.stream")
    return _answer(conn, context, viewer, asked, write_arrow)


class _Asked(NamedTuple):
    trial: str
    device: str | None
    start: datetime | None
    end: datetime | None
    name: str
    media_type: str


def _answer(
    conn: Connection, context: Context, viewer: Viewer, asked: _Asked, write: Write
) -> StreamingResponse:
    """The file for those who may read measurements of the trial, with its line in the audit log."""
    found = visible_trial(conn, viewer, asked.trial)
    require_right(viewer, Act.READ_MEASUREMENTS, f"export of {asked.trial!r}", found)
    now = context.clock.now()
    devices = list_devices(conn, viewer, now=now, trial=found.code, device=asked.device)
    if asked.device is not None and not devices:
        raise NotFound(
            f"There is no device {asked.device!r} in trial {asked.trial!r}, or you may not see it."
        )
    streams = [one.datastream_id for one in list_streams(conn, [row.device_id for row in devices])]
    since, until = span(asked.start or EARLIEST, asked.end, now=now)
    name = "-".join(part for part in (found.code, asked.device, asked.name) if part)
    blocks = _blocks(context, lambda file: write(conn, streams, since, until, file))
    record_download(conn, viewer, name, found.code, now)
    return StreamingResponse(
        blocks,
        media_type=asked.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _blocks(context: Context, write: Callable[[IO[bytes]], None]) -> Iterator[bytes]:
    """The content in blocks, from a temporary file that is written first, so a slow reader holds no
    connection.
    """
    context.cache.mkdir(parents=True, exist_ok=True)
    # `blocks` closes it after this function has returned
    file: IO[bytes] = TemporaryFile("w+b", dir=context.cache)  # noqa: SIM115
    try:
        write(file)
        file.seek(0)
    except BaseException:
        file.close()
        raise

    def blocks() -> Iterator[bytes]:
        with file:
            while block := file.read(_BLOCK):
                yield block

    return blocks()
