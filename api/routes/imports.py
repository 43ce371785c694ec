"""Imports of a trial: what came from files and network servers, and their withdrawal."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.problems import OF_BODIES
from api.routes.shapes import Listed
from api.withdrawing import withdraw_for
from store.access import visible_trial
from store.imports import list_imports
from store.rights import Act

router = APIRouter()


class ImportOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "import_id": 4,
                "file": "card.csv",
                "file_sha256": "5c0e…",
                "login": "lab",
                "imported_at": "2026-03-02T08:00:00Z",
                "understood": ["time: ISO 8601, times without an offset in Europe/Paris"],
                "results": 960,
                "devices": ["d1"],
                "first_time": "2026-03-01T00:00:00Z",
                "last_time": "2026-03-01T23:45:00Z",
                "withdrawn_at": None,
                "withdrawn_by": None,
                "withdrawn_for": None,
            }
        }
    )

    import_id: int
    file: str
    file_sha256: str | None
    """Null: uplinks of a network server."""
    login: str
    imported_at: datetime
    understood: list[str]
    """Sentences about zone, units and columns."""
    results: int
    """Stored by it, or put in the place of others."""
    devices: list[str]
    first_time: datetime | None
    last_time: datetime | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_for: str | None
    """The reason."""


class Withdrawal(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "The logger ran on local time."}}
    )

    reason: str = Field(min_length=1, max_length=500)


class WithdrawalOut(BaseModel):
    import_id: int
    is_new: bool
    """False: it was withdrawn before."""
    taken_out: int
    """Results that are out of use."""
    put_back: int
    """Results that it had corrected, and whose earlier value is in use again."""


@router.get("/trials/{trial}/imports")
def list_trial_imports(trial: str, conn: Conn, viewer: Signed) -> Listed[ImportOut]:
    """Imports of a trial, newest first."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_IMPORTS, f"import of {trial!r}", found)
    items = [
        ImportOut(**{name: value for name, value in asdict(one).items() if name not in ("trial", "trials")})
        for one in list_imports(conn, found.code)
    ]
    return Listed(items=items, next=None)


@router.post("/trials/{trial}/imports/{import_id}/withdrawal", status_code=201, responses=OF_BODIES)
def withdraw(
    trial: str,
    import_id: Annotated[int, Path(ge=1, lt=2**31)],
    body: Withdrawal,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
) -> WithdrawalOut:
    """Take the results of an import out of use; for the lab, and for the company of the trial. They are
    kept.
    """
    done = withdraw_for(conn, context, viewer, trial, import_id, body.reason)
    return WithdrawalOut(
        import_id=import_id, is_new=done.is_new, taken_out=done.taken_out, put_back=done.put_back
    )
