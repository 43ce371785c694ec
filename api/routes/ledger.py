"""The ledger: counts that show that every message became rows, a repeat or a reject."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from api.access import Signed
from api.context import Conn, Ctx
from api.routes.shapes import Code, LedgerOut, Limit, Listed
from store import fleet
from store.access import visible_trial

router = APIRouter()


@router.get("/trials/{trial}/ledger")
def list_ledger(
    trial: str, conn: Conn, context: Ctx, viewer: Signed, replay: bool = False, cursor: Code = None, limit: Limit = 100
) -> Listed[LedgerOut]:
    """Sums by device, of live traffic or (`replay`) of what replays of rejects added."""
    found = visible_trial(conn, viewer, trial)
    within = fleet.scope(conn, viewer, now=context.clock.now(), trial=found.code)
    lines = [one for one in fleet.ledger(conn, within, replay=replay) if cursor is None or one.device > cursor]
    items = [LedgerOut(**asdict(one)) for one in lines[:limit]]
    return Listed(items=items, next=items[-1].device if len(lines) > limit else None)
