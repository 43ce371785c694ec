"""Rejects, with their reason and their first bytes."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.pages.rejects import EXCERPT_BYTES, excerpt
from api.routes.shapes import Code, Limit, Listed, OverflowOut, RejectOut, number_cursor
from store.access import visible_trial
from store.read.refused import list_rejects as list_stored_rejects
from store.replays import RejectRow, list_overflow
from store.rights import Act

router = APIRouter()


def shown(row: RejectRow) -> RejectOut:
    text, is_hex = excerpt(row.payload)
    return RejectOut(
        reject_id=row.reject_id,
        reason=row.reason,
        detail=row.detail,
        topic=row.topic,
        trial=row.trial,
        device=row.device,
        results=row.results,
        size=row.size,
        received_at=row.received_at,
        replayed_at=row.replayed_at,
        excerpt=text,
        excerpt_is_hex=is_hex,
    )


@router.get("/trials/{trial}/rejects")
def list_rejects(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    device: Code = None,
    reason: Code = None,
    cursor: Code = None,
    limit: Limit = 100,
) -> Listed[RejectOut]:
    """Rejects of a trial, newest first."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.LIST_REJECTS, f"list of rejects of {trial!r}", found)
    rows = list_stored_rejects(
        conn,
        [found.code],
        device=device,
        reason=reason,
        below=number_cursor(cursor),
        most=limit + 1,
        excerpt=EXCERPT_BYTES + 4,
    )
    has_bytes = viewer.may(Act.READ_BYTES, found)
    items = [shown(row if has_bytes else row.without_bytes()) for row in rows[:limit]]
    return Listed(items=items, next=str(items[-1].reject_id) if len(rows) > limit else None)


@router.get("/trials/{trial}/rejects/not-kept")
def list_not_kept(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    device: Code = None,
    reason: Code = None,
    limit: Limit = 100,
) -> Listed[OverflowOut]:
    """Refusals of a trial that were counted without their bytes, by device, hour and reason, newest hour
    first.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.LIST_REJECTS, f"list of rejects of {trial!r}", found)
    rows = list_overflow(conn, [found.code], device=device, reason=reason, most=limit)
    return Listed(items=[OverflowOut.model_validate(row, from_attributes=True) for row in rows])
