"""Mappings that are only tried on the messages refused so far."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Signed, require_right
from api.context import Conn
from api.problems import OF_BODIES
from api.routes.shapes import example
from ingest.mapping_edits import edit_mappings
from ingest.mapping_entry import MappingEntry
from ingest.trial_run import FieldOutcome, try_mappings
from insitu.errors import CorrectInput
from store.access import visible_trial
from store.database import Connection
from store.mapping import Mapping
from store.rights import Act

router = APIRouter()
_MOST_TEXT = 200


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
    require_right(viewer, Act.REPLAY, f"mapping of {trial!r} to try", found)
    if any(entry.trial != found.code for entry in wanted.mappings):
        raise CorrectInput(f"Each mapping must name the trial {found.code!r}.")
    mappings = _mappings(conn, found.code, wanted) if wanted.mappings else None
    tried = try_mappings(conn, found.code, mappings, reason=wanted.reason, most=wanted.most)
    return TriedOut(messages=tried.messages, fields=[_shown(one) for one in tried.fields])


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
        sent=shown_sent(one.sent),
        result=one.result,
        unit=one.unit,
        property=one.property,
        time=one.time,
        device=one.device,
    )


def shown_sent(sent: object) -> str:
    return json.dumps(sent, ensure_ascii=False, default=str)[:_MOST_TEXT]
