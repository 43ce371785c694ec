"""Evaluations: immutable results of applying a locked protocol."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.access import Signed
from api.context import Conn
from api.pages.trials import evaluation_of
from api.routes.observations import require_measurements
from api.routes.shapes import Code, EvaluationOut, Limit, Listed, number_cursor, tagged
from store import fleet
from store.access import visible_trial

router = APIRouter()


@router.get("/trials/{trial}/evaluations")
def list_evaluations(trial: str, conn: Conn, viewer: Signed, cursor: Code = None, limit: Limit = 100) -> Listed[EvaluationOut]:
    """Evaluations of a trial, newest first."""
    found = visible_trial(conn, viewer, trial)
    require_measurements(viewer, f"evaluation of {trial!r}")
    below = number_cursor(cursor)
    heads = fleet.evaluation_heads(conn, found.code, below=below if below is None else min(below, 2**31 - 1), most=limit + 1)
    items = [EvaluationOut(**asdict(one)) for one in heads[:limit]]
    return Listed(items=items, next=str(items[-1].evaluation_id) if len(heads) > limit else None)


@router.get(
    "/trials/{trial}/evaluations/{evaluation_id}",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "The document of docs/formats.md."}},
)
def get_evaluation(
    request: Request, trial: str, evaluation_id: Annotated[int, Path(ge=1, lt=2**31)], conn: Conn, viewer: Signed
) -> Response:
    """The document of one evaluation: canonical JSON, whose SHA-256 is the one it is listed with."""
    return tagged(request, evaluation_of(conn, viewer, trial, evaluation_id).document.encode())
