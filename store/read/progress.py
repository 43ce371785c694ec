"""Trials and evaluations, for lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.database import Connection, rows
from store.queries import Queries


class _SQL(Queries, file="read/progress"):
    trial_facts: str
    evaluation_heads: str


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """`version`, `sha256`, `locked_at` of the latest locked protocol; `draft`: there is an unlocked one."""

    trial_id: int
    trial: str
    devices: int
    version: int | None
    sha256: str | None
    locked_at: datetime | None
    evaluation_id: int | None
    verdict: str | None
    evaluated_at: datetime | None
    interim: bool | None
    blinded: bool | None
    after_the_fact: bool | None
    """Its verdict is qualified."""
    afterwards: list[dict[str, str]] | None
    """The sentences beside its verdict, each by language."""
    withdrawn_imports: list[int]
    """Imports that it may have used and that were withdrawn since."""
    erasures: list[int]
    """Erasures of results since: their package cannot be made any more."""
    draft: bool


@dataclass(frozen=True, slots=True)
class EvaluationHead:
    evaluation_id: int
    trial: str
    evaluated_at: datetime
    evaluated_by: str
    verdict: str | None
    """None if it is withheld."""
    interim: bool
    blinded: bool
    after_the_fact: bool
    """The verdict is qualified."""
    afterwards: list[dict[str, str]]
    """The sentences beside the verdict, each by language."""
    withdrawn_imports: list[int]
    """Imports that it may have used and that were withdrawn since."""
    erasures: list[int]
    """Erasures of results since: their package cannot be made any more."""
    inputs_sha256: str
    sha256: str
    version: int


def load_trial_facts(conn: Connection, trials: Sequence[str]) -> dict[str, TrialFacts]:
    return {one.trial: one for one in rows(conn, TrialFacts, _SQL.trial_facts, trials=list(trials))}


def list_evaluations(
    conn: Connection, trial: str, *, below: int | None = None, most: int = 50
) -> list[EvaluationHead]:
    return rows(conn, EvaluationHead, _SQL.evaluation_heads, trial=trial, below=below, most=most)


def list_all_evaluations(conn: Connection, *, most: int) -> list[EvaluationHead]:
    """Evaluations of all trials. Only for the server's own shell: pages ask for one trial that their viewer
    sees.
    """
    return rows(conn, EvaluationHead, _SQL.evaluation_heads, trial=None, below=None, most=most)
