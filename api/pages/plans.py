"""Plans of a site: one with its devices, which those who manage the site place and move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Header, Path, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token
from api.acting import acting
from api.context import Conn, Context, Ctx, connecting
from api.lanes import DrawnLater
from api.pages.board import Shown, list_shown
from api.pages.meanwhile import Wrong, compare_fields, problem_of, wrong_of
from api.pages.sites import managed, show_site
from api.plans import drawn, image_of, read_entry, read_spot
from api.rendering import Page, page_of, respond
from insitu.errors import CorrectInput
from store.access import Viewer
from store.catalogue.plans import Place, Plan
from store.database import Connection
from trials.workflow import plans as acts
from trials.workflow.plans import UNPLACED, SeenSite, see_site
from trials.workflow.redrawing import MOST_BYTES

router = APIRouter()
Number = Annotated[int, Path(ge=1, lt=2**31)]
Line = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class OnPlan:
    """A device at the site, for the page of one plan. `place`: on any plan of the site; `elsewhere`: the name
    of another plan on which it is.
    """

    number: int
    shown: Shown
    place: Place | None
    is_here: bool
    elsewhere: str

    @property
    def code(self) -> str:
        return f"{self.shown.row.trial}/{self.shown.row.device}"

    @property
    def version(self) -> str:
        return UNPLACED if self.place is None else self.place.version

    @property
    def x(self) -> float:
        return self.place.x if self.is_here and self.place else 50.0

    @property
    def y(self) -> float:
        return self.place.y if self.is_here and self.place else 50.0

    def words(self, page: Page) -> str:
        """Its name and state, as a reader of the screen says them."""
        cause = f", {self.shown.cause}" if self.shown.cause else ""
        return f"{self.number} {self.shown.row.device}{page.colon}{page.t(self.shown.word)}{cause}"


def on_plan(seen: SeenSite, shown: list[Shown], plan: Plan) -> list[OnPlan]:
    """The devices at the site, by trial and code: their numbers stay when a state changes."""
    names = {one.plan_id: one.name for one in seen.plans}
    here = {one.device_id for one in seen.devices}
    ordered = sorted(
        (one for one in shown if one.row.device_id in here), key=lambda one: (one.row.trial, one.row.device)
    )
    found = []
    for number, one in enumerate(ordered, 1):
        place = seen.place_of(one.row.device_id)
        is_here = place is not None and place.plan_id == plan.plan_id
        elsewhere = "" if place is None or is_here else names.get(place.plan_id, "")
        found.append(OnPlan(number, one, place, is_here, elsewhere))
    return found


@router.get("/sites/{site}/plans/{plan}", response_class=HTMLResponse)
def plan_page(
    request: Request,
    site: str,
    plan: Number,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    placed: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> HTMLResponse:
    """A plan with the devices that the reader may see; `placed`: the device that was just moved."""
    return _show(request, conn, context, viewer, site, plan, placed=placed)


def _show(
    request: Request,
    conn: Connection,
    context: Context,
    viewer: Viewer,
    site: str,
    plan: int,
    *,
    placed: int = 0,
    wrong: Wrong | None = None,
    given: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """`given`: what was typed into a form that was refused, with the `device` or `name` it is about."""
    page = page_of(request, viewer)
    seen = see_site(conn, viewer, site, now=page.now)
    found = seen.plan(plan)
    devices = on_plan(seen, list_shown(conn, context, viewer, page, site=site, with_days=False), found)
    moved = next((one for one in devices if one.shown.row.device_id == placed), None)
    return respond(
        request,
        "plan.j2",
        page,
        status=wrong.status if wrong else 200,
        seen=seen,
        plan=found,
        devices=devices,
        moved=moved,
        problem=wrong.words if wrong else "",
        both=compare_fields(wrong, {"name": found.name, "rank": str(found.rank)}, given or {}),
        given=given or {},
        most_mb=MOST_BYTES >> 20,
    )


@router.get("/sites/{site}/plans/{plan}/image")
def plan_image(
    site: str,
    plan: Number,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The picture of a plan."""
    return image_of(see_site(conn, viewer, site, now=context.clock.now()), plan, conn, if_none_match)


