"""The lab's programme: organisations, sites, properties, needs, trials and their life."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.preconditions import IfMatch, quoted, stated_tag
from api.problems import OF_BODIES
from api.routes.shapes import Listed, example
from insitu.entered import Moment
from insitu.errors import NotFound
from insitu.model import AveragingScale, OrganisationKind
from store.access import visible_trial
from store.catalogue.entries import list_versions
from store.catalogue.organisations import list_needs, list_organisations
from store.catalogue.properties import list_properties
from store.catalogue.sites import list_host_sites
from store.rights import Act, Reach
from trials.workflow.entries import (
    Named,
    NeedEntry,
    OrganisationEntry,
    PropertyEntry,
    SiteEntry,
    TrialEntry,
)
from trials.workflow.programme import Done, change, change_trial, enter

router = APIRouter()


class DoneOut(BaseModel):
    model_config = example(
        kind="site", code="station-centre", is_new=False, changes=["name was 'A', is 'B'"], etag='"7341"'
    )

    kind: str
    code: str
    is_new: bool
    changes: list[str]
    """Each difference in words; empty for a new entry, and where nothing differs."""
    etag: str
    """Of the entry as it is now."""


def _done(conn: Conn, response: Response, done: Done) -> DoneOut:
    tag = quoted(list_versions(conn, done.kind)[done.code])
    response.headers["ETag"] = tag
    is_new = done.changes is None
    return DoneOut(kind=done.kind, code=done.code, is_new=is_new, changes=done.changes or [], etag=tag)


def _enter(conn: Conn, context: Ctx, viewer: Signed, entry: Named, response: Response) -> DoneOut:
    done = enter(conn, entry, viewer=viewer, by=viewer.login, now=context.clock.now())
    return _done(conn, response, done)


def _change(
    conn: Conn, context: Ctx, viewer: Signed, entry: Named, response: Response, if_match: str | None
) -> DoneOut:
    now, tag = context.clock.now(), stated_tag(if_match)
    done = change(conn, entry, viewer=viewer, by=viewer.login, now=now, expected=tag)
    return _done(conn, response, done)


def _tagged(conn: Conn, kind: str, shape: type[Tagged], found: Iterable[Any]) -> list[Any]:
    """Each entry in its shape, with its ETag."""
    versions = list_versions(conn, kind)
    names = shape.model_fields.keys() - {"etag"}
    return [
        shape(**{name: getattr(one, name) for name in names}, etag=quoted(versions[one.code]))
        for one in found
    ]


class Tagged(BaseModel):
    etag: str
    """Send it as If-Match to change what you read, and nothing newer."""


class OrganisationOut(Tagged):
    model_config = example(code="metro", name="Metro operator", kind="host", etag='"7341"')

    code: str
    name: str
    kind: OrganisationKind


@router.get("/organisations")
def get_organisations(conn: Conn, viewer: Signed) -> Listed[OrganisationOut]:
    """Every organisation; for the lab."""
    require_right(viewer, Act.RUN_PROGRAMME, "list of organisations")
    items = _tagged(conn, "organisation", OrganisationOut, list_organisations(conn))
    return Listed(items=items, next=None)


@router.post("/organisations", status_code=201, responses=OF_BODIES)
def post_organisation(
    body: OrganisationEntry, conn: Conn, context: Ctx, viewer: Signed, response: Response
) -> DoneOut:
    """Enter an organisation; for the lab. A code that is there gets 409."""
    return _enter(conn, context, viewer, body, response)


class OrganisationChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Metro operator"}})

    name: str = Field(min_length=1, max_length=500)


@router.post("/organisations/{organisation}", responses=OF_BODIES)
def change_organisation(
    organisation: str,
    body: OrganisationChange,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> DoneOut:
    """Change the name of an organisation; for the lab."""
    require_right(viewer, Act.RUN_PROGRAMME, f"organisation {organisation!r}")
    known = next((one for one in list_organisations(conn) if one.code == organisation), None)
    if known is None:
        raise NotFound(f"There is no organisation {organisation!r}.")
    entry = OrganisationEntry.read({"code": known.code, "name": body.name, "kind": known.kind})
    return _change(conn, context, viewer, entry, response, if_match)


class SiteOut(Tagged):
    model_config = example(
        code="station-centre",
        host="metro",
        name="Central station",
        kind="platform",
        latitude=48.86,
        longitude=2.35,
        devices=6,
        etag='"7341"',
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
    return Listed(items=_tagged(conn, "site", SiteOut, found), next=None)


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
def post_site(body: SiteEntry, conn: Conn, context: Ctx, viewer: Signed, response: Response) -> DoneOut:
    """Enter a site of one's own organisation; the lab for any host."""
    return _enter(conn, context, viewer, body, response)


class SiteChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Central station"}})

    name: str = Field(default="", min_length=1, max_length=500)
    kind: str = Field(default="", max_length=500)
    latitude: float | None = None
    longitude: float | None = None
    """Both degrees or none; null takes them away."""


