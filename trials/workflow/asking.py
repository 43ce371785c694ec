"""Asking for an evaluation, which a job then makes as the verb `evaluate` does. The caller owns the
transaction.
"""

from __future__ import annotations

from datetime import datetime

from insitu.errors import CorrectInput, NotFound
from store import requests
from store.access import Viewer, viewer_of, visible_trial
from store.audit import record
from store.database import Connection
from store.requests import Request
from store.rights import Act
from store.trials import locked_protocol
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial


def ask_for_evaluation(conn: Connection, trial: str, *, viewer: Viewer, now: datetime) -> Request:
    """The open request of the trial: a new one, or the one that waits or runs already. NotFound for a person
    who may not evaluate, CorrectInput if no protocol is locked.
    """
    _require_may_evaluate(conn, trial, viewer)
    if locked_protocol(conn, trial) is None:
        raise CorrectInput(f"{trial} has no locked protocol: lock one first.")
    if requests.ask(conn, trial, login=viewer.login, now=now):
        record(conn, at=now, login=viewer.login, action="ask for evaluation", subject=trial)
    return requests.list_requests(conn, trial, 1)[0]


def evaluate_for(conn: Connection, request: Request, *, now: datetime, simulated: bool) -> int:
    """The evaluation that was asked for, in the name of the person who asked; returns its number. Raises
    NotFound if that person may not evaluate any more.
    """
    _require_may_evaluate(conn, request.trial, viewer_of(conn, request.asked_by))
    check_quality(conn, request.trial, now=now)
    number, _ = evaluate_trial(conn, request.trial, now=now, login=request.asked_by, simulated=simulated)
    return number


def _require_may_evaluate(conn: Connection, trial: str, viewer: Viewer) -> None:
    found = visible_trial(conn, viewer, trial)
    if not viewer.may(Act.EVALUATE, found):
        raise NotFound(f"There is no trial {trial!r} that you may evaluate.")
