"""The agreement of a trial: store a version, and find what is open."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

import rfc8785

from store.agreements import StoredAgreement, add_agreement, find_concerned, newest_agreement
from store.database import Connection
from trials.plan.agreement import Agreement, OpenPoint, agreement_of, list_open_points


@dataclass(frozen=True, slots=True)
class Agreed:
    """The agreement that counts, if there is one, and what is open."""

    stored: StoredAgreement | None
    agreement: Agreement | None
    open_points: list[OpenPoint]


def agree(conn: Connection, trial: str, agreement: Agreement, *, now: datetime, login: str) -> int:
    """Store a version, which counts from now on; returns its number. Raises NotFound for an unknown trial."""
    document = rfc8785.dumps(agreement.model_dump(mode="json", exclude_none=True)).decode()
    sha256 = hashlib.sha256(document.encode()).hexdigest()
    return add_agreement(conn, trial, document=document, sha256=sha256, at=now, login=login)


def load_agreed(conn: Connection, trial: str) -> Agreed:
    """Raises NotFound for an unknown trial."""
    concerned, stored = find_concerned(conn, trial), newest_agreement(conn, trial)
    agreement = agreement_of(json.loads(stored.document)) if stored else None
    open_points = list_open_points(agreement, parties=concerned.parties, models=concerned.models)
    return Agreed(stored, agreement, open_points)
