"""Decisions about trials; a trigger keeps them immutable. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.model import TrialState
from store.database import Connection, row, run
from store.queries import Queries


class _SQL(Queries, file="decisions"):
    save_decision: str
    decision: str
    decidable: str
    lock_trial: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`on_behalf`: the lab entered it for the host. The hashes are of the evaluation and its protocol."""

    evaluation_id: int
    evaluation_sha256: str
    protocol_sha256: str
    outcome: TrialState
    reason: str
    decided_at: datetime
    decided_by: str
    on_behalf: bool
    host: str


@dataclass(frozen=True, slots=True)
class Decidable:
    """The newest evaluation of a trial."""

    evaluation_id: int
    interim: bool
    blinded: bool


def save_decision(
    conn: Connection,
    *,
    evaluation_id: int,
    outcome: TrialState,
    reason: str,
    at: datetime,
    login: str,
    on_behalf: bool,
) -> None:
    """Raises AlreadyExists if the trial has a decision."""
    run(
        conn,
        _SQL.save_decision,
        evaluation_id=evaluation_id,
        outcome=str(outcome),
        reason=reason,
        at=at,
        login=login,
        on_behalf=on_behalf,
    )


def lock_trial(conn: Connection, trial: str) -> None:
    """Others wait with their decision until the end of the transaction."""
    run(conn, _SQL.lock_trial, trial=trial)


def find_decision(conn: Connection, trial: str) -> Decision | None:
    return row(conn, Decision, _SQL.decision, trial=trial)


def newest_evaluation(conn: Connection, trial: str) -> Decidable | None:
    return row(conn, Decidable, _SQL.decidable, trial=trial)
