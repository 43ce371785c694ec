"""Live updates of pages: fragments of HTML that replace the element with the same id."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access import Signed, session_token
from api.conditions import conditions_of
from api.context import Conn, Context, Ctx, reading
from api.live import News, Part, Source
from api.pages.board import Shown, list_shown, show
from api.pages.fleet import Chosen, counts
from api.pages.words import FLAGS, INTERVALS, STAMPS
from api.rendering import Page, fragment, page_of
from insitu.errors import NotAcceptedHere, NotFound, RetryLater
from insitu.model import DeviceState
from store.access import Viewer
from store.database import Connection
from store.read.fleet import FleetRow, get_device

router = APIRouter()
STILL_S: Final = 3.0
"""How often a stream checks that its reader is still signed in with the same rights."""
FRESH_S: Final = 5.0
"""How long a row serves further readers: after a restart all of them come back within seconds, and each
wants every row.
"""


async def follow(
    request: Request,
    context: Context,
    viewer: Signed,
    key: Hashable,
    source: Source,
    made: datetime | None = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events until the reader leaves, signs out, or may no longer see the content.

    `key` names the content for one kind of reader; readers with the same rights and language share a source.
    `made`: the time of the page.
    """
    shared = (viewer.role, viewer.organisation_id, viewer.language, key)
    with context.live.listen(viewer.person_id, shared, source) as (common, outbox):
        context.meters.streams.inc()
        try:
            for part in await context.live.first(common, made):
                yield ServerSentEvent(raw_data=part.html, event="part")
            async for parts in outbox.parts(STILL_S):
                if not parts:
                    await _require_still(request, context, viewer)
                for part in parts:
                    yield ServerSentEvent(raw_data=part.html, event="part")
        except (NotAcceptedHere, NotFound):
            return
        finally:
            context.meters.streams.dec()


async def _require_still(request: Request, context: Context, before: Viewer) -> None:
    """Raises NotAcceptedHere for a reader who signed out, was disabled or has other rights now; while the
    database cannot answer, the stream continues.
    """
    try:
        viewer = await context.door.viewer(session_token(request))
    except RetryLater:
        return
    rights = (before.role, before.organisation_id)
    if viewer is None or (viewer.role, viewer.organisation_id) != rights:
        raise NotAcceptedHere()


async def room(context: Ctx, viewer: Signed) -> None:
    """Checked before the stream begins, while a status can still be sent."""
    context.live.require_room(viewer.person_id)


@router.get("/live/fleet", response_class=EventSourceResponse, dependencies=[Depends(room)])
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
    fleet = Fleet(request, context, viewer, chosen)
    made = datetime.fromtimestamp(since, UTC)
    async for event in follow(request, context, viewer, ("fleet", chosen), fleet, made):
        yield event


class _Row(NamedTuple):
    """A device as it was last sent."""

    state: DeviceState
    facts: Any
    changed_at: datetime


