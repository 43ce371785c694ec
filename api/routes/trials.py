"""Trials."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.access import Signed
from api.context import Conn
from api.preconditions import quoted
from api.routes.shapes import Limit, Listed, TrialOut, tagged, texts_in
from store.access import Viewer, visible_trial, visible_trials
from store.catalogue.entries import list_versions
from store.catalogue.trials import Trial
from store.read.progress import TrialFacts, load_trial_facts
from store.rights import Act

router = APIRouter()


def shown(trial: Trial, facts: TrialFacts, viewer: Viewer, version: str) -> TrialOut:
    has_verdict = viewer.may(Act.READ_EVALUATIONS, trial)
    return TrialOut(
        code=trial.code,
        title=trial.title if isinstance(trial.title, dict) else {"en": str(trial.title)},
        state=trial.state,
        time_zone=trial.time_zone,
        host=trial.host,
        company=trial.company,
        evaluator=trial.evaluator,
        ends_at=trial.ends_at,
        protocol_sha256=facts.sha256,
        protocol_locked_at=facts.locked_at,
        verdict=facts.verdict if has_verdict else None,
        after_the_fact=bool(facts.after_the_fact) and has_verdict,
        afterwards=texts_in(facts.afterwards) if has_verdict else [],
        etag=quoted(version),
    )


@router.get("/trials", response_model=Listed[TrialOut])
def list_trials(
    request: Request, conn: Conn, viewer: Signed, cursor: str | None = None, limit: Limit = 100
) -> Response:
    """The trials that you may see, by code."""
    found = [one for one in visible_trials(conn, viewer) if cursor is None or one.code > cursor]
    facts = load_trial_facts(conn, [one.code for one in found[:limit]])
    versions = list_versions(conn, "trial")
    items = [shown(one, facts[one.code], viewer, versions[one.code]) for one in found[:limit]]
    more = items[-1].code if len(found) > limit else None
    return tagged(request, Listed[TrialOut](items=items, next=more).model_dump_json().encode())


@router.get("/trials/{trial}", response_model=TrialOut)
def get_trial(request: Request, trial: str, conn: Conn, viewer: Signed) -> Response:
    """One trial."""
    found = visible_trial(conn, viewer, trial)
    facts = load_trial_facts(conn, [found.code])[found.code]
    version = list_versions(conn, "trial")[found.code]
    return tagged(request, shown(found, facts, viewer, version).model_dump_json().encode())
