"""Devices are registered, and get and lose their credentials."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed
from api.acting import acting, taken_up
from api.context import Conn, Ctx
from api.enrolling import Given, give, require_connectable
from api.problems import OF_BODIES
from api.routes.shapes import example
from ingest.acts.effect import AtBroker, Effect
from ingest.acts.enrolling import LONGEST_DAYS, MOST_FIELDS, MOST_POSITION, Enrolment, measure, revoke
from ingest.mapping_entry import Every, read_interval
from insitu.entered import Moment
from insitu.model import CODE_PATTERN
from store.access import credentials_of_device
from store.catalogue.devices import find_device
from store.database import Connection

router = APIRouter()
Fields = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=MOST_FIELDS)]
"""NAME or NAME=PROPERTY."""
Days = Annotated[int, Field(ge=0, le=LONGEST_DAYS)]
_EVERY: Final = read_interval(900)
USED: Final[dict[AtBroker, bool | None]] = {
    AtBroker.USED: True,
    AtBroker.WAITING: False,
    AtBroker.ELSEWHERE: None,
}


class DeviceIn(BaseModel):
    """A device with its first credential."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "code": "p1-north",
                "measure": ["pm25", "t=temperature"],
                "site": "station-centre",
                "position": "platform-1",
                "every": "PT15M",
            }
        },
    )

    code: Annotated[str, Field(pattern=CODE_PATTERN)]
    measure: Fields = []
    """Fields of its payload, as NAME or NAME=PROPERTY; none: those of the trial's mappings."""
    site: Annotated[str, Field(max_length=64)] = ""
    """Of the trial's host; may be left out if devices of the trial are at one site."""
    position: Annotated[str, Field(max_length=MOST_POSITION)] = ""
    every: Every = _EVERY
    """Planned time between two results: seconds, or PT15M, P1D, P1M."""
    days: Days = 0
    """Until the credential ends; 0: with the trial."""
    since: Moment | None = None
    """Since when it has been at the site, for results that it has kept; null: from now on."""


class CredentialIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"ends_others": True}})

    days: Days = 0
    ends_others: bool = False
    """The older credentials end in the same moment; else they stay valid until they are revoked."""


class FieldsIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"measure": ["humidity"], "every": 900}}
    )

    measure: Annotated[Fields, Field(min_length=1)]
    every: Every = _EVERY


class RevocationIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"keep": "platform-air.p1-north"}}
    )

    keep: Annotated[str, Field(max_length=300)] | None = None
    """User name of the credential that stays; null: none stays."""


class GivenOut(BaseModel):
    """A credential. The token is shown this once."""

    model_config = example(
        trial="platform-air",
        device="p1-north",
        username="platform-air.p1-north",
        token="8bJ…",  # noqa: S106 - an example
        client_id="platform-air-p1-north-91c2…",
        used_by_broker=True,
        problem="",
        snippets={"curl": "curl …"},
    )

    trial: str
    device: str
    username: str
    token: str
    client_id: str
    used_by_broker: bool | None
    """False: not within a few seconds; null: the broker is not Insitu's own, and gets its list by hand."""
    problem: str
    snippets: dict[str, str]


class CredentialOut(BaseModel):
    model_config = example(
        username="platform-air.p1-north",
        created_at="2026-03-01T12:00:00Z",
        expires_at=None,
        revoked_at=None,
        suspended_until=None,
    )

    username: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    suspended_until: datetime | None


class CredentialsOut(BaseModel):
    items: list[CredentialOut]
    """Newest first, also those that have ended."""


class RevokedOut(BaseModel):
    model_config = example(ended=1, used_by_broker=True, problem="")

    ended: int
    used_by_broker: bool | None
    """True: the broker has disconnected the device."""
    problem: str


class AddedOut(BaseModel):
    model_config = example(added=["humidity"])

    added: list[str]
    """Names of the datastreams that are new; the others were there."""


def _given(made: Given, response: Response) -> GivenOut:
    response.headers["Cache-Control"] = "no-store"
    return GivenOut(
        trial=made.trial,
        device=made.device,
        username=made.username,
        token=made.token,
        client_id=made.client_id,
        used_by_broker=USED[made.effect.state],
        problem=made.effect.problem,
        snippets=made.snippets,
    )


@router.post("/trials/{trial}/devices", status_code=201, responses=OF_BODIES)
async def post_device(
    request: Request, response: Response, trial: str, body: DeviceIn, viewer: Signed
) -> GivenOut:
    """Register a device and give it its credential; for the trial's company and the lab."""
    given = (trial, body.code, body.measure, body.site, body.position, body.every, body.days)
    wanted = Enrolment(*given, is_new=True, since=body.since)
    return _given(await give(request, viewer, wanted), response)


@router.post("/trials/{trial}/devices/{device}/credentials", status_code=201, responses=OF_BODIES)
async def post_credential(
    request: Request,
    response: Response,
    trial: str,
    device: str,
    body: CredentialIn,
    viewer: Signed,
) -> GivenOut:
    """Give a device a new credential, beside the older ones or instead of them."""
    wanted = Enrolment(trial, device, days=body.days, is_new=False)
    return _given(await give(request, viewer, wanted, ends_others=body.ends_others), response)


@router.get("/trials/{trial}/devices/{device}/credentials")
def list_credentials(trial: str, device: str, conn: Conn, viewer: Signed) -> CredentialsOut:
    """The credentials of a device, without tokens."""
    found = require_connectable(conn, viewer, trial)
    lives = credentials_of_device(conn, find_device(conn, found.code, device).device_id)
    return CredentialsOut(items=[CredentialOut.model_validate(one, from_attributes=True) for one in lives])


@router.post("/trials/{trial}/devices/{device}/revocation", status_code=201, responses=OF_BODIES)
async def post_revocation(
    request: Request, trial: str, device: str, body: RevocationIn, context: Ctx, viewer: Signed
) -> RevokedOut:
    """End the credentials of a device, all or all but one, and disconnect it."""

    def end(conn: Connection) -> int:
        found = require_connectable(conn, viewer, trial)
        return revoke(conn, found.code, device, now=context.clock.now(), by=viewer.login, keep=body.keep)

    ended = await acting(request, end)
    effect = await taken_up(request) if ended else Effect(AtBroker.USED)
    return RevokedOut(ended=ended, used_by_broker=USED[effect.state], problem=effect.problem)


@router.post("/trials/{trial}/devices/{device}/datastreams", status_code=201, responses=OF_BODIES)
def post_datastreams(
    trial: str, device: str, body: FieldsIn, conn: Conn, context: Ctx, viewer: Signed
) -> AddedOut:
    """Give a device further datastreams; those that it has stay."""
    found = require_connectable(conn, viewer, trial)
    now = context.clock.now()
    added = measure(conn, found.code, device, body.measure, every=body.every, now=now, by=viewer.login)
    return AddedOut(added=added)
