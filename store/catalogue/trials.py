"""Trials and the steps of their life cycle. The caller owns the transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from insitu.errors import CorrectInput, NotFound
from insitu.model import TrialState, require_code
from insitu.wire import CHECK, HEARTBEAT
from insitu.zones import require_zone
from store.audit import record
from store.database import Connection, require_found, row, rows, run, scalar
from store.queries import Queries

NEW: Final = "new"
"""`/trials/new` enters a trial."""


class _SQL(Queries, file="catalogue/trials"):
    add_trial: str
    trials: str
    set_trial_state: str
    add_trial_step: str
    trial_steps: str


@dataclass(frozen=True, slots=True)
class Trial:
    trial_id: int
    code: str
    title: dict[str, str]
    state: TrialState
    time_zone: str
    ends_at: datetime | None
    created_at: datetime
    need: str | None
    host: str
    company: str
    evaluator: str | None
    host_id: int
    company_id: int
    evaluator_id: int | None


@dataclass(frozen=True, slots=True)
class TrialStep:
    from_state: str
    to_state: str
    """Each a TrialState; any other word is an old row that somebody wrote by hand."""
    at: datetime
    by_login: str
    note: str


def add_trial(
    conn: Connection,
    *,
    code: str,
    title: dict[str, str],
    host: str,
    company: str,
    now: datetime,
    evaluator: str | None = None,
    need: str | None = None,
    time_zone: str = "Europe/Paris",
    ends_at: datetime | None = None,
) -> int:
    require_code(code, "trial")
    require_zone(time_zone)
    if code in (HEARTBEAT, CHECK):
        raise CorrectInput(f"A trial cannot be called {code!r}: the service uses that name on the broker.")
    if code == NEW:
        raise CorrectInput(f"A trial cannot be called {code!r}: the page that enters trials has that name.")
    number = scalar(
        conn,
        _SQL.add_trial,
        code=code,
        title=json.dumps(title),
        host=host,
        company=company,
        evaluator=evaluator,
        need=need,
        time_zone=time_zone,
        ends_at=ends_at,
        now=now,
    )
    others = "".join(
        f", or no {what} {code!r}" for what, code in (("evaluator", evaluator), ("need", need)) if code
    )
    return require_found(number, f"There is no host {host!r} or no company {company!r}{others}.")


def list_trials(conn: Connection) -> list[Trial]:
    """All trials, without checking rights; pages use `store.access.visible_trials`."""
    return rows(conn, Trial, _SQL.trials, code=None)


def get_trial(conn: Connection, code: str) -> Trial:
    """Raises NotFound if there is none."""
    found = row(conn, Trial, _SQL.trials, code=code)
    if found is None:
        raise NotFound(f"There is no trial {code!r}.")
    return found


def move_trial(
    conn: Connection, *, trial: str, to: TrialState, at: datetime, login: str, note: str = ""
) -> None:
    """Move a trial to its next state; raises CorrectInput if the life cycle has no such step."""
    now = get_trial(conn, trial)
    if not now.state.may_become(to):
        raise CorrectInput(f"{trial} is in state {now.state!r}, which {to.value!r} cannot follow.")
    step = {"trial_id": now.trial_id, "from": now.state, "to": str(to)}
    if run(conn, _SQL.set_trial_state, **step) != 1:
        raise CorrectInput(f"{trial} was moved by somebody else at this moment: look again.")
    run(conn, _SQL.add_trial_step, **step, at=at, login=login, note=note)
    detail = {"from": str(now.state), "to": str(to), "note": note}
    record(conn, at=at, login=login, action="move", subject=trial, detail=detail)


def list_trial_steps(conn: Connection, trial_id: int) -> list[TrialStep]:
    return rows(conn, TrialStep, _SQL.trial_steps, trial_id=trial_id)
