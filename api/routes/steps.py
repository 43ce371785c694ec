"""The life of a trial: its state, and the steps that may follow."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.problems import OF_BODIES
from api.routes.shapes import example
from insitu.model import TrialState
from store.access import visible_trial
from store.rights import Act
from trials.plan.agreement import PROVISIONS, SENTENCES, OpenPoint
from trials.workflow.life import MOST_NOTE, OPEN_WORDS, next_steps, step

router = APIRouter()


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
