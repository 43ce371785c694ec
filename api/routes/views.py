"""A person's own views and walls."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed
from api.context import Ctx, ServiceConn
from api.inviting import require_manager
from api.problems import OF_BODIES
from api.routes.shapes import Listed, example
from api.views import keepable_address
from api.walls import Chosen, make_wall, write_wall_link
from store import views, walls
from store.views import SavedView
from store.walls import OwnedWall, WallLink

router = APIRouter()
Number = Annotated[int, Path(ge=1, lt=2**31)]


class ViewOut(BaseModel):
    model_config = example(view=3, name="Silent", address="/fleet?state=silent", place=1)

    view: int
    name: str
    address: str
    """Path and query of a page."""
    place: int
    """In the person's own order, from 1."""


class ViewIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "Silent", "address": "/fleet?state=silent"}}
    )

    name: str = Field(max_length=200)
    address: str = Field(max_length=2000)


class ViewChange(BaseModel):
    """Null: as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"place": 1}})

    name: str | None = Field(default=None, max_length=200)
    place: int | None = Field(default=None, ge=1, le=views.MOST_VIEWS)


_A_WALL: Final[dict[str, Any]] = {
    "wall": 4,
    "name": "Entrance hall",
    "trials": ["platform-air"],
    "sites": [],
    "created_at": "2026-03-02T08:00:00Z",
    "expires_at": "2026-05-31T08:00:00Z",
    "last_opened_at": None,
    "works": True,
}


class WallOut(BaseModel):
    model_config = example(**_A_WALL)

    wall: int
    name: str
    trials: list[str]
    """Codes; none: all that the person sees."""
    sites: list[str]
    created_at: datetime
    expires_at: datetime
    """By the clock of the machine, like `created_at`."""
    last_opened_at: datetime | None
    works: bool


class OwnedWallOut(WallOut):
    model_config = example(**_A_WALL, login="operator", organisation="Metro operator")

    login: str
    """Of the person whose rights it has."""
    organisation: str


class MadeWall(WallOut):
    link: str
    """For the screen. Shown this once."""


class WallIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "Entrance hall", "trials": ["platform-air"], "days": 90}},
    )

    name: str = Field(max_length=200)
    trials: list[str] = Field(default_factory=list, max_length=walls.MOST_CHOSEN)
    sites: list[str] = Field(default_factory=list, max_length=walls.MOST_CHOSEN)
    days: int = Field(default=90, ge=1, le=walls.LONGEST_DAYS)


@router.get("/views")
def list_views(conn: ServiceConn, viewer: Signed) -> Listed[ViewOut]:
    """The pages that the person keeps, in the person's own order."""
    return Listed(items=[_view(one) for one in views.list_views(conn, viewer.person_id)])


@router.post("/views", status_code=201, responses=OF_BODIES)
def keep_view(request: Request, conn: ServiceConn, context: Ctx, viewer: Signed, body: ViewIn) -> ViewOut:
    """Keep a page of ours under a name."""
    address = keepable_address(conn, viewer, body.address, request.url.netloc)
    return _view(views.add_view(conn, viewer, name=body.name, address=address, now=context.clock.now()))


@router.post("/views/{number}", responses=OF_BODIES)
def change_view(conn: ServiceConn, context: Ctx, viewer: Signed, number: Number, body: ViewChange) -> ViewOut:
    """Give a view another name or another place; the others make room."""
    now = context.clock.now()
    return _view(views.change_view(conn, viewer, number, name=body.name, place=body.place, now=now))


@router.post("/views/{number}/removal", status_code=204, responses=OF_BODIES)
def remove_view(conn: ServiceConn, context: Ctx, viewer: Signed, number: Number) -> None:
    """Keep a view no longer."""
    views.remove_view(conn, viewer, number, now=context.clock.now())


@router.get("/walls")
def list_walls(conn: ServiceConn, viewer: Signed) -> Listed[WallOut]:
    """The walls that the person made and did not end, newest first."""
    return Listed(items=[_wall(one) for one in walls.list_walls(conn, viewer.person_id)])


@router.post("/walls", status_code=201, responses=OF_BODIES)
def make_link(request: Request, conn: ServiceConn, context: Ctx, viewer: Signed, body: WallIn) -> MadeWall:
    """Make a link for a screen: it shows the state of devices that the person may see, without signing in.
    For a signed-in person.
    """
    token, chosen = secrets.token_urlsafe(32), Chosen(body.trials, body.sites)
    now = context.clock.now()
    made = make_wall(conn, viewer, token, name=body.name, chosen=chosen, days=body.days, now=now)
    link = write_wall_link(str(request.base_url), token)
    return MadeWall(**_wall(made).model_dump(), link=link)


@router.post("/walls/{number}/end", status_code=204, responses=OF_BODIES)
def end_link(conn: ServiceConn, context: Ctx, viewer: Signed, number: Number) -> None:
    """The link shows nothing any more. For a signed-in person."""
    walls.end_wall(conn, viewer, number, now=context.clock.now())


@router.get("/people/walls")
def list_all_walls(conn: ServiceConn, viewer: Signed) -> Listed[OwnedWallOut]:
    """The walls of everybody whom the person manages, newest first: for the lab all."""
    found = walls.list_all_walls(conn, require_manager(conn, viewer))
    return Listed(
        items=[
            OwnedWallOut(**_wall(one).model_dump(), login=one.login, organisation=one.organisation)
            for one in found
        ]
    )


@router.post("/people/walls/{number}/end", status_code=204, responses=OF_BODIES)
def end_any_link(conn: ServiceConn, context: Ctx, viewer: Signed, number: Number) -> None:
    """The link of somebody whom the person manages shows nothing any more."""
    managed = require_manager(conn, viewer)
    walls.end_any_wall(conn, number, organisation_id=managed, by=viewer.login, now=context.clock.now())


def _view(one: SavedView) -> ViewOut:
    return ViewOut(view=one.saved_view_id, name=one.name, address=one.address, place=one.place)


def _wall(one: WallLink | OwnedWall) -> WallOut:
    return WallOut(
        wall=one.wall_link_id,
        name=one.name,
        trials=one.trials,
        sites=one.sites,
        created_at=one.created_at,
        expires_at=one.expires_at,
        last_opened_at=one.last_opened_at,
        works=one.works,
    )
