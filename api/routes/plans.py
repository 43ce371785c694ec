"""Plans of sites, and where devices are on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Header, Path, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed
from api.acting import acting
from api.conditions import conditions_of
from api.context import Conn, Ctx
from api.plans import drawn, image_of, read_entry, read_spot
from api.preconditions import IfMatch, quoted, stated_tag
from api.problems import OF_BODIES
from api.routes.programme import Tagged
from api.routes.shapes import Listed, example
from insitu.model import DeviceState
from store.catalogue.plans import Picture, Plan, get_plan
from store.database import Connection
from store.viewers import Viewer
from trials.workflow import plans as acts
from trials.workflow.plans import UNPLACED, SeenSite, see_site

router = APIRouter()
Number = Annotated[int, Path(ge=1, lt=2**31)]
_EXAMPLE: Final[dict[str, Any]] = {
    "plan": 3,
    "site": "station-centre",
    "name": "Platform level",
    "rank": -1,
    "width": 2400,
    "height": 1500,
    "image": "/api/v1/sites/station-centre/plans/3/image",
    "changed_at": "2026-03-01T08:00:00Z",
    "changed_by": "metro",
    "etag": '"7341"',
}


class PlanOut(Tagged):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    plan: int
    site: str
    name: str
    rank: int
    """Plans are listed by it, as floors from below."""
    width: int
    height: int
    """Pixels of the picture."""
    image: str
    """The address of the picture, a PNG."""
    changed_at: datetime
    changed_by: str


class PlacedOut(Tagged):
    model_config = example(
        device="platform-air/p1",
        plan=3,
        x=34.5,
        y=62.0,
        state="online",
        placed_at="2026-03-01T08:00:00Z",
        placed_by="metro",
        etag='"7341"',
    )

    device: str
    plan: int | None
    """The plan on which it is; null: on none."""
    x: float | None
    """Percent of the width, from the left."""
    y: float | None
    """Percent of the height, from the top."""
    state: DeviceState
    placed_at: datetime | None
    placed_by: str | None


class PlanDevicesOut(PlanOut):
    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "devices": []}})

    devices: list[PlacedOut]
    """Devices at the site now that you may see, also those on another plan or on none."""


class PlanChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Platform level"}})

    name: str = Field(default="", min_length=1, max_length=200)
    rank: int = Field(default=0, ge=-999, le=999)


class Placing(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"device": "platform-air/p1", "x": 34.5, "y": 62.0}}
    )

    device: str = Field(max_length=130)
    """TRIAL/DEVICE, of a device that is at the site now."""
    x: float | None = None
    y: float | None = None
    """Percent from the left and from the top; both null take the device off the plan."""


class Removal(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"is_sure": True}})

    is_sure: bool = False
    """The plan goes for good, with every place on it: without true nothing happens."""


class RemovedOut(BaseModel):
    plan: int
    site: str


def _shape(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan.plan_id,
        "site": plan.site,
        "name": plan.name,
        "rank": plan.rank,
        "width": plan.width,
        "height": plan.height,
        "image": f"/api/v1/sites/{plan.site}/plans/{plan.plan_id}/image",
        "changed_at": plan.changed_at,
        "changed_by": plan.changed_by,
        "etag": quoted(plan.version),
    }


def _out(plan: Plan, response: Response) -> PlanOut:
    response.headers["ETag"] = quoted(plan.version)
    return PlanOut.model_validate(_shape(plan))


def _placed(seen: SeenSite, states: Mapping[int, DeviceState]) -> list[PlacedOut]:
    shown = []
    for one in seen.devices:
        place = seen.place_of(one.device_id)
        shown.append(
            PlacedOut(
                device=f"{one.trial}/{one.device}",
                plan=None if place is None else place.plan_id,
                x=None if place is None else place.x,
                y=None if place is None else place.y,
                state=states[one.device_id],
                placed_at=None if place is None else place.placed_at,
                placed_by=None if place is None else place.placed_by,
                etag=quoted(UNPLACED if place is None else place.version),
            )
        )
    return shown


def _states(conn: Connection, context: Ctx, viewer: Viewer, seen: SeenSite) -> dict[int, DeviceState]:
    judged = conditions_of(conn, context, viewer, seen.devices, context.clock.now())
    return {number: one.condition.state for number, one in judged.items()}


@router.get("/sites/{site}/plans")
def get_plans(site: str, conn: Conn, context: Ctx, viewer: Signed) -> Listed[PlanOut]:
    """The plans of a site that you manage, or where a device is that you may see."""
    seen = see_site(conn, viewer, site, now=context.clock.now())
    return Listed(items=[PlanOut.model_validate(_shape(plan)) for plan in seen.plans], next=None)


@router.post("/sites/{site}/plans", status_code=201, responses=OF_BODIES)
async def post_plan(
    request: Request,
    response: Response,
    site: str,
    context: Ctx,
    viewer: Signed,
    file: UploadFile | None = None,
    name: Annotated[str, Form(max_length=200)] = "",
    rank: Annotated[int, Form(ge=-999, le=999)] = 0,
) -> PlanOut:
    """Enter a plan of a site that you manage: an SVG, PNG or JPEG file of at most 8 MiB. Insitu draws it
    again as PNG, and keeps that alone.
    """
    now = context.clock.now()
    picture = await drawn(request, context, viewer, site, file, now)

    def work(conn: Connection) -> Plan:
        entry = read_entry(name, rank)
        number = acts.add_plan(conn, site, entry, picture, viewer=viewer, by=viewer.login, now=now)
        return get_plan(conn, site, number)

    return _out(await acting(request, work), response)


@router.get("/sites/{site}/plans/{plan}")
def get_plan_with_devices(
    site: str, plan: Number, conn: Conn, context: Ctx, viewer: Signed, response: Response
) -> PlanDevicesOut:
    """A plan, and where the devices are that you may see, with their state."""
    seen = see_site(conn, viewer, site, now=context.clock.now())
    found = seen.plan(plan)
    response.headers["ETag"] = quoted(found.version)
    devices = _placed(seen, _states(conn, context, viewer, seen))
    return PlanDevicesOut.model_validate({**_shape(found), "devices": devices})


@router.post("/sites/{site}/plans/{plan}", responses=OF_BODIES)
def change_plan(
    site: str,
    plan: Number,
    body: PlanChange,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> PlanOut:
    """Change the name or the rank of a plan, whichever the body names."""
    now = context.clock.now()
    acts.require_manages(conn, viewer, site, now)
    before, stated = get_plan(conn, site, plan), body.model_dump(include=body.model_fields_set)
    entry = read_entry(stated.get("name", before.name), stated.get("rank", before.rank))
    tag = stated_tag(if_match)
    acts.change_plan(conn, site, plan, entry, viewer=viewer, by=viewer.login, now=now, expected=tag)
    return _out(get_plan(conn, site, plan), response)


@router.post("/sites/{site}/plans/{plan}/image", responses=OF_BODIES)
async def post_image(
    request: Request,
    response: Response,
    site: str,
    plan: Number,
    context: Ctx,
    viewer: Signed,
    file: UploadFile | None = None,
    if_match: IfMatch = None,
) -> PlanOut:
    """Give a plan another picture; the places of devices stay."""
    now = context.clock.now()
    picture: Picture = await drawn(request, context, viewer, site, file, now)
    tag = stated_tag(if_match)

    def work(conn: Connection) -> Plan:
        before = get_plan(conn, site, plan)
        entry = read_entry(before.name, before.rank)
        acts.change_plan(
            conn, site, plan, entry, picture, viewer=viewer, by=viewer.login, now=now, expected=tag
        )
        return get_plan(conn, site, plan)

    return _out(await acting(request, work), response)


@router.get("/sites/{site}/plans/{plan}/image", responses={200: {"content": {"image/png": {}}}})
def get_image(
    site: str,
    plan: Number,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The picture of a plan, as PNG."""
    return image_of(see_site(conn, viewer, site, now=context.clock.now()), plan, conn, if_none_match)


