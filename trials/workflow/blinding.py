"""Blinded endpoints: nobody sees their result, not even the evaluator, before somebody unblinds it and states
a reason.

Their estimates are not hidden, they are not computed: so no page, file or log can show them.
"""

from __future__ import annotations

from datetime import datetime

from insitu.errors import AlreadyExists, CorrectInput, NotFound
from store import audit
from store import trials as store_trials
from store.database import Connection
from trials.plan.reading import read_protocol
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial


def unblind(
    conn: Connection, trial: str, endpoint: str, *, reason: str, now: datetime, login: str, simulated: bool
) -> int | None:
    """Starts to estimate the endpoint; returns the number of the new evaluation if the trial had one before.

    The caller owns the transaction. NotFound if no locked protocol blinds that endpoint, AlreadyExists if it
    is unblinded already.
    """
    stored = store_trials.locked_protocol(conn, trial)
    planned = read_protocol(stored.document).endpoints if stored else []
    if not any(one.name == endpoint and one.blinded for one in planned):
        raise NotFound(f"The locked protocol of {trial!r} has no blinded endpoint {endpoint!r}.")
    if not reason.strip():
        raise CorrectInput("Say why: the audit log and every report show the reason.")
    if any(one.endpoint == endpoint for one in store_trials.unblindings(conn, trial)):
        raise AlreadyExists(f"{endpoint} of {trial} is unblinded already.")
    store_trials.save_unblinding(
        conn, trial=trial, endpoint=endpoint, at=now, login=login, reason=reason.strip()
    )
    audit.record(
        conn,
        at=now,
        login=login,
        action="unblind",
        subject=trial,
        detail={"endpoint": endpoint, "reason": reason.strip()},
    )
    if store_trials.latest_evaluation(conn, trial) is None:
        return None
    check_quality(conn, trial, now=now)
    number, _ = evaluate_trial(conn, trial, now=now, login=login, simulated=simulated)
    return number
