"""The part of plans that pages and routes share: what people send, and the picture that goes out."""

from __future__ import annotations

from datetime import datetime

from anyio import to_thread
from fastapi import Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool

from api.context import Context, connecting
from api.lanes import Busy, DrawnLater
from api.preconditions import quoted, stated_tag
from insitu.errors import CorrectInput
from store.access import Viewer
from store.catalogue.plans import Picture, load_image
from store.database import Connection
from trials.workflow.plans import PlanEntry, SeenSite, Spot, require_manages
from trials.workflow.redrawing import redraw


async def drawn(
    request: Request, context: Context, viewer: Viewer, site: str, file: UploadFile | None, now: datetime
) -> Picture:
    """The picture in the file, for those who change the plans of the site. Organisations take turns, and none
    holds a connection meanwhile. Raises NotFound for others before anything is drawn, DrawnLater where too
    many wait, and CorrectInput for a file that is no picture.
    """
    async with connecting(request, is_limited=True) as conn:
        await run_in_threadpool(require_manages, conn, viewer, site, now)
    try:
        async with context.lanes.drawings.place(viewer.organisation_id):
            content = b"" if file is None else await file.read()
            return await to_thread.run_sync(redraw, content)
    except Busy as error:
        raise DrawnLater() from error


def read_entry(name: str, rank: int | str) -> PlanEntry:
    """Raises CorrectInput for a name or a rank that is none."""
    try:
        return PlanEntry(name=" ".join(name.split()), rank=int(rank))
    except ValueError:
        raise CorrectInput(
            "A plan has a name of 1 to 200 characters in one line, and a whole number from -999 to 999 for "
            "its order."
        ) from None


def image_of(seen: SeenSite, plan: int, conn: Connection, known: str | None) -> Response:
    """The picture, or 304 for a reader who has it. A sandbox without rights, should a browser ever take it
    for a page.
    """
    found = seen.plan(plan)
    headers = {
        "ETag": quoted(found.sha256),
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": f'inline; filename="plan-{found.plan_id}.png"',
    }
    if stated_tag(known) == found.sha256:
        return Response(status_code=304, headers=headers)
    return Response(load_image(conn, found), media_type="image/png", headers=headers)


def read_spot(x: float | None, y: float | None) -> Spot | None:
    """None where both are. Raises CorrectInput for one alone, or for what lies off the plan."""
    if x is None and y is None:
        return None
    try:
        return Spot.model_validate({"x": x, "y": y})
    except ValueError:
        raise CorrectInput(
            "A place is two numbers from 0 to 100: percent from the left, and percent from the top."
        ) from None
