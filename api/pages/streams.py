"""Live updates of pages: fragments of HTML that replace the element with the same id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access import Signed, session_token
from api.conditions import conditions_of
from api.context import Conn, Context, Ctx
from api.live import TICK_S, Look, News, Part
from api.pages.board import Shown, list_shown, show
from api.pages.fleet import Chosen, counts
from api.pages.words import FLAGS, INTERVALS, STAMPS
from api.rendering import fragment, page_of
from insitu.errors import NotAcceptedHere, NotFound, RetryLater
from store.access import Viewer
from store.read.fleet import get_device

router = APIRouter()
Rows = dict[int, Any]
"""Device → last shown content of its row."""


async def follow(
    request: Request,
    context: Context,
    viewer: Signed,
    key: Hashable,
    look: Look,
    first: Callable[[], list[Part]],
) -> AsyncIterator[ServerSentEvent]:
    """Events until the reader leaves, signs out, or may no longer see the content.

    `key` names the content for one kind of reader; readers with the same rights and language share it.
    """
    shared = (viewer.role, viewer.organisation_id, viewer.language, key)
    with context.live.listen(viewer.person_id, shared, look) as outbox:
        context.meters.streams.inc()
        try:
            for part in await context.live.on_thread(first):
                yield ServerSentEvent(raw_data=part.html, event="part")
            async for parts in outbox.parts(TICK_S):
                if not parts:
                    await _require_still(request, context)
                for part in parts:
                    yield ServerSentEvent(raw_data=part.html, event="part")
        except (NotAcceptedHere, NotFound):
            return
        finally:
            context.meters.streams.dec()


async def _require_still(request: Request, context: Context) -> None:
    """Raises NotAcceptedHere for a reader who signed out or was disabled meanwhile; while the database cannot
    answer, the stream continues.
    """
    try:
        viewer = await context.door.viewer(session_token(request))
    except RetryLater:
        return
    if viewer is None:
        raise NotAcceptedHere()


async def _room(context: Ctx, viewer: Signed) -> None:
    """Checked before the stream begins, while a status can still be sent."""
    context.live.require_room(viewer.person_id)


@router.get("/live/fleet", response_class=EventSourceResponse, dependencies=[Depends(_room)])
async def fleet_stream(
    request: Request,
    context: Ctx,
    viewer: Signed,
    trial: Annotated[str, Query(max_length=64)] = "",
    site: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[str, Query(max_length=64)] = "",
    since: Annotated[float, Query(ge=0, le=1e11)] = 0.0,
) -> AsyncIterator[ServerSentEvent]:
    """Rows of the fleet as they change, and the counts above them; `since`: the time of the page (s since
    1970).
    """
    chosen = Chosen(trial or None, site or None, state or None)
    known: Rows = {}
    made = datetime.fromtimestamp(since, UTC)

    def look(news: News) -> list[Part]:
        return _rows(request, context, viewer, chosen, news, known)

    def first() -> list[Part]:
        return _rows(request, context, viewer, chosen, None, known, made)

    async for event in follow(request, context, viewer, ("fleet", chosen), look, first):
        yield event


def _rows(
    request: Request,
    context: Context,
    viewer: Viewer,
    chosen: Chosen,
    news: News | None,
    known: Rows,
    made: datetime | None = None,
) -> list[Part]:
    """Parts of devices that differ from `known`, which is updated. Without news: parts that changed since the
    page was `made`.
    """
    page = page_of(request, viewer)
    wanted = None if news is None or news.tick else sorted(news.device_ids)
    with context.pool.connection() as conn:
        looked = list_shown(
            conn, context, viewer, page, trial=chosen.trial, site=chosen.site, device_ids=wanted
        )
        changed = [one for one in looked if known.get(one.row.device_id) != _facts(one)]
        known.update((one.row.device_id, _facts(one)) for one in changed)
        if made is not None:
            changed = [one for one in changed if _spoke_since(one, made)]
        everyone = list_shown(conn, context, viewer, page) if changed else []
    parts = [
        Part(f"device-{one.row.device_id}", str(fragment("fleet_row.j2", page, one=one))) for one in changed
    ]
    if changed:
        sums = fragment("fleet_counts.j2", page, counts=counts(everyone, chosen), chosen=chosen)
        parts.append(Part("counts", str(sums)))
    return parts


def _spoke_since(one: Shown, when: datetime) -> bool:
    return one.contact.last_seen_at is not None and one.contact.last_seen_at >= when


def _facts(one: Shown) -> Any:
    """Everything visible in a row, except how long ago something was."""
    return (
        one.state,
        one.codes,
        one.contact.last_seen_at,
        one.contact.battery,
        one.contact.rssi,
        one.clock,
        round(one.share or 0.0, 2),
    )


def _seen(conn: Conn, context: Ctx, viewer: Signed, trial: str, device: str) -> int:
    """The device's id; raises NotFound before the stream begins."""
    return get_device(conn, viewer, trial, device, now=context.clock.now()).device_id


@router.get(
    "/live/trials/{trial}/devices/{device}", response_class=EventSourceResponse, dependencies=[Depends(_room)]
)
async def device_stream(
    request: Request,
    context: Ctx,
    viewer: Signed,
    trial: str,
    device: str,
    own: Annotated[int, Depends(_seen)],
) -> AsyncIterator[ServerSentEvent]:
    """The head and the latest results of one device, within a second or two of their arrival."""

    def look(news: News) -> list[Part]:
        return _device(request, context, viewer, trial, device) if news.tick or own in news.device_ids else []

    def first() -> list[Part]:
        return _device(request, context, viewer, trial, device)

    async for event in follow(request, context, viewer, ("device", trial, device), look, first):
        yield event


def _device(request: Request, context: Context, viewer: Viewer, trial: str, device: str) -> list[Part]:
    page = page_of(request, viewer)
    with context.pool.connection() as conn:
        row = get_device(conn, viewer, trial, device, now=page.now)
        page = page.in_zone(row.time_zone)
        judged = conditions_of(conn, context, viewer, [row], page.now)[row.device_id]
    one = show(page, row, judged)
    latest = fragment(
        "device_latest.j2",
        page,
        streams=judged.streams,
        dead=judged.condition.silent_streams,
        flags=FLAGS,
        interval_words=INTERVALS,
        stamp_words=STAMPS,
    )
    return [Part("device-head", str(fragment("device_head.j2", page, one=one))), Part("latest", str(latest))]
