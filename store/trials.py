"""Protocols and evaluations; triggers keep locked protocols and all evaluations immutable. The caller owns
the transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from insitu.errors import NotFound, ProtocolLocked
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="trials"):
    save_protocol: str
    lock_protocol: str
    protocols: str
    save_evaluation: str
    evaluation: str
    evaluations: str
    evaluations_before: str
    save_unblinding: str
    unblindings: str


@dataclass(frozen=True, slots=True)
class StoredProtocol:
    """`document` is canonical JSON; `sha256` is its hash."""

    protocol_id: int
    version: int
    document: str
    sha256: str
    created_at: datetime
    reason: str
    locked_at: datetime | None
    locked_by: str | None


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    evaluation_id: int
    trial: str
    protocol_id: int
    evaluated_at: datetime
    evaluated_by: str
    verdict: str
    interim: bool
    inputs_sha256: str
    sha256: str
    document: str


@dataclass(frozen=True, slots=True)
class EvaluationHead:
    """Facts of an evaluation that later ones use. `blinded`: its verdict has no meaning."""

    evaluated_at: datetime
    sha256: str
    interim: bool
    blinded: bool


@dataclass(frozen=True, slots=True)
class StoredUnblinding:
    endpoint: str
    at: datetime
    login: str
    reason: str


def save_protocol(
    conn: Connection, *, trial: str, version: int, document: str, sha256: str, now: datetime, reason: str = ""
) -> int:
    """Save a new version, not locked yet; returns its id."""
    number = scalar(
        conn,
        _SQL.save_protocol,
        trial=trial,
        version=version,
        document=document,
        sha256=sha256,
        now=now,
        reason=reason,
    )
    if number is None:
        raise NotFound(f"There is no trial {trial!r}.")
    return int(number)


def lock_protocol(conn: Connection, *, protocol_id: int, at: datetime, login: str) -> None:
    """Raises ProtocolLocked if it is already locked."""
    if run(conn, _SQL.lock_protocol, protocol_id=protocol_id, at=at, login=login) != 1:
        raise ProtocolLocked()


def protocols(conn: Connection, trial: str) -> list[StoredProtocol]:
    """Newest first."""
    return rows(conn, StoredProtocol, _SQL.protocols, trial=trial)


def locked_protocol(conn: Connection, trial: str) -> StoredProtocol | None:
    """The newest locked version."""
    return next((p for p in protocols(conn, trial) if p.locked_at is not None), None)


def save_evaluation(
    conn: Connection,
    *,
    trial: str,
    protocol_id: int,
    evaluated_at: datetime,
    evaluated_by: str,
    verdict: str,
    interim: bool,
    inputs_sha256: str,
    sha256: str,
    document: str,
    blinded: bool = False,
    after_the_fact: bool = False,
    afterwards: Sequence[Mapping[str, str]] = (),
) -> int:
    """`blinded`: the verdict has no meaning. `after_the_fact`: it is qualified. `afterwards`: the sentences
    beside it, each by language.
    """
    return int(
        scalar(
            conn,
            _SQL.save_evaluation,
            trial=trial,
            protocol_id=protocol_id,
            evaluated_at=evaluated_at,
            evaluated_by=evaluated_by,
            verdict=verdict,
            interim=interim,
            inputs_sha256=inputs_sha256,
            sha256=sha256,
            document=document,
            blinded=blinded,
            after_the_fact=after_the_fact,
            afterwards=json.dumps(list(afterwards)),
        )
    )


def evaluation(conn: Connection, evaluation_id: int) -> StoredEvaluation | None:
    return row(conn, StoredEvaluation, _SQL.evaluation, evaluation_id=evaluation_id)


def evaluations(conn: Connection, trial: str, most: int = 100) -> list[StoredEvaluation]:
    """Newest first."""
    return rows(conn, StoredEvaluation, _SQL.evaluations, trial=trial, most=most)


def latest_evaluation(conn: Connection, trial: str) -> StoredEvaluation | None:
    return next(iter(evaluations(conn, trial, 1)), None)


def evaluations_before(conn: Connection, trial: str, at: datetime) -> list[EvaluationHead]:
    """Evaluations made before `at`, oldest first."""
    return rows(conn, EvaluationHead, _SQL.evaluations_before, trial=trial, at=at)


def save_unblinding(
    conn: Connection, *, trial: str, endpoint: str, at: datetime, login: str, reason: str
) -> None:
    """Permanent; the key refuses a second one."""
    run(conn, _SQL.save_unblinding, trial=trial, endpoint=endpoint, at=at, login=login, reason=reason)


def unblindings(conn: Connection, trial: str) -> list[StoredUnblinding]:
    """In order of time."""
    return rows(conn, StoredUnblinding, _SQL.unblindings, trial=trial)