@router.post("/sites/{site}", responses=OF_BODIES)
def change_site(
    site: str,
    body: SiteChange,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> DoneOut:
    """Change what the body names, and keep the rest."""
    known = next(iter(list_host_sites(conn, None, now=context.clock.now(), code=site)), None)
    if known is None:
        raise NotFound(f"There is no site {site!r} that you may enter or change.")
    before: dict[str, Any] = {"code": site, "host": known.host, "name": known.name}
    before |= {"latitude": known.latitude, "longitude": known.longitude}
    stated = body.model_dump(include=body.model_fields_set)
    return _change(conn, context, viewer, SiteEntry.read(before | stated), response, if_match)


class PropertyOut(Tagged):
    model_config = example(
        code="pm25",
        name={"en": "PM2.5", "fr": "PM2,5"},
        unit="ug/m3",
        averaging_scale="arithmetic",
        etag='"7341"',
    )

    code: str
    name: dict[str, str]
    unit: str
    averaging_scale: AveragingScale


@router.get("/properties")
def get_properties(conn: Conn, viewer: Signed) -> Listed[PropertyOut]:
    """Every observed property."""
    return Listed(items=_tagged(conn, "property", PropertyOut, list_properties(conn)), next=None)


@router.post("/properties", status_code=201, responses=OF_BODIES)
def post_property(
    body: PropertyEntry, conn: Conn, context: Ctx, viewer: Signed, response: Response
) -> DoneOut:
    """Enter a property with its unit (UCUM); for the lab."""
    return _enter(conn, context, viewer, body, response)


class PropertyChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": {"en": "PM2.5"}}})

    name: dict[str, str] = Field(default_factory=dict)
    averaging_scale: AveragingScale | None = None
    """Only for a property that was entered without a word about it."""


@router.post("/properties/{property}", responses=OF_BODIES)
def change_property(
    property: str,
    body: PropertyChange,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> DoneOut:
    """Change the name of a property; for the lab. Its unit stays: results are stored in it."""
    require_right(viewer, Act.RUN_PROGRAMME, f"property {property!r}")
    known = next((one for one in list_properties(conn) if one.code == property), None)
    if known is None:
        raise NotFound(f"There is no property {property!r}.")
    before = {"code": known.code, "name": known.name, "unit": known.unit}
    stated = body.model_dump(include=body.model_fields_set)
    return _change(conn, context, viewer, PropertyEntry.read(before | stated), response, if_match)


class NeedOut(Tagged):
    model_config = example(
        code="cleaner-air", host="metro", title={"en": "Cleaner air"}, description={}, etag='"7341"'
    )

    code: str
    host: str
    title: dict[str, str]
    description: dict[str, str]


@router.get("/needs")
def get_needs(conn: Conn, viewer: Signed) -> Listed[NeedOut]:
    """Every need; for the lab."""
    require_right(viewer, Act.RUN_PROGRAMME, "list of needs")
    return Listed(items=_tagged(conn, "need", NeedOut, list_needs(conn)), next=None)


@router.post("/needs", status_code=201, responses=OF_BODIES)
def post_need(body: NeedEntry, conn: Conn, context: Ctx, viewer: Signed, response: Response) -> DoneOut:
    """Enter what a host is looking for; for the lab."""
    return _enter(conn, context, viewer, body, response)


class NeedChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"title": {"en": "Cleaner air"}}})

    title: dict[str, str] = Field(default_factory=dict)
    description: dict[str, str] = Field(default_factory=dict)


@router.post("/needs/{need}", responses=OF_BODIES)
def change_need(
    need: str,
    body: NeedChange,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> DoneOut:
    """Change what the body names of a need; for the lab. Its host stays."""
    require_right(viewer, Act.RUN_PROGRAMME, f"need {need!r}")
    known = next((one for one in list_needs(conn) if one.code == need), None)
    if known is None:
        raise NotFound(f"There is no need {need!r}.")
    before = {"code": known.code, "host": known.host, "title": known.title}
    stated = body.model_dump(include=body.model_fields_set)
    return _change(conn, context, viewer, NeedEntry.read(before | stated), response, if_match)


@router.post("/trials", status_code=201, responses=OF_BODIES)
def post_trial(body: TrialEntry, conn: Conn, context: Ctx, viewer: Signed, response: Response) -> DoneOut:
    """Enter a trial with its parties; for the lab. Its life begins with `need`."""
    return _enter(conn, context, viewer, body, response)


class TrialChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"evaluator": "institute"}})

    title: dict[str, str] = Field(default_factory=dict)
    evaluator: str | None = None
    need: str | None = None
    time_zone: str = ""
    ends_at: Moment | None = None


@router.post("/trials/{trial}", responses=OF_BODIES)
def post_trial_change(
    trial: str,
    body: TrialChange,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> DoneOut:
    """Change what the body names, and keep the rest; for the lab. Host and company stay."""
    found = visible_trial(conn, viewer, trial)
    stated = body.model_dump(include=body.model_fields_set)
    now, tag = context.clock.now(), stated_tag(if_match)
    done = change_trial(conn, found, stated, viewer=viewer, by=viewer.login, now=now, expected=tag)
    return _done(conn, response, done)
