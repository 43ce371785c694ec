"""Purpose of a trial's data, and how long they stay. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from insitu.errors import CorrectInput
from store.audit import record
from store.catalogue.trials import get_trial
from store.database import Connection, row, rows, run
from store.queries import Queries


class _SQL(Queries, file="retention"):
    retention: str
    set_retention: str
    raw_allowed: str
    record_lines: str
    results_due: str
    messages_due: str
    raw_due: str
    mask_rejects: str


BASES: Final = (
    "public_task",
    "consent",
    "contract",
    "legal_obligation",
    "legitimate_interests",
    "vital_interests",
)
"""Legal bases of article 6 of the GDPR."""
_MOST_FIELDS: Final = 100
Allowed = Mapping[str, tuple[list[str], int]]
"""Trial → fields whose texts may stay, and for how many days."""


@dataclass(frozen=True, slots=True)
class Retention:
    """`results_days`: after the end of the trial. `rejects_days`: content of refused messages after receipt.
    `raw_fields`: names or patterns of fields whose texts are kept in refused messages, for `raw_days`.
    The defaults hold where nothing is set; `set_at` is then None.
    """

    purpose: str = ""
    legal_basis: str = ""
    recipients: str = ""
    """Beside the parties of the trial."""
    results_days: int = 1825
    rejects_days: int = 30
    raw_fields: Sequence[str] = ()
    raw_days: int = 0
    set_at: datetime | None = None
    set_by: str = ""


DEFAULT: Final = Retention()


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A trial in the record of processing; None: nothing is set."""

    trial: str
    title: dict[str, str]
    state: str
    host: str
    company: str
    evaluator: str | None
    ends_at: datetime | None
    purpose: str | None
    legal_basis: str | None
    recipients: str | None
    results_days: int | None
    rejects_days: int | None
    raw_fields: list[str] | None
    raw_days: int | None
    properties: list[str]
    erasures: int


@dataclass(frozen=True, slots=True)
class RawReject:
    reject_id: int
    topic: str
    payload: bytes
    detail: str
    trial: str
    device: str


def retention_of(conn: Connection, trial: str) -> Retention:
    """`DEFAULT` where nothing is set."""
    return row(conn, Retention, _SQL.retention, trial=trial) or DEFAULT


def set_retention(
    conn: Connection, trial: str, wanted: dict[str, Any], *, login: str, now: datetime
) -> Retention:
    """Change what `wanted` names, and keep the rest. CorrectInput for what contradicts itself."""
    get_trial(conn, trial)
    found = replace(retention_of(conn, trial), **wanted, set_at=now, set_by=login)
    found = replace(
        found,
        purpose=found.purpose.strip(),
        recipients=found.recipients.strip(),
        raw_fields=sorted({one.strip() for one in found.raw_fields if one.strip()}),
    )
    _require(found)
    parts = asdict(found)
    del parts["set_at"], parts["set_by"]
    run(conn, _SQL.set_retention, trial=trial, **parts, now=now, login=login)
    record(conn, at=now, login=login, action="set retention", subject=trial, detail=parts)
    return found


def _require(found: Retention) -> None:
    if found.legal_basis not in ("", *BASES):
        raise CorrectInput(f"{found.legal_basis!r} is no legal basis: write one of {', '.join(BASES)}.")
    for name, days, most in (
        ("results", found.results_days, 36500),
        ("rejects", found.rejects_days, 3650),
    ):
        if not 1 <= days <= most:
            raise CorrectInput(f"{name} stay 1 to {most} days, not {days}.")
    if not 0 <= found.raw_days <= found.rejects_days:
        raise CorrectInput(
            f"Texts of refused messages stay at most as long as the messages, {found.rejects_days} days, not "
            f"{found.raw_days}."
        )
    if bool(found.raw_fields) != bool(found.raw_days):
        raise CorrectInput("Name the fields and for how many days their texts stay, or neither.")
    if len(found.raw_fields) > _MOST_FIELDS or max(map(len, found.raw_fields), default=0) > 128:
        raise CorrectInput(f"At most {_MOST_FIELDS} fields, each of at most 128 characters.")


def raw_allowed(conn: Connection, trials: Sequence[str]) -> Allowed:
    found = conn.execute(_SQL.raw_allowed.encode(), {"trials": list(trials)}).fetchall()
    return {trial: (fields, days) for trial, fields, days in found}


def record_lines(conn: Connection) -> list[RecordLine]:
    return rows(conn, RecordLine, _SQL.record_lines)


def results_due(conn: Connection, now: datetime) -> list[str]:
    """Trials whose results have stayed as long as they may."""
    parameters = {"now": now, "results_days": DEFAULT.results_days}
    return [trial for (trial,) in conn.execute(_SQL.results_due.encode(), parameters)]


def messages_due(conn: Connection, now: datetime) -> list[tuple[str, datetime]]:
    """Trials with refused messages that have stayed as long as they may, and the receipt before which they
    go; `unknown` too.
    """
    parameters = {"now": now, "rejects_days": DEFAULT.rejects_days}
    return [(trial, until) for trial, until in conn.execute(_SQL.messages_due.encode(), parameters)]


def raw_due(conn: Connection, now: datetime, *, most: int = 500) -> list[RawReject]:
    """Refused messages whose texts may stay no longer; locked until the transaction ends."""
    return rows(conn, RawReject, _SQL.raw_due, now=now, most=most)


def mask_rejects(conn: Connection, masked: Sequence[RawReject]) -> None:
    run(
        conn,
        _SQL.mask_rejects,
        reject_ids=[one.reject_id for one in masked],
        payloads=[one.payload for one in masked],
        details=[one.detail for one in masked],
        topics=[one.topic for one in masked],
    )
