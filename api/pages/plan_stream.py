"""Live updates of a plan: the mark and the state of each device that has another one."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access import Signed
from api.context import Conn, Context, Ctx, reading
from api.live import News, Part
from api.pages.board import list_shown
from api.pages.plans import OnPlan, on_plan
from api.pages.streams import follow, room
from api.rendering import Page, fragment, page_of
from store.access import Viewer
from trials.workflow.plans import see_site

router = APIRouter()


def _seen(
    site: str, plan: Annotated[int, Path(ge=1, lt=2**31)], conn: Conn, context: Ctx, viewer: Signed
) -> int:
    """The number of the plan; raises NotFound before the stream begins."""
    return see_site(conn, viewer, site, now=context.clock.now()).plan(plan).plan_id


@router.get(
    "/live/sites/{site}/plans/{plan}", response_class=EventSourceResponse, dependencies=[Depends(room)]
)
async def plan_stream(
    request: Request, context: Ctx, viewer: Signed, site: str, number: Annotated[int, Depends(_seen)]
) -> AsyncIterator[ServerSentEvent]:
    """Marks and states of the devices on a plan as they change; moves of others within seconds."""
    source = OnePlan(request, context, viewer, site, number)
    async for event in follow(request, context, viewer, ("plan", site, number), source):
        yield event


class OnePlan:
    """The devices of one plan for one kind of reader."""

    def __init__(self, request: Request, context: Context, viewer: Viewer, site: str, plan: int) -> None:
        self._request, self._context, self._viewer = request, context, viewer
        self._site, self._plan = site, plan
        self._lock = threading.Lock()
        self._own: frozenset[int] = frozenset()
        self._sent: dict[str, str] = {}

    def first(self, made: datetime | None) -> list[Part]:
        with self._lock:
            parts = self._parts()
            self._sent = {part.element: part.html for part in parts}
            return parts

    def changed(self, news: News) -> list[Part]:
        with self._lock:
            if not news.tick and not news.device_ids & self._own:
                return []
            parts = [part for part in self._parts() if self._sent.get(part.element) != part.html]
            self._sent |= {part.element: part.html for part in parts}
            return parts

    def _parts(self) -> list[Part]:
        page = page_of(self._request, self._viewer)
        with reading(self._context, self._viewer) as conn:
            seen = see_site(conn, self._viewer, self._site, now=page.now)
            shown = list_shown(conn, self._context, self._viewer, page, site=self._site, with_days=False)
            devices = on_plan(seen, shown, seen.plan(self._plan))
        self._own = frozenset(one.shown.row.device_id for one in devices)
        return [part for one in devices for part in _parts_of(page, one)]


def _parts_of(page: Page, one: OnPlan) -> list[Part]:
    number = one.shown.row.device_id
    return [
        Part(f"mark-{number}", str(fragment("plan_mark.j2", page, one=one)).strip()),
        Part(f"state-{number}", str(fragment("plan_state.j2", page, one=one)).strip()),
    ]