class Fleet:
    """The chosen devices for one kind of reader. Only devices with news are read again, so that the cost of a
    change depends neither on the size of the fleet nor on the number of readers.
    """

    def __init__(self, request: Request, context: Context, viewer: Viewer, chosen: Chosen) -> None:
        self._request, self._context, self._viewer, self._chosen = request, context, viewer, chosen
        self._lock = threading.Lock()
        self._rows: dict[int, _Row] | None = None
        self._fresh: dict[int, Part] = {}
        self._fresh_until = 0.0

    def first(self, made: datetime | None) -> list[Part]:
        page = page_of(self._request, self._viewer)
        with self._lock:
            self._forget_stale()
            if self._rows is None:
                self._read(page, None)
            since = made or datetime.min.replace(tzinfo=UTC)
            wanted = [number for number, row in (self._rows or {}).items() if row.changed_at >= since]
            lacking = [number for number in wanted if number not in self._fresh]
            if lacking:
                self._fill(page, self._load(page, lacking))
            rows = [self._fresh[number] for number in wanted if number in self._fresh]
            return [*rows, self._counts(page)] if rows else []

    def changed(self, news: News) -> list[Part]:
        page = page_of(self._request, self._viewer)
        with self._lock:
            self._forget_stale()
            everyone = news.tick or self._rows is None
            shown = self._read(page, None if everyone else sorted(news.device_ids))
            rows = self._fill(page, shown)
            return [*rows, self._counts(page)] if rows else []

    def _forget_stale(self) -> None:
        if time.monotonic() >= self._fresh_until:
            self._fresh, self._fresh_until = {}, time.monotonic() + FRESH_S

    def _load(self, page: Page, device_ids: Sequence[int] | None) -> list[Shown]:
        context, chosen = self._context, self._chosen
        with reading(context, self._viewer) as conn:
            return list_shown(
                conn,
                context,
                self._viewer,
                page,
                trial=chosen.trial,
                site=chosen.site,
                device_ids=device_ids,
            )

    def _read(self, page: Page, device_ids: Sequence[int] | None) -> list[Shown]:
        """Reads these devices, or all, and returns those that differ from before."""
        shown, before = self._load(page, device_ids), self._rows or {}
        asked = before if device_ids is None else device_ids
        here = {one.row.device_id for one in shown}
        rows = {number: row for number, row in before.items() if number in here or number not in asked}
        changed = [
            one
            for one in shown
            if one.row.device_id not in rows or rows[one.row.device_id].facts != _facts(one)
        ]
        for one in changed:
            when = page.now if before else one.contact.last_seen_at or datetime.min.replace(tzinfo=UTC)
            rows[one.row.device_id] = _Row(one.state, _facts(one), when)
        self._rows = rows
        return changed

    def _fill(self, page: Page, shown: Sequence[Shown]) -> list[Part]:
        """The rows of these devices, kept for the next readers."""
        rows = {
            one.row.device_id: Part(
                f"device-{one.row.device_id}", str(fragment("fleet_row.j2", page, one=one))
            )
            for one in shown
        }
        self._fresh.update(rows)
        return list(rows.values())

    def _counts(self, page: Page) -> Part:
        """The counts above the rows, of all devices."""
        states = [row.state for row in (self._rows or {}).values()]
        sums = fragment("fleet_counts.j2", page, counts=counts(states, self._chosen), chosen=self._chosen)
        return Part("counts", str(sums))


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
    "/live/trials/{trial}/devices/{device}", response_class=EventSourceResponse, dependencies=[Depends(room)]
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

    one = OneDevice(request, context, viewer, trial, device, own)
    async for event in follow(request, context, viewer, ("device", trial, device), one):
        yield event


class OneDevice:
    """The head and the latest results of a device."""

    def __init__(
        self, request: Request, context: Context, viewer: Viewer, trial: str, device: str, own: int
    ) -> None:
        self._request, self._context, self.viewer = request, context, viewer
        self._trial, self._device, self._own = trial, device, own
        self._lock = threading.Lock()
        self._last: list[Part] = []
        self._fresh_until = 0.0

    def first(self, made: datetime | None) -> list[Part]:
        with self._lock:
            return self._last if time.monotonic() < self._fresh_until else self._parts()

    def changed(self, news: News) -> list[Part]:
        if not news.tick and self._own not in news.device_ids:
            return []
        with self._lock:
            return self._parts()

    def _parts(self) -> list[Part]:
        page = page_of(self._request, self.viewer)
        with reading(self._context, self.viewer) as conn:
            row = get_device(conn, self.viewer, self._trial, self._device, now=page.now)
            self._last = self.parts_of(conn, page.in_zone(row.time_zone), row)
        self._fresh_until = time.monotonic() + FRESH_S
        return self._last

    def parts_of(self, conn: Connection, page: Page, row: FleetRow) -> list[Part]:
        """The parts of the page, the head first."""
        judged = conditions_of(conn, self._context, self.viewer, [row], page.now)[row.device_id]
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
        return [
            Part("device-head", str(fragment("device_head.j2", page, one=one))),
            Part("latest", str(latest)),
        ]
