"""Requests for evaluations: asked on a page or over the API, answered by a job. The caller owns the
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from store.database import Connection, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="requests"):
    ask: str
    requests_of_trial: str
    failed_requests: str
    open_requests: str
    take_request: str
    give_back: str
    start_request: str
    end_request: str


class Progress(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Request:
    """`problem`: why there is no evaluation."""

    request_id: int
    trial: str
    asked_at: datetime
    asked_by: str
    started_at: datetime | None
    ended_at: datetime | None
    evaluation_id: int | None
    problem: str | None

    @property
    def progress(self) -> Progress:
        if self.ended_at is not None:
            return Progress.FAILED if self.evaluation_id is None else Progress.DONE
        return Progress.QUEUED if self.started_at is None else Progress.RUNNING


def ask(conn: Connection, trial: str, *, login: str, now: datetime) -> bool:
    """False if a request for this trial is open already."""
    return scalar(conn, _SQL.ask, trial=trial, login=login, now=now) is not None


def list_requests(conn: Connection, trial: str, most: int = 20) -> list[Request]:
    """Newest first."""
    return rows(conn, Request, _SQL.requests_of_trial, trial=trial, most=most)


def list_failed(conn: Connection, trials: Sequence[str]) -> list[Request]:
    """The newest request of each of these trials that failed."""
    return rows(conn, Request, _SQL.failed_requests, trials=list(trials))


def list_open_requests(conn: Connection) -> list[Request]:
    """Those that wait or run, of all trials, oldest first."""
    return rows(conn, Request, _SQL.open_requests)


def take(conn: Connection, request: Request) -> bool:
    """Whether this session works at the request. A process that dies gives it back."""
    return bool(scalar(conn, _SQL.take_request, request_id=request.request_id))


def give_back(conn: Connection, request: Request) -> None:
    scalar(conn, _SQL.give_back, request_id=request.request_id)


def start(conn: Connection, request: Request, now: datetime) -> bool:
    """False if it has ended meanwhile."""
    return run(conn, _SQL.start_request, request_id=request.request_id, now=now) == 1


def end(
    conn: Connection,
    request: Request,
    now: datetime,
    *,
    evaluation_id: int | None = None,
    problem: str | None = None,
) -> None:
    """With exactly one of an evaluation and the reason why there is none."""
    problem = None if problem is None else problem[:2000]
    run(
        conn,
        _SQL.end_request,
        request_id=request.request_id,
        now=now,
        evaluation_id=evaluation_id,
        problem=problem,
    )
