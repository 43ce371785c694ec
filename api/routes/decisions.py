"""The decision about a trial."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.problems import OF_BODIES
from api.routes.shapes import example
from insitu.errors import NotFound
from insitu.model import TrialState
from store.access import visible_trial
from store.decisions import Decision, find_decision
from store.rights import Act
from trials.workflow.deciding import MOST_REASON, Outcome, decide

router = APIRouter()


class DecisionIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"outcome": "buy", "evaluation_id": 3, "reason": "It meets what we asked for."}
        },
    )

    outcome: Outcome
    evaluation_id: int = Field(ge=1, lt=2**31)
    """The trial's newest evaluation, on which the decision rests."""
    reason: str = Field(min_length=1, max_length=MOST_REASON)


class DecisionOut(BaseModel):
    model_config = example(
        trial="platform-air",
        outcome="buy",
        evaluation_id=3,
        evaluation_sha256="5c0e…",
        protocol_sha256="77ab…",
        reason="It meets what we asked for.",
        decided_at="2026-05-02T08:00:00Z",
        decided_by="buyer",
        on_behalf_of=None,
    )

    trial: str
    outcome: Outcome
    evaluation_id: int
    evaluation_sha256: str
    protocol_sha256: str
    reason: str
    decided_at: datetime
    decided_by: str
    on_behalf_of: str | None
    """The host, if the lab entered the decision for it."""


def shown(trial: str, made: Decision) -> DecisionOut:
    return DecisionOut(
        trial=trial,
        outcome=made.outcome.value,  # type: ignore[arg-type]  # the table holds decisions only
        evaluation_id=made.evaluation_id,
        evaluation_sha256=made.evaluation_sha256,
        protocol_sha256=made.protocol_sha256,
        reason=made.reason,
        decided_at=made.decided_at,
        decided_by=made.decided_by,
        on_behalf_of=made.host if made.on_behalf else None,
    )


@router.get("/trials/{trial}/decision")
def get_decision(trial: str, conn: Conn, viewer: Signed) -> DecisionOut:
    """The decision about a trial, with the hashes of what it rests on."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_EVALUATIONS, f"decision about {trial!r}", found)
    made = find_decision(conn, found.code)
    if made is None:
        raise NotFound(f"Nothing is decided about {trial!r} yet.")
    return shown(found.code, made)


@router.post("/trials/{trial}/decision", status_code=201, responses=OF_BODIES)
def post_decision(trial: str, body: DecisionIn, conn: Conn, context: Ctx, viewer: Signed) -> DecisionOut:
    """Decide about the trial; for a buyer of its host, and for the lab on behalf of the host. This ends the
    trial and cannot be undone.
    """
    made = decide(
        conn,
        trial,
        TrialState(body.outcome),
        evaluation_id=body.evaluation_id,
        reason=body.reason,
        viewer=viewer,
        now=context.clock.now(),
    )
    return shown(trial, made)
