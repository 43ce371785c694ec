"""Applies the locked protocol and keeps the evaluation. The caller owns the transaction."""

from __future__ import annotations

import hashlib
from datetime import datetime

from insitu.errors import NotFound
from insitu.model import TrialState
from store import audit
from store import trials as store_trials
from store.catalogue.trials import get_trial, move_trial
from store.database import Connection
from trials.evaluation import Evaluation, document_of
from trials.judge.cautions import beside_the_verdict
from trials.judge.changes import causes, changes
from trials.judge.compute import compute
from trials.plan.reading import canonical
from trials.workflow.loading import load_inputs


def evaluate_trial(
    conn: Connection, trial: str, *, now: datetime, login: str, simulated: bool
) -> tuple[int, Evaluation]:
    """Applies the newest locked protocol to the observations and keeps the result; (its number, the
    evaluation).
    """
    stored = store_trials.locked_protocol(conn, trial)
    if stored is None:
        get_trial(conn, trial)
        raise NotFound(f"{trial} has no locked protocol: write one and run `insitu lock PROTOCOL`.")
    evaluation = compute(load_inputs(conn, trial, stored, now=now, simulated=simulated))
    return keep(conn, stored, evaluation, previous=store_trials.latest_evaluation(conn, trial), login=login)


def keep(
    conn: Connection,
    stored: store_trials.StoredProtocol,
    evaluation: Evaluation,
    *,
    previous: store_trials.StoredEvaluation | None,
    login: str,
) -> tuple[int, Evaluation]:
    """Stores the evaluation, with the changes since the previous one; (its number, the evaluation as
    stored).
    """
    trial, now = evaluation.trial, evaluation.evaluated_at
    if previous is not None:
        before = Evaluation.model_validate_json(previous.document)
        found = {
            "changed": changes(before, previous.sha256, evaluation),
            "causes": causes(before, evaluation) or None,
        }
        evaluation = evaluation.model_copy(update=found)
    document = canonical(document_of(evaluation))
    sha256 = hashlib.sha256(document).hexdigest()
    number = store_trials.save_evaluation(
        conn,
        trial=trial,
        protocol_id=stored.protocol_id,
        evaluated_at=now,
        evaluated_by=login,
        verdict=str(evaluation.verdict),
        interim=evaluation.interim,
        blinded=bool(evaluation.blinded),
        after_the_fact=bool(evaluation.after_the_fact),
        afterwards=[text.model_dump() for text in beside_the_verdict(evaluation)],
        inputs_sha256=evaluation.inputs_sha256,
        sha256=sha256,
        document=document.decode(),
    )
    detail = {
        "evaluation": number,
        "verdict": "blinded" if evaluation.blinded else str(evaluation.verdict),
        "after_the_fact": bool(evaluation.after_the_fact),
        "sha256": sha256,
    }
    audit.record(conn, at=now, login=login, action="evaluate", subject=trial, detail=detail)
    if get_trial(conn, trial).state == TrialState.RUNNING and not (evaluation.interim or evaluation.blinded):
        move_trial(
            conn, trial=trial, to=TrialState.EVALUATED, at=now, login=login, note=f"evaluation {number}"
        )
    return number, evaluation
