"""Evaluates a trial again if the facts behind its last evaluation have changed. The caller owns the
transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from insitu.model import PeriodName, TrialState
from store import trials as store_trials
from store.catalogue.moving import was_moved
from store.catalogue.trials import get_trial, list_trials
from store.database import Connection
from store.erasures import erased_since
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.plan.reading import read_protocol
from trials.plan.rules import NEWEST, Rules
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import keep
from trials.workflow.loading import as_it_arrived, load_inputs

OPEN: Final = (TrialState.RUNNING, TrialState.EVALUATED)
"""After a decision nothing is evaluated unless somebody asks."""
FACTS: Final = {
    "protocol_sha256": "protocol",
    "inputs_sha256": "observations",
    "windows": "windows",
    "swaps": "swaps",
    "datastreams": "datastreams",
    "gaps": "gaps",
    "deviations": "deviations",
    "withdrawals": "withdrawn imports",
    "unblinded": "unblinded endpoints",
    "interim": "the reporting period has ended",
}
"""Facts behind an evaluation: its fields, and their names in a line of the log. Without refused messages: a
device that sends nonsense does so every day, and no number depends on it.
"""


class Again(NamedTuple):
    """A new evaluation, and the reasons for it."""

    number: int
    evaluation: Evaluation
    reasons: list[str]


def evaluated_trials(conn: Connection) -> list[str]:
    """Trials that may be evaluated again: running or evaluated, with an evaluation."""
    return [
        t.code
        for t in list_trials(conn)
        if t.state in OPEN and store_trials.latest_evaluation(conn, t.code) is not None
    ]


def evaluate_again(
    conn: Connection, trial: str, *, now: datetime, login: str, simulated: bool
) -> Again | None:
    """A new evaluation if late observations, amended windows or another protocol make one necessary; else
    None.

    Never before the reporting period has ended: early looks are planned and asked for, and one each night
    would be dozens. Blinded endpoints stay blinded. Compares the facts, not the times at which they were
    entered: a clock cannot tell what a transaction that was still running has added.
    """
    stored, previous = store_trials.locked_protocol(conn, trial), store_trials.latest_evaluation(conn, trial)
    if stored is None or previous is None or get_trial(conn, trial).state not in OPEN:
        return None
    if any(one.device is None for one in erased_since(conn, trial, previous.evaluated_at)):
        return None  # the verdict stays; without results there is no other
    if was_moved(conn, previous.evaluation_id):
        return None  # as above: they did not move with the catalogue
    reporting = read_protocol(stored.document).period(PeriodName.REPORTING)
    if reporting is None or now < reporting.end:
        return None
    check_quality(conn, trial, now=now)
    before = Evaluation.model_validate_json(previous.document)
    rules = Rules(before.rules)
    inputs = load_inputs(conn, trial, stored, now=now, simulated=simulated, rules=rules)
    if not rules.tell_arrival:
        inputs = as_it_arrived(before, inputs)
    evaluation = compute(inputs)  # by the rules of the one before: newer rules alone are no new fact
    reasons = differences(before, evaluation)
    if not reasons:
        return None
    if before.rules != NEWEST:
        evaluation = compute(load_inputs(conn, trial, stored, now=now, simulated=simulated))
    number, kept = keep(conn, stored, evaluation, previous=previous, login=login)
    return Again(number, kept, reasons)


def differences(before: Evaluation, after: Evaluation) -> list[str]:
    """Names of the facts that differ."""
    was, now = document_of(before), document_of(after)
    return [name for field, name in FACTS.items() if was.get(field) != now.get(field)]
