"""The protocol of a trial while it is written: its outlook, and errors in a draft."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.problems import OF_BODIES
from api.routes.ingest import raw_body
from api.routes.shapes import example, tagged
from insitu.errors import CorrectInput
from store.access import visible_trial
from store.rights import Act
from store.trials import protocols
from trials.designs.reading import read_for_designs
from trials.judge.expectations import Outlook
from trials.judge.outlook import LENGTHS
from trials.workflow.drafts import check_draft
from trials.workflow.locking import lock_protocol

router = APIRouter()
_MOST_DAYS: Final = 1830
_EXPECTED: Final = {
    "days": 30,
    "counted": 30,
    "half_width": 2.64,
    "smallest_effect": 4.63,
    "met_low": None,
    "met_high": -9.63,
    "reachable": True,
    "decided": 0.86,
}
_OUTLOOK: Final = {
    "trial": "platform-air",
    "version": 1,
    "power": 0.8,
    "start": "2026-03-01T00:00:00Z",
    "end": "2026-03-30T22:00:00Z",
    "planned_days": 30,
    "endpoints": [
        {
            "name": "effect",
            "title": {"en": "Effect on PM2.5", "fr": "Effet sur les PM2,5"},
            "rank": "primary",
            "design": "control_sites",
            "level": 0.95,
            "days": 29,
            "notes": [],
            "criteria": [
                {
                    "statistic": "effect",
                    "target": {"low": None, "high": -5},
                    "unit": "ug/m3",
                    "assumed": 0,
                    "planned": _EXPECTED,
                    "lengths": [_EXPECTED],
                    "days_needed": 27,
                    "notes": [],
                }
            ],
        }
    ],
}


class LockedOut(BaseModel):
    model_config = example(
        trial="platform-air", version=1, sha256="9f2c…", locked_at="2026-03-28T08:00:00Z", locked_by="judge"
    )

    trial: str
    version: int
    sha256: str
    locked_at: datetime
    locked_by: str


class PowerOut(BaseModel):
    model_config = example(trial="platform-air", version=1, locked=True, outlook=_OUTLOOK)

    trial: str
    version: int | None
    """Of the newest locked protocol; null if the trial has none."""
    locked: bool
    outlook: Outlook | None


class ProblemOut(BaseModel):
    field: str
    line: int | None
    """Line in the text, from 1."""
    message: str


class CheckOut(BaseModel):
    model_config = example(
        lockable=False,
        outlook=None,
        problems=[
            {
                "field": "endpoints.0.criteria.0.target.low",
                "line": 23,
                "message": "Input should be a valid number",
            }
        ],
    )

    lockable: bool
    problems: list[ProblemOut]
    outlook: Outlook | None
    """Null if nothing can be predicted for it."""


Days = Annotated[
    str,
    Query(description="Lengths of the reporting period, in days.", max_length=100, examples=["14,30,60,90"]),
]
Power = Annotated[float, Query(ge=0.5, lt=1, description="Wanted chance that a verdict is decided.")]
_PLAIN: Final = ",".join(map(str, LENGTHS))


def lengths_of(text: str) -> list[int]:
    """Days from "14,30"; raises CorrectInput for anything else."""
    parts = [part.strip() for part in text.split(",")]
    found = sorted({int(part) for part in parts}) if all(p.isdecimal() and len(p) < 5 for p in parts) else []
    if not found or found[0] < 1 or found[-1] > _MOST_DAYS or len(found) > 12:
        raise CorrectInput(f"days is a list of up to 12 numbers from 1 to {_MOST_DAYS}, as {_PLAIN}.")
    return found


@router.get("/trials/{trial}/power", response_model=PowerOut)
def get_power(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    days: Days = _PLAIN,
    power: Power = 0.8,
) -> Response:
    """The outlook of the newest locked protocol for its planned days, from data before its reporting
    period.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_MEASUREMENTS, f"power of {trial!r}", found)
    lengths = lengths_of(days)
    stored = next((one for one in protocols(conn, found.code) if one.locked_at), None)
    outlook = (
        context.outlooks.of(conn, stored, context.clock, lengths=lengths, power=power) if stored else None
    )
    out = PowerOut(
        trial=found.code,
        version=stored.version if stored else None,
        locked=stored is not None,
        outlook=outlook,
    )
    return tagged(request, out.model_dump_json().encode())


@router.post(
    "/trials/{trial}/protocol/check",
    responses=OF_BODIES,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    },
)
def check_protocol(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    body: Annotated[bytes, Depends(raw_body)],
    days: Days = _PLAIN,
    power: Power = 0.8,
) -> CheckOut:
    """Everything that prevents a draft from being locked, each with its field and line, and its outlook.
    Stores nothing.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.CHECK_DRAFT, f"protocol of {trial!r}", found)
    lengths = lengths_of(days)
    text, clock = _text_of(body), context.clock
    checked = check_draft(
        conn, found.code, text, now=clock.now(), simulated=clock.is_simulated, lengths=lengths, power=power
    )
    problems = [ProblemOut(field=one.field, line=one.line, message=one.message) for one in checked.problems]
    return CheckOut(lockable=not problems, problems=problems, outlook=checked.outlook)


@router.post(
    "/trials/{trial}/protocol/lock",
    status_code=201,
    responses=OF_BODIES,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    },
)
def post_lock(
    trial: str, conn: Conn, context: Ctx, viewer: Signed, body: Annotated[bytes, Depends(raw_body)]
) -> LockedOut:
    """Lock a protocol, which cannot be undone; a later change is an amendment with a reason. The refusal of
    one that cannot be locked names every problem. For the trial's evaluator, and the lab.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.LOCK, f"protocol of {trial!r} that you may lock", found)
    protocol = read_for_designs(_text_of(body))
    if protocol.trial != found.code:
        raise CorrectInput(f"This is the protocol of {protocol.trial!r}, and here is {found.code!r}.")
    locked = lock_protocol(conn, protocol, now=context.clock.now(), login=viewer.login)
    return LockedOut(
        trial=found.code,
        version=locked.version,
        sha256=locked.sha256,
        locked_at=locked.locked_at,
        locked_by=viewer.login,
    )


def _text_of(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise CorrectInput(f"A protocol is JSON in UTF-8: byte {error.start + 1} is none.") from error