@router.post("/sites/{site}/plans", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
async def add_plan(
    request: Request,
    site: str,
    context: Ctx,
    viewer: Signed,
    file: UploadFile | None = None,
    name: Line = "",
    rank: Line = "0",
) -> Response:
    """Enter a plan."""
    now, given = context.clock.now(), {"plan_name": name, "plan_rank": rank}

    def work(conn: Connection) -> int:
        entry = read_entry(name, rank)
        return acts.add_plan(conn, site, entry, picture, viewer=viewer, by=viewer.login, now=now)

    try:
        picture = await drawn(request, context, viewer, site, file, now)
        number = await acting(request, work)
    except (CorrectInput, DrawnLater) as error:
        wrong = wrong_of(error)

        def again(conn: Connection) -> HTMLResponse:
            known = managed(conn, context, viewer, site)
            return show_site(request, conn, context, viewer, known, wrong=wrong, given=given)

        return await _reading(request, again)
    return RedirectResponse(f"/sites/{site}/plans/{number}", status_code=303)


async def _reading(request: Request, work: Any) -> HTMLResponse:
    """A page from what the reader may see, after an act that was refused."""
    async with connecting(request, is_limited=True) as conn:
        page: HTMLResponse = await run_in_threadpool(work, conn)
        return page


@router.post(
    "/sites/{site}/plans/{plan}", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
async def change_plan(
    request: Request,
    site: str,
    plan: Number,
    context: Ctx,
    viewer: Signed,
    file: UploadFile | None = None,
    name: Line = "",
    rank: Line = "0",
    etag: Line = "",
) -> Response:
    """Change the name, the order or the picture of a plan."""
    now = context.clock.now()

    def work(conn: Connection) -> None:
        acts.change_plan(
            conn,
            site,
            plan,
            read_entry(name, rank),
            picture,
            viewer=viewer,
            by=viewer.login,
            now=now,
            expected=etag or None,
        )

    try:
        is_sent = file is not None and bool(file.filename)
        picture = await drawn(request, context, viewer, site, file, now) if is_sent else None
        await acting(request, work)
    except (CorrectInput, DrawnLater) as error:
        wrong = wrong_of(error)

        def again(conn: Connection) -> HTMLResponse:
            given = {"name": name, "rank": rank}
            return _show(request, conn, context, viewer, site, plan, wrong=wrong, given=given)

        return await _reading(request, again)
    return RedirectResponse(f"/sites/{site}/plans/{plan}", status_code=303)


@router.post(
    "/sites/{site}/plans/{plan}/places",
    response_class=HTMLResponse,
    dependencies=[Depends(require_form_token)],
)
def place_device(
    request: Request,
    site: str,
    plan: Number,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    device: Line = "",
    x: Line = "",
    y: Line = "",
    etag: Line = "",
    action: Line = "put",
) -> Response:
    """Put a device at a place of the plan, or take it off."""
    now = context.clock.now()
    acts.require_manages(conn, viewer, site, now)

    def act() -> None:
        spot = None if action == "off" else read_spot(_percent(x), _percent(y))
        if spot is None and action != "off":
            raise CorrectInput("Write how far the device is from the left and from the top, in percent.")
        acts.place_device(
            conn, site, plan, device, spot, viewer=viewer, by=viewer.login, now=now, expected=etag or None
        )

    if wrong := problem_of(conn, act):
        given = {"device": device, "x": x, "y": y}
        return _show(request, conn, context, viewer, site, plan, wrong=wrong, given=given)
    seen = see_site(conn, viewer, site, now=now)
    number = next((one.device_id for one in seen.devices if f"{one.trial}/{one.device}" == device), 0)
    return RedirectResponse(f"/sites/{site}/plans/{plan}?placed={number}#plan", status_code=303)


def _percent(text: str) -> float | None:
    """A number as people write it, with a point or a comma, and perhaps a percent sign."""
    plain = text.strip().removesuffix("%").strip().replace(",", ".")
    try:
        return float(plain) if plain else None
    except ValueError:
        raise CorrectInput(f"{text.strip()[:40]!r} is no number of percent: write 34.5.") from None


@router.post(
    "/sites/{site}/plans/{plan}/removal",
    response_class=HTMLResponse,
    dependencies=[Depends(require_form_token)],
)
def remove_plan(
    request: Request,
    site: str,
    plan: Number,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    sure: Line = "",
    etag: Line = "",
) -> Response:
    """Remove a plan, with every place on it."""
    now = context.clock.now()

    def act() -> None:
        acts.remove_plan(
            conn,
            site,
            plan,
            is_sure=sure == "yes",
            viewer=viewer,
            by=viewer.login,
            now=now,
            expected=etag or None,
        )

    if wrong := problem_of(conn, act):
        return _show(request, conn, context, viewer, site, plan, wrong=wrong)
    return RedirectResponse(f"/sites/{site}#plans", status_code=303)
