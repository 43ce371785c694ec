"""Answers to acts that came with a key of the sender, kept for a day, so that a repeat does nothing again.
The caller owns the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from store.database import Connection, row, run, scalar
from store.queries import Queries

KEPT_FOR: Final = timedelta(days=1)


class _SQL(Queries, file="answers"):
    forget_answers: str
    claim_answer: str
    kept_answer: str
    keep_answer: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`answer`: sealed; None between the act and its answer, and for good after a crash in that moment."""

    request_sha256: bytes
    answer: bytes | None
    at: datetime
    """When the act began."""


def claim(
    conn: Connection, *, person_id: int, key_sha256: bytes, request_sha256: bytes, at: datetime
) -> KeptAnswer | None:
    """None: nobody has done it, and this transaction does. Else what was done with the key before."""
    run(conn, _SQL.forget_answers, before=at - KEPT_FOR)
    given = {"person_id": person_id, "key_sha256": key_sha256}
    if scalar(conn, _SQL.claim_answer, **given, request_sha256=request_sha256, at=at) is not None:
        return None
    return row(conn, KeptAnswer, _SQL.kept_answer, **given)


def keep_answer(conn: Connection, *, person_id: int, key_sha256: bytes, answer: bytes) -> None:
    run(conn, _SQL.keep_answer, person_id=person_id, key_sha256=key_sha256, answer=answer)
