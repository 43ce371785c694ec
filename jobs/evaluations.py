"""Once a night: evaluates trials again if their inputs have changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from insitu.clock import Clock
from jobs.each_trial import each_trial
from store.access import fact, put_fact
from store.database import Connection
from store.quality import take_turn
from trials.report.sentence import rounded
from trials.workflow.again import Again, evaluate_again, evaluated_trials

LOGIN: Final = "job:nightly"
_FACT: Final = "evaluated_again"


@dataclass(frozen=True, slots=True)
class Night:
    """Begins at `hour` of the local day."""

    hour: int
    zone: ZoneInfo

    def begun(self, clock: Clock) -> str | None:
        """The local day, once its hour has come; None before, and while a simulated history runs.

        During such a history days pass within seconds; its trials are evaluated when it has ended.
        """
        now = clock.now().astimezone(self.zone)
        return None if clock.runs_fast or now.hour < self.hour else now.date().isoformat()


def evaluate_when_due(conn: Connection, clock: Clock, night: Night, stop: threading.Event) -> None:
    """Evaluate at most once a day. A night missed because nothing was running is made up at the next start.

    A new installation has missed nothing: its first night is the next one.
    """
    today = night.begun(clock)
    last = fact(conn, _FACT)
    conn.rollback()
    if last is None or (today is not None and last < today):
        if last is not None:
            evaluate_changed(conn, clock, stop)
        if not stop.is_set():
            put_fact(conn, _FACT, clock.now().astimezone(night.zone).date().isoformat())
            conn.commit()


def evaluate_changed(conn: Connection, clock: Clock, stop: threading.Event) -> dict[str, Again]:
    """Evaluate every trial whose inputs have changed since its last evaluation, one transaction for each;
    returns the new evaluations. Logs a failed trial, which does not delay the others.
    """
    trials = evaluated_trials(conn)
    conn.rollback()

    def again(trial: str) -> Again | None:
        take_turn(conn, trial)  # another worker waits here, and then finds nothing changed
        return evaluate_again(conn, trial, now=clock.now(), login=LOGIN, simulated=clock.is_simulated)

    def line(trial: str, result: Again | None) -> str | None:
        return said(trial, result) if result is not None else None

    results, _ = each_trial(conn, trials, stop, again, failure="could not be evaluated again", line=line)
    return {trial: result for trial, result in results.items() if result is not None}


def _number(value: float | None) -> str:
    return "none" if value is None else rounded(value)


def said(trial: str, again: Again) -> str:
    """One line: the reasons, and the changes of verdict and statistics; nothing about blinded endpoints."""
    evaluation = again.evaluation
    verdict = "blinded" if evaluation.blinded else str(evaluation.verdict)
    if evaluation.after_the_fact and not evaluation.blinded:
        verdict += " (criteria set after the fact)"
    changed = [
        f"{c.endpoint} {c.statistic} {_number(c.before)} → {_number(c.after)}, {c.verdict_before} → "
        f"{c.verdict_after}"
        for c in evaluation.changed
    ]
    return (
        f"{trial}: evaluation {again.number}, since these changed: {', '.join(again.reasons)}. Verdict "
        f"{verdict}; " + ("; ".join(changed) or "every criterion as before")
    )
