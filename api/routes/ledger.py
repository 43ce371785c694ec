"""The ledger: counts that show that every message became rows, a repeat or a reject."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.access import Signed
from api.context import Conn, Ctx
from api.routes.shapes import Code, LedgerOut, Limit, Listed, Moment, number_cursor, span
from store.access import visible_trial
from store.read.fleet import load_scope
from store.read.ledger_lines import list_ledger as list_stored_ledger
from store.read.ledger_lines import list_ledger_hours

router = APIRouter()
By = Annotated[
    Literal["device", "hour"],
    Query(description="A line for each device, or for each device and hour of first receipt."),
]


@router.get("/trials/{trial}/ledger")
def list_ledger(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    by: By = "device",
    device: Code = None,
    start: Moment = None,
    end: Moment = None,
    replay: bool = False,
    cursor: Code = None,
    limit: Limit = 100,
) -> Listed[LedgerOut]:
    """Sums of live traffic or (`replay`) of replayed rejects.

    By device over all time; or by hour, newest first, in `[start, end)`, by default the last seven days.
    """
    found = visible_trial(conn, viewer, trial)
    now = context.clock.now()
    within = load_scope(conn, viewer, now=now, trial=found.code)
    if by == "device":
        lines = list_stored_ledger(conn, within, replay=replay, device=device)
        later = [one for one in lines if cursor is None or one.device > cursor]
        items = [LedgerOut(**asdict(one)) for one in later[:limit]]
        return Listed(items=items, next=items[-1].device if len(later) > limit else None)
    since, until = span(start, end, now=now)
    skip = number_cursor(cursor) or 0
    hours = list_ledger_hours(
        conn, within, replay=replay, device=device, start=since, end=until, skip=skip, most=limit + 1
    )
    items = [LedgerOut(**asdict(one)) for one in hours[:limit]]
    return Listed(items=items, next=str(skip + limit) if len(hours) > limit else None)
