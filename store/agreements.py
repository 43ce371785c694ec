"""Agreements of trials, as documents; a trigger keeps each version. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.errors import NotFound
from store.audit import record
from store.database import Connection, require_found, row, scalar
from store.queries import Queries


class _SQL(Queries, file="agreements"):
    add_agreement: str
    newest_agreement: str
    concerned: str


@dataclass(frozen=True, slots=True)
class StoredAgreement:
    """`document`: canonical JSON."""

    agreement_id: int
    document: str
    sha256: str
    entered_at: datetime
    entered_by: str


@dataclass(frozen=True, slots=True)
class Concerned:
    """Codes of host, company and evaluator; models of the devices, '' where nobody entered one."""

    parties: list[str]
    models: list[str]


def add_agreement(
    conn: Connection, trial: str, *, document: str, sha256: str, at: datetime, login: str
) -> int:
    """Store a version and its line in the audit log; returns its number. Raises NotFound for an unknown
    trial.
    """
    number = scalar(conn, _SQL.add_agreement, trial=trial, document=document, sha256=sha256, at=at, by=login)
    found = require_found(number, f"There is no trial {trial!r}.")
    detail = {"agreement": found, "sha256": sha256}
    record(conn, at=at, login=login, action="agree", subject=trial, detail=detail)
    return found


def newest_agreement(conn: Connection, trial: str) -> StoredAgreement | None:
    return row(conn, StoredAgreement, _SQL.newest_agreement, trial=trial)


def find_concerned(conn: Connection, trial: str) -> Concerned:
    """Raises NotFound for an unknown trial."""
    found = row(conn, Concerned, _SQL.concerned, trial=trial)
    if found is None:
        raise NotFound(f"There is no trial {trial!r}.")
    return found