@router.post("/sites/{site}/plans/{plan}/places", responses=OF_BODIES)
def post_place(
    site: str,
    plan: Number,
    body: Placing,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> PlacedOut:
    """Put a device at a place of a plan, or take it off. `If-Match`: the ETag of its place, `"unplaced"` for
    one that has none.
    """
    now = context.clock.now()
    spot, tag = read_spot(body.x, body.y), stated_tag(if_match)
    acts.place_device(
        conn, site, plan, body.device, spot, viewer=viewer, by=viewer.login, now=now, expected=tag
    )
    seen = see_site(conn, viewer, site, now=now)
    placed = _placed(seen, _states(conn, context, viewer, seen))
    found = next(one for one in placed if one.device == body.device)
    response.headers["ETag"] = found.etag
    return found


@router.post("/sites/{site}/plans/{plan}/removal", responses=OF_BODIES)
def post_removal(
    site: str, plan: Number, body: Removal, conn: Conn, context: Ctx, viewer: Signed, if_match: IfMatch = None
) -> RemovedOut:
    """Remove a plan for good, with every place on it; the devices stay."""
    acts.remove_plan(
        conn,
        site,
        plan,
        is_sure=body.is_sure,
        viewer=viewer,
        by=viewer.login,
        now=context.clock.now(),
        expected=stated_tag(if_match),
    )
    return RemovedOut(plan=plan, site=site)
