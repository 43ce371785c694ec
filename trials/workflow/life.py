"""The life of a trial: its next steps with what is open before each, and the step itself. The caller owns the
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from insitu.errors import CorrectInput, NotFound
from insitu.model import TrialState
from store.access import Viewer, visible_trial
from store.catalogue.trials import Trial, get_trial, move_trial
from store.database import Connection
from store.read.progress import load_trial_facts
from store.rights import Act
from trials.plan.agreement import OpenPoint
from trials.workflow.agreeing import load_agreed

MOST_NOTE: Final = 500
_BY_DECISION: Final = (TrialState.BUY, TrialState.ITERATE)
_NEEDS_AGREEMENT: Final = (TrialState.DEPLOYMENT, TrialState.RUNNING)


class Open(StrEnum):
    """Something that is missing before a step, or good to know about it."""

    NO_EVALUATOR = "no_evaluator"
    NO_DEVICES = "no_devices"
    NOT_LOCKED = "not_locked"
    NOT_EVALUATED = "not_evaluated"
    BY_DECISION = "by_decision"
    BY_EVALUATION = "by_evaluation"
    WITHOUT_EVALUATION = "without_evaluation"
    AGAIN = "again"


OPEN_WORDS: Final = {
    Open.NO_EVALUATOR: "The trial has no evaluator yet.",
    Open.NO_DEVICES: "No device is registered yet.",
    Open.NOT_LOCKED: "The protocol is not locked: it counts only if that is before the reporting period.",
    Open.NOT_EVALUATED: "There is no evaluation yet.",
    Open.BY_DECISION: "A decision rests on an evaluation and has a reason: it has a page of its own.",
    Open.BY_EVALUATION: "The first evaluation after the reporting period makes this step by itself.",
    Open.WITHOUT_EVALUATION: "The trial ends without a verdict. It cannot be undone.",
    Open.AGAIN: "The trial goes on, and is evaluated again later.",
}
"""In English, also the keys of translations."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """`is_here`: this page moves the trial; otherwise a decision does. `agreement`: its open points."""

    to: TrialState
    is_here: bool
    open: list[Open]
    agreement: list[OpenPoint]


def next_steps(conn: Connection, trial: Trial) -> list[NextStep]:
    """The steps that may follow, each with what is open before it; nothing of it forbids the step."""
    facts = load_trial_facts(conn, [trial.code])[trial.code]
    agreement = load_agreed(conn, trial.code).open_points
    found = []
    for to in TrialState:
        if not trial.state.may_become(to):
            continue
        open_points = []
        if to in (TrialState.DEPLOYMENT, TrialState.RUNNING) and trial.evaluator is None:
            open_points.append(Open.NO_EVALUATOR)
        if to is TrialState.RUNNING and trial.state is TrialState.EVALUATED:
            open_points.append(Open.AGAIN)
        elif to is TrialState.RUNNING:
            open_points += [Open.NO_DEVICES] if not facts.devices else []
            open_points += [Open.NOT_LOCKED] if facts.locked_at is None else []
        if to is TrialState.EVALUATED:
            open_points.append(Open.BY_EVALUATION if facts.evaluation_id else Open.NOT_EVALUATED)
        if to in _BY_DECISION:
            open_points.append(Open.BY_DECISION)
        if to is TrialState.STOP:
            open_points.append(Open.WITHOUT_EVALUATION if facts.evaluation_id is None else Open.BY_DECISION)
        needs = to in _NEEDS_AGREEMENT and trial.state is not TrialState.EVALUATED
        here = to not in _BY_DECISION and not (to is TrialState.STOP and facts.evaluation_id is not None)
        found.append(NextStep(to, here, open_points, agreement if needs else []))
    return found


def step(
    conn: Connection, trial: str, to: TrialState, note: str, *, viewer: Viewer, now: datetime
) -> list[OpenPoint]:
    """Moves a trial as a person of the lab; returns what is open in its agreement. NotFound for anybody else,
    CorrectInput for a step that the life has not.
    """
    found = visible_trial(conn, viewer, trial)
    if not viewer.may(Act.RUN_PROGRAMME, found):
        raise NotFound(f"There is no trial {trial!r} that you may move.")
    if to in _BY_DECISION:
        raise CorrectInput(
            "A decision rests on an evaluation and has a reason: decide about the trial instead."
        )
    return move(conn, trial, to, note, by=viewer.login, now=now)


def move(
    conn: Connection, trial: str, to: TrialState, note: str, *, by: str, now: datetime
) -> list[OpenPoint]:
    """The same for somebody whose right is known; `by`: as rows and the log name it."""
    if to in _BY_DECISION:
        raise CorrectInput(
            f"A decision rests on an evaluation and has a reason: insitu decide {trial} {to} --evaluation N "
            "--reason WHY."
        )
    note = " ".join(note.split())
    if len(note) > MOST_NOTE or not note.isprintable():
        raise CorrectInput(f"A note is one line of at most {MOST_NOTE} characters.")
    get_trial(conn, trial)
    move_trial(conn, trial=trial, to=to, at=now, login=by, note=note)
    return load_agreed(conn, trial).open_points if to in _NEEDS_AGREEMENT else []
