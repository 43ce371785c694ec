"""The decision about a trial: buy, iterate or stop, on an evaluation and for a reason. It ends the trial."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.model import TrialState
from store import access
from store.audit import record
from store.catalogue.trials import get_trial, move_trial
from store.database import Connection
from store.decisions import Decision, find_decision, lock_trial, newest_evaluation, save_decision
from store.rights import Act
from store.viewers import Viewer

MOST_REASON: Final = 2000
Outcome = Literal["buy", "iterate", "stop"]


def require_decidable(conn: Connection, trial: str, evaluation_id: int, outcome: TrialState | None) -> None:
    """Raises CorrectInput unless the evaluation is the trial's newest and its verdict is one; `outcome` None:
    before one is chosen.
    """
    newest = newest_evaluation(conn, trial)
    if (made := find_decision(conn, trial)) is not None:
        raise AlreadyExists(
            f"{trial} is decided: {made.outcome}, on evaluation {made.evaluation_id}. That stays."
        )
    if newest is None:
        raise CorrectInput(f"{trial} has no evaluation yet: a decision rests on one.")
    if newest.evaluation_id != evaluation_id:
        raise CorrectInput(
            f"Evaluation {evaluation_id} is not the newest of {trial}: read {newest.evaluation_id} and "
            "decide on it."
        )
    if newest.blinded:
        raise CorrectInput(
            f"The verdict of evaluation {evaluation_id} is blinded: the evaluator unblinds it first."
        )
    if newest.interim and outcome not in (None, TrialState.STOP):
        raise CorrectInput(f"Evaluation {evaluation_id} is an early look: on it, a trial can only stop.")


def decide(
    conn: Connection,
    trial: str,
    outcome: TrialState,
    *,
    evaluation_id: int,
    reason: str,
    viewer: Viewer,
    now: datetime,
    by: str = "",
) -> Decision:
    """Records the decision for good and moves the trial. Raises NotFound for a person who may not decide,
    AlreadyExists if it is decided. The caller owns the transaction.

    `by`: who records it, if that is not `viewer`, whose right it is.
    """
    found = access.visible_trial(conn, viewer, trial)
    if not viewer.may(Act.DECIDE, found):
        raise NotFound(f"There is no decision about {trial!r} that you may make.")
    reason = reason.strip()
    if not outcome.is_decision:
        raise CorrectInput("A decision is buy, iterate or stop.")
    if not reason or len(reason) > MOST_REASON:
        raise CorrectInput(
            f"Say why, in at most {MOST_REASON} characters: the reason stays with the decision."
        )
    lock_trial(conn, trial)
    require_decidable(conn, trial, evaluation_id, outcome)
    on_behalf = viewer.organisation_id != found.host_id
    save_decision(
        conn,
        evaluation_id=evaluation_id,
        outcome=outcome,
        reason=reason,
        at=now,
        login=by or viewer.login,
        on_behalf=on_behalf,
    )
    _move(conn, trial, outcome, evaluation_id, login=by or viewer.login, now=now)
    made = find_decision(conn, trial)
    assert made is not None  # saved above
    detail = {
        "outcome": str(outcome),
        "reason": reason,
        "evaluation": evaluation_id,
        "evaluation_sha256": made.evaluation_sha256,
        "protocol_sha256": made.protocol_sha256,
        "on_behalf_of": made.host if on_behalf else None,
    }
    record(conn, at=now, login=by or viewer.login, action="decide", subject=trial, detail=detail)
    return made


def _move(
    conn: Connection, trial: str, outcome: TrialState, evaluation_id: int, *, login: str, now: datetime
) -> None:
    """A trial that still runs although it is evaluated passes through `evaluated`."""
    note = f"evaluation {evaluation_id}"
    if get_trial(conn, trial).state is TrialState.RUNNING and outcome is not TrialState.STOP:
        move_trial(conn, trial=trial, to=TrialState.EVALUATED, at=now, login=login, note=note)
    move_trial(conn, trial=trial, to=outcome, at=now, login=login, note=note)
