"""Deciding about a trial: a form, a page that shows once more what it says, and the record."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Ctx
from api.pages.words import OUTCOMES, VERDICTS
from api.rendering import page_of, respond
from insitu.errors import CorrectInput
from insitu.model import TrialState
from store.access import visible_trial
from store.catalogue.trials import Trial
from store.database import Connection
from store.decisions import find_decision
from store.read.progress import EvaluationHead, list_evaluations
from store.rights import Act
from store.trials import protocols
from store.viewers import Viewer
from trials.workflow.deciding import MOST_REASON, Outcome, decide, require_decidable

router = APIRouter()


@router.get("/trials/{trial}/decision", response_class=HTMLResponse)
def decision_page(request: Request, trial: str, conn: Conn, viewer: Signed) -> Response:
    """The form about the newest evaluation."""
    found = _visible(conn, viewer, trial)
    if find_decision(conn, found.code) is not None:
        return RedirectResponse(f"/trials/{found.code}#decision", status_code=303)
    newest = next(iter(list_evaluations(conn, found.code, most=1)), None)
    if newest is None:
        raise CorrectInput(f"{found.code} has no evaluation yet: a decision rests on one.")
    require_decidable(conn, found.code, newest.evaluation_id, None)
    return _respond(request, conn, viewer, found, newest, None, "")


@router.post(
    "/trials/{trial}/decision", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def post_decision(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    outcome: Annotated[Outcome, Form()],
    evaluation: Annotated[int, Form(ge=1, lt=2**31)],
    reason: Annotated[str, Form(max_length=MOST_REASON)] = "",
    action: Annotated[str, Form(max_length=16)] = "review",
) -> Response:
    """Show the decision once more, or record it."""
    found, chosen = _visible(conn, viewer, trial), TrialState(outcome)
    if action != "confirm":
        require_decidable(conn, found.code, evaluation, chosen)
        if not reason.strip():
            raise CorrectInput("Say why: the reason stays with the decision.")
        newest = next(iter(list_evaluations(conn, found.code, most=1)))
        return _respond(request, conn, viewer, found, newest, chosen, reason.strip())
    now = context.clock.now()
    decide(conn, found.code, chosen, evaluation_id=evaluation, reason=reason, viewer=viewer, now=now)
    return RedirectResponse(f"/trials/{found.code}#decision", status_code=303)


def _visible(conn: Connection, viewer: Viewer, trial: str) -> Trial:
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.DECIDE, f"decision about {trial!r}", found)
    return found


def _respond(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    trial: Trial,
    evaluation: EvaluationHead,
    chosen: TrialState | None,
    reason: str,
) -> HTMLResponse:
    """`chosen`: what is to be confirmed; None: the form."""
    used = next(one for one in protocols(conn, trial.code) if one.version == evaluation.version)
    return respond(
        request,
        "decision.j2",
        page_of(request, viewer, trial.time_zone),
        trial=trial,
        evaluation=evaluation,
        protocol=used,
        planned=json.loads(used.document)["decisions"].get(evaluation.verdict),
        chosen=chosen,
        reason=reason,
        most=MOST_REASON,
        outcomes=OUTCOMES,
        verdicts=VERDICTS,
        on_behalf=viewer.organisation_id != trial.host_id,
    )
