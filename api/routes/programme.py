"""The lab's programme: organisations, sites, properties, needs, trials and their life."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.problems import OF_BODIES
from api.routes.shapes import Listed, example
from insitu.entered import Moment
from insitu.errors import NotFound
from insitu.model import AveragingScale, OrganisationKind, TrialState
from store.access import visible_trial
from store.catalogue.organisations import list_needs, list_organisations
from store.catalogue.properties import list_properties
from store.catalogue.sites import list_host_sites
from store.rights import Act, Reach
from trials.plan.agreement import PROVISIONS, SENTENCES, OpenPoint
from trials.workflow.entries import (
    Named,
    NeedEntry,
    OrganisationEntry,
    PropertyEntry,
    SiteEntry,
    TrialEntry,
)
from trials.workflow.life import MOST_NOTE, OPEN_WORDS, next_steps, step
from trials.workflow.programme import change, change_trial, enter

router = APIRouter()


class DoneOut(BaseModel):
    model_config = example(kind="site", code="station-centre", is_new=False, changes=["name was 'A', is 'B'"])

    kind: str
    code: str
    is_new: bool
    changes: list[str]
    """Each difference in words; empty for a new entry, and where nothing differs."""


def _enter(conn: Conn, context: Ctx, viewer: Signed, entry: Named) -> DoneOut:
    done = enter(conn, entry, viewer=viewer, by=viewer.login, now=context.clock.now())
    return DoneOut(kind=done.kind, code=done.code, is_new=True, changes=[])


def _change(conn: Conn, context: Ctx, viewer: Signed, entry: Named) -> DoneOut:
    done = change(conn, entry, viewer=viewer, by=viewer.login, now=context.clock.now())
    return DoneOut(kind=done.kind, code=done.code, is_new=False, changes=done.changes or [])


class OrganisationOut(BaseModel):
    model_config = example(code="metro", name="Metro operator", kind="host")

    code: str
    name: str
    kind: OrganisationKind


@router.get("/organisations")
def get_organisations(conn: Conn, viewer: Signed) -> Listed[OrganisationOut]:
    """Every organisation; for the lab."""
    require_right(viewer, Act.RUN_PROGRAMME, "list of organisations")
    items = [OrganisationOut(code=o.code, name=o.name, kind=o.kind) for o in list_organisations(conn)]
    return Listed(items=items, next=None)


@router.post("/organisations", status_code=201, responses=OF_BODIES)
def post_organisation(body: OrganisationEntry, conn: Conn, context: Ctx, viewer: Signed) -> DoneOut:
    """Enter an organisation; for the lab. A code that is there gets 409."""
    return _enter(conn, context, viewer, body)


class OrganisationChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Metro operator"}})

    name: str = Field(min_length=1, max_length=500)


@router.post("/organisations/{organisation}", responses=OF_BODIES)
def change_organisation(
    organisation: str, body: OrganisationChange, conn: Conn, context: Ctx, viewer: Signed
) -> DoneOut:
    """Change the name of an organisation; for the lab."""
    require_right(viewer, Act.RUN_PROGRAMME, f"organisation {organisation!r}")
    known = next((one for one in list_organisations(conn) if one.code == organisation), None)
    if known is None:
        raise NotFound(f"There is no organisation {organisation!r}.")
    entry = OrganisationEntry.read({"code": known.code, "name": body.name, "kind": known.kind})
    return _change(conn, context, viewer, entry)


class SiteOut(BaseModel):
    model_config = example(
        code="station-centre",
        host="metro",
        name="Central station",
        kind="platform",
        latitude=48.86,
        longitude=2.35,
        devices=6,
    )

    code: str
    host: str
    name: str
    kind: str
    latitude: float | None
    longitude: float | None
    devices: int
    """How many stand there now."""


def geojson(sites: Sequence[SiteOut]) -> dict[str, Any]:
    """A FeatureCollection; coordinates are longitude and latitude, in WGS84."""
    features = [
        {
            "type": "Feature",
            "id": site.code,
            "geometry": None
            if site.latitude is None or site.longitude is None
            else {"type": "Point", "coordinates": [site.longitude, site.latitude]},
            "properties": {
                "code": site.code,
                "host": site.host,
                "name": site.name,
                "kind": site.kind,
                "devices": site.devices,
            },
        }
        for site in sites
    ]
    return {"type": "FeatureCollection", "features": features}


@router.get("/sites")
def get_sites(conn: Conn, context: Ctx, viewer: Signed) -> Listed[SiteOut]:
    """The sites of one's own organisation; for the lab all."""
    require_right(viewer, Act.MANAGE_SITES, "list of sites")
    host = None if viewer.reach(Act.MANAGE_SITES) is Reach.ANY else viewer.organisation_id
    found = list_host_sites(conn, host, now=context.clock.now())
    return Listed(items=[SiteOut.model_validate(one, from_attributes=True) for one in found], next=None)


