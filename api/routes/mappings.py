"""Mappings of a trial: listed, tried on the messages refused so far, and saved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.problems import OF_BODIES
from api.routes.shapes import example
from ingest.acts.mapping import etag_of_mappings, save_mappings
from ingest.mapping_edits import edit_mappings
from ingest.mapping_entry import MappingEntry
from ingest.trial_run import FieldOutcome, try_mappings, write_sent
from insitu.errors import CorrectInput
from store.access import visible_trial
from store.database import Connection
from store.mapping import Mapping
from store.mappings import hold_mappings, mappings_of_trial
from store.rights import Act

router = APIRouter()


class ToTry(BaseModel):
    model_config = example(mappings=[{"trial": "t", "field": "PM2.5", "property": "pm25"}], most=1000)

    mappings: Annotated[list[MappingEntry], Field(max_length=1000)] = []
    """As `[[mapping]]` of a registration; none: those of the trial."""
    add: bool = True
    """Beside the trial's other mappings; false: instead of them."""
    reason: str | None = None
    most: Annotated[int, Field(ge=1, le=5000)] = 1000


class FieldOut(BaseModel):
    """The future of one field under these mappings."""

    field: str
    outcome: str
    """stored, health, ignored or refused."""
    reason: str
    detail: str
    times: int
    sent: str
    result: float | None
    unit: str
    property: str
    time: datetime | None
    device: str


class TriedOut(BaseModel):
    messages: int
    """Refused messages that were read again; nothing was stored."""
    fields: list[FieldOut]


@router.post("/trials/{trial}/mappings/try", responses=OF_BODIES)
def try_trial_mappings(trial: str, wanted: ToTry, conn: Conn, viewer: Signed) -> TriedOut:
    """Read the trial's refused messages with these mappings. Nothing is stored or changed. For the lab, and
    for a company and its own trials.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.MAP, f"mapping of {trial!r} to try", found)
    _require_trial(found.code, wanted.mappings)
    mappings = _mappings(conn, found.code, wanted) if wanted.mappings else None
    tried = try_mappings(conn, found.code, mappings, reason=wanted.reason, most=wanted.most)
    return TriedOut(messages=tried.messages, fields=[_shown(one) for one in tried.fields])


class MappingOut(BaseModel):
    """A mapping of the trial."""

    model_config = example(
        field="PM2.5",
        devices=["*"],
        property="pm25",
        unit="mg/m3",
        property_unit="ug/m3",
        role="candidate",
        result_type="number",
        every="PT15M",
        stamp="instant",
        rule={},
    )

    field: str
    devices: list[str]
    """Codes, or patterns with * and ?."""
    property: str
    """Empty: the field is no result; `rule` says what it is."""
    unit: str
    property_unit: str
    role: str
    result_type: str
    every: str | None
    stamp: str
    rule: dict[str, Any]
    """Keys that differ from their default."""


class MappingsOut(BaseModel):
    items: list[MappingOut]


class ToSave(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"mappings": [{"trial": "t", "field": "PM2.5", "property": "pm25"}]}},
    )

    mappings: Annotated[list[MappingEntry], Field(min_length=1, max_length=1000)]
    """As `[[mapping]]` of a registration; others of the trial stay, and `remove` takes one away."""


class SavedOut(BaseModel):
    model_config = example(lines=["entered mapping t/PM2.5: ug/m3 → pm25 in ug/m3 (1 entered)"], entered=1)

    lines: list[str]
    """One about each entry."""
    entered: int
    """Datastreams that devices got."""


def _require_trial(trial: str, entries: Sequence[MappingEntry]) -> None:
    if any(entry.trial != trial for entry in entries):
        raise CorrectInput(f"Each mapping must name the trial {trial!r}.")


@router.get("/trials/{trial}/mappings")
def list_mappings(trial: str, response: Response, conn: Conn, viewer: Signed) -> MappingsOut:
    """The meaning of the fields of the trial's devices."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_PROTOCOL, f"mapping of {trial!r}", found)
    response.headers["ETag"] = etag_of_mappings(conn, found.code)
    return MappingsOut(items=[_mapping(one) for one in mappings_of_trial(conn, found.code)])


def _mapping(one: Mapping) -> MappingOut:
    every = one.every()
    return MappingOut(
        field=one.field,
        devices=list(one.devices),
        property=one.property,
        unit=one.unit,
        property_unit=one.property_unit,
        role=str(one.role),
        result_type=one.result_type,
        every=None if every is None else str(every),
        stamp=str(one.stamp),
        rule=dict(one.rule_document),
    )


@router.post("/trials/{trial}/mappings", status_code=201, responses=OF_BODIES)
def save_trial_mappings(
    trial: str,
    body: ToSave,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    if_match: Annotated[str, Header(alias="If-Match", max_length=100)] = "",
) -> SavedOut:
    """Enter, change and remove mappings; for the lab, and for a company and its own trials. With `If-Match`
    and the ETag of the list: 412 if somebody changed it meanwhile. A replay then stores the refused messages.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.MAP, f"mapping of {trial!r} to save", found)
    _require_trial(found.code, body.mappings)
    hold_mappings(conn, found.code)
    if if_match and if_match != etag_of_mappings(conn, found.code):
        raise HTTPException(412, "The mappings were changed meanwhile: read them again.")
    saved = save_mappings(conn, found.code, body.mappings, now=context.clock.now(), by=viewer.login)
    return SavedOut(lines=saved.lines, entered=sum(one.what == "entered" for one in saved.changes))


def _mappings(conn: Connection, trial: str, wanted: ToTry) -> list[Mapping]:
    if wanted.add:
        return edit_mappings(conn, trial, wanted.mappings).mappings
    return [entry.mapping(conn) for entry in wanted.mappings if not entry.remove]


def _shown(one: FieldOutcome) -> FieldOut:
    return FieldOut(
        field=one.field,
        outcome=one.outcome,
        reason=one.reason,
        detail=one.detail,
        times=one.times,
        sent=write_sent(one.sent),
        result=one.result,
        unit=one.unit,
        property=one.property,
        time=one.time,
        device=one.device,
    )
