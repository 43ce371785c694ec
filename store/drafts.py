"""The draft of a trial's next protocol, which its people write together. The caller owns the transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from store.database import Connection, require_found, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="drafts"):
    draft_of: str
    hold_trial: str
    save_draft: str
    remove_draft: str
    list_drafts: str


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """`text`: JSON as far as it is written; it may be broken."""

    text: str
    changed_at: datetime
    changed_by: str

    @property
    def tag(self) -> str:
        """The same for the same text alone."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


def find_draft(conn: Connection, trial: str) -> StoredDraft | None:
    return row(conn, StoredDraft, _SQL.draft_of, trial=trial)


@dataclass(frozen=True, slots=True)
class _DraftOfTrial(StoredDraft):
    trial: str


def list_drafts(conn: Connection) -> list[tuple[str, StoredDraft]]:
    """(trial, its draft) of all trials, by code. Only for the server's own shell."""
    return [(one.trial, one) for one in rows(conn, _DraftOfTrial, _SQL.list_drafts)]


def hold_draft(conn: Connection, trial: str) -> StoredDraft | None:
    """The draft, which nobody else changes until the transaction ends. NotFound if there is no trial of that
    name.
    """
    require_found(scalar(conn, _SQL.hold_trial, trial=trial), f"There is no trial {trial!r}.")
    return find_draft(conn, trial)


def save_draft(conn: Connection, trial: str, *, text: str, login: str, now: datetime) -> None:
    run(conn, _SQL.save_draft, trial=trial, text=text, login=login, now=now)


def remove_draft(conn: Connection, trial: str) -> bool:
    """False if there is none."""
    return run(conn, _SQL.remove_draft, trial=trial) == 1