@router.get(
    "/sites.geojson",
    response_class=JSONResponse,
    responses={200: {"content": {"application/geo+json": {"example": geojson([])}}}},
)
def get_sites_as_geojson(conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """The same sites as GeoJSON (RFC 7946), for a map. A site without a place has a null geometry."""
    sites = get_sites(conn, context, viewer).items
    return JSONResponse(geojson(sites), media_type="application/geo+json")


@router.post("/sites", status_code=201, responses=OF_BODIES)
def post_site(body: SiteEntry, conn: Conn, context: Ctx, viewer: Signed) -> DoneOut:
    """Enter a site of one's own organisation; the lab for any host."""
    return _enter(conn, context, viewer, body)


class SiteChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Central station"}})

    name: str = Field(default="", min_length=1, max_length=500)
    kind: str = Field(default="", max_length=500)
    latitude: float | None = None
    longitude: float | None = None
    """Both degrees or none; null takes them away."""


@router.post("/sites/{site}", responses=OF_BODIES)
def change_site(site: str, body: SiteChange, conn: Conn, context: Ctx, viewer: Signed) -> DoneOut:
    """Change what the body names, and keep the rest."""
    known = next(iter(list_host_sites(conn, None, now=context.clock.now(), code=site)), None)
    if known is None:
        raise NotFound(f"There is no site {site!r} that you may enter or change.")
    before: dict[str, Any] = {"code": site, "host": known.host, "name": known.name}
    before |= {"latitude": known.latitude, "longitude": known.longitude}
    stated = body.model_dump(include=body.model_fields_set)
    return _change(conn, context, viewer, SiteEntry.read(before | stated))


class PropertyOut(BaseModel):
    model_config = example(
        code="pm25", name={"en": "PM2.5", "fr": "PM2,5"}, unit="ug/m3", averaging_scale="arithmetic"
    )

    code: str
    name: dict[str, str]
    unit: str
    averaging_scale: AveragingScale


@router.get("/properties")
def get_properties(conn: Conn, viewer: Signed) -> Listed[PropertyOut]:
    """Every observed property."""
    found = [PropertyOut.model_validate(one, from_attributes=True) for one in list_properties(conn)]
    return Listed(items=found, next=None)


@router.post("/properties", status_code=201, responses=OF_BODIES)
def post_property(body: PropertyEntry, conn: Conn, context: Ctx, viewer: Signed) -> DoneOut:
    """Enter a property with its unit (UCUM); for the lab."""
    return _enter(conn, context, viewer, body)


class NeedOut(BaseModel):
    model_config = example(code="cleaner-air", host="metro", title={"en": "Cleaner air"}, description={})

    code: str
    host: str
    title: dict[str, str]
    description: dict[str, str]


@router.get("/needs")
def get_needs(conn: Conn, viewer: Signed) -> Listed[NeedOut]:
    """Every need; for the lab."""
    require_right(viewer, Act.RUN_PROGRAMME, "list of needs")
    found = [NeedOut.model_validate(one, from_attributes=True) for one in list_needs(conn)]
    return Listed(items=found, next=None)


@router.post("/needs", status_code=201, responses=OF_BODIES)
def post_need(body: NeedEntry, conn: Conn, context: Ctx, viewer: Signed) -> DoneOut:
    """Enter what a host is looking for; for the lab."""
    return _enter(conn, context, viewer, body)


@router.post("/trials", status_code=201, responses=OF_BODIES)
def post_trial(body: TrialEntry, conn: Conn, context: Ctx, viewer: Signed) -> DoneOut:
    """Enter a trial with its parties; for the lab. Its life begins with `need`."""
    return _enter(conn, context, viewer, body)


class TrialChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"evaluator": "institute"}})

    title: dict[str, str] = Field(default_factory=dict)
    evaluator: str | None = None
    need: str | None = None
    time_zone: str = ""
    ends_at: Moment | None = None


