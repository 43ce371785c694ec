"""Evaluations: immutable results of applying a locked protocol."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.pages.trials import evaluation_of
from api.problems import OF_BODIES
from api.routes.shapes import Code, EvaluationOut, Limit, Listed, example, number_cursor, tagged, texts_in
from insitu.errors import NotFound
from store.access import visible_trial
from store.read.progress import list_evaluations as list_stored_evaluations
from store.requests import Progress, list_requests
from store.rights import Act
from trials.workflow.asking import ask_for_evaluation
from trials.workflow.blinding import unblind

router = APIRouter()


class Unblinding(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "The reporting period has ended."}}
    )

    reason: str = Field(min_length=1, max_length=2000)


class UnblindingOut(BaseModel):
    endpoint: str
    evaluation_id: int | None
    """The new evaluation; null if the trial had none before."""


class RequestOut(BaseModel):
    model_config = example(
        request_id=4,
        progress="running",
        asked_at="2026-05-02T08:00:00Z",
        asked_by="judge",
        started_at="2026-05-02T08:00:03Z",
        ended_at=None,
        evaluation_id=None,
        problem=None,
    )

    request_id: int
    progress: Progress
    asked_at: datetime
    asked_by: str
    started_at: datetime | None
    ended_at: datetime | None
    evaluation_id: int | None
    """Once it is done."""
    problem: str | None
    """Why there is none, if it failed."""


@router.post("/trials/{trial}/evaluations", status_code=202, responses=OF_BODIES)
def post_evaluation(trial: str, conn: Conn, context: Ctx, viewer: Signed) -> RequestOut:
    """Ask for an evaluation by the locked protocol, which a job makes; for the trial's evaluator and the lab.
    While one is queued or running, the answer is that one.
    """
    asked = ask_for_evaluation(conn, trial, viewer=viewer, now=context.clock.now())
    return RequestOut.model_validate(asked, from_attributes=True)


@router.get("/trials/{trial}/evaluation-requests")
def list_evaluation_requests(trial: str, conn: Conn, viewer: Signed) -> Listed[RequestOut]:
    """The latest requests for evaluations of a trial, newest first."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_EVALUATIONS, f"evaluation of {trial!r}", found)
    items = [RequestOut.model_validate(one, from_attributes=True) for one in list_requests(conn, found.code)]
    return Listed(items=items, next=None)


@router.post("/trials/{trial}/endpoints/{endpoint}/unblinding", status_code=201, responses=OF_BODIES)
def unblind_endpoint(
    trial: str, endpoint: str, body: Unblinding, conn: Conn, context: Ctx, viewer: Signed
) -> UnblindingOut:
    """Reveal the result of a blinded endpoint from now on; only for the evaluator of the trial. This cannot
    be undone.
    """
    found = visible_trial(conn, viewer, trial)
    if not viewer.may(Act.UNBLIND, found):
        raise NotFound(f"There is no endpoint of {trial!r} that you may unblind.")
    number = unblind(
        conn,
        found.code,
        endpoint,
        reason=body.reason,
        now=context.clock.now(),
        login=viewer.login,
        simulated=context.clock.is_simulated,
    )
    return UnblindingOut(endpoint=endpoint, evaluation_id=number)


@router.get("/trials/{trial}/evaluations")
def list_evaluations(
    trial: str, conn: Conn, viewer: Signed, cursor: Code = None, limit: Limit = 100
) -> Listed[EvaluationOut]:
    """Evaluations of a trial, newest first."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_EVALUATIONS, f"evaluation of {trial!r}", found)
    below = number_cursor(cursor)
    heads = list_stored_evaluations(
        conn, found.code, below=below if below is None else min(below, 2**31 - 1), most=limit + 1
    )
    items = [EvaluationOut(**asdict(one) | {"afterwards": texts_in(one.afterwards)}) for one in heads[:limit]]
    return Listed(items=items, next=str(items[-1].evaluation_id) if len(heads) > limit else None)


@router.get(
    "/trials/{trial}/evaluations/{evaluation_id}",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "The document of docs/formats.md."}},
)
def get_evaluation(
    request: Request,
    trial: str,
    evaluation_id: Annotated[int, Path(ge=1, lt=2**31)],
    conn: Conn,
    viewer: Signed,
) -> Response:
    """The document of one evaluation: canonical JSON with the SHA-256 shown in the list."""
    return tagged(request, evaluation_of(conn, viewer, trial, evaluation_id).document.encode())