@router.post("/trials/{trial}", responses=OF_BODIES)
def post_trial_change(trial: str, body: TrialChange, conn: Conn, context: Ctx, viewer: Signed) -> DoneOut:
    """Change what the body names, and keep the rest; for the lab. Host and company stay."""
    found = visible_trial(conn, viewer, trial)
    stated = body.model_dump(include=body.model_fields_set)
    done = change_trial(conn, found, stated, viewer=viewer, by=viewer.login, now=context.clock.now())
    return DoneOut(kind=done.kind, code=done.code, is_new=False, changes=done.changes or [])


class OpenOut(BaseModel):
    code: str
    sentence: str


class StepOut(BaseModel):
    model_config = example(
        to="running",
        is_here=True,
        open=[{"code": "not_locked", "sentence": OPEN_WORDS["not_locked"]}],  # type: ignore[index]
    )

    to: TrialState
    is_here: bool
    """False: a decision does it."""
    open: list[OpenOut]
    """Nothing of it forbids the step."""


class LifeOut(BaseModel):
    state: TrialState
    next: list[StepOut]


class MoveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"to": "running"}})

    to: TrialState
    note: str = Field(default="", max_length=MOST_NOTE)


class MovedOut(BaseModel):
    model_config = example(state="running", at="2026-03-01T08:00:00Z", open=[])

    state: TrialState
    at: datetime
    open: list[OpenOut]
    """Open points of the agreement."""


@router.get("/trials/{trial}/life")
def get_life(trial: str, conn: Conn, viewer: Signed) -> LifeOut:
    """The state of a trial, and the steps that may follow with what is open before each."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.RUN_PROGRAMME, f"life of {trial!r}", found)
    steps = [
        StepOut(
            to=one.to,
            is_here=one.is_here,
            open=[
                *(OpenOut(code=code.value, sentence=OPEN_WORDS[code]) for code in one.open),
                *map(_of_agreement, one.agreement),
            ],
        )
        for one in next_steps(conn, found)
    ]
    return LifeOut(state=found.state, next=steps)


@router.post("/trials/{trial}/life", responses=OF_BODIES)
def post_step(trial: str, body: MoveIn, conn: Conn, context: Ctx, viewer: Signed) -> MovedOut:
    """Move a trial to its next state; for the lab."""
    now = context.clock.now()
    open_points = step(conn, trial, body.to, body.note, viewer=viewer, now=now)
    return MovedOut(state=body.to, at=now, open=[_of_agreement(point) for point in open_points])


def _of_agreement(point: OpenPoint) -> OpenOut:
    heading = PROVISIONS.get(point.provision, "")
    sentence = SENTENCES[point.code].format(
        about=point.about or "the devices without a model",
        heading=heading,
        provision=point.provision.replace("_", " "),
        note=point.note,
    )
    return OpenOut(code=point.code.value, sentence=sentence)
