"""Purpose of a trial's data, how long they stay, and their erasures."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.routes.shapes import Listed, example
from store.access import visible_trial
from store.erasures import list_erasures
from store.retention import Retention, retention_of, set_retention
from store.rights import Act

router = APIRouter()


class RetentionIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "purpose": "Does the purifier lower PM2.5 on the platform?",
                "legal_basis": "public_task",
                "results_days": 1825,
                "rejects_days": 30,
            }
        },
    )

    purpose: str | None = Field(default=None, max_length=2000)
    legal_basis: str | None = Field(default=None, max_length=32)
    """`public_task`, `consent`, `contract`, `legal_obligation`, `legitimate_interests`, `vital_interests`."""
    recipients: str | None = Field(default=None, max_length=2000)
    """Beside the parties of the trial."""
    results_days: int | None = Field(default=None, ge=1, le=36500)
    """After the end of the trial."""
    rejects_days: int | None = Field(default=None, ge=1, le=3650)
    """Of the content of refused messages, after their receipt."""
    raw_fields: list[str] | None = Field(default=None, max_length=100)
    """Fields (or patterns) whose texts stay in refused messages for `raw_days`."""
    raw_days: int | None = Field(default=None, ge=0, le=3650)


class RetentionOut(BaseModel):
    model_config = example(
        purpose="Does the purifier lower PM2.5 on the platform?",
        legal_basis="public_task",
        recipients="",
        results_days=1825,
        rejects_days=30,
        raw_fields=[],
        raw_days=0,
        set_at="2026-03-01T08:00:00Z",
        set_by="lab",
    )

    purpose: str
    legal_basis: str
    recipients: str
    results_days: int
    rejects_days: int
    raw_fields: list[str]
    raw_days: int
    set_at: datetime | None
    """Null: nothing is set, and these are the defaults."""
    set_by: str


class ErasureOut(BaseModel):
    model_config = example(
        erasure_id=2,
        at="2026-06-01T08:00:00Z",
        by_login="local:root",
        reason="The company asked for it.",
        device="p1",
        from_time=None,
        to_time=None,
        parts=["results", "messages", "statuses"],
        erased={"observation": 5760},
        results_by_device={"p1": 5760},
    )

    erasure_id: int
    at: datetime
    by_login: str
    reason: str
    device: str | None
    """Null: every device of the trial."""
    from_time: datetime | None
    to_time: datetime | None
    parts: list[str]
    erased: dict[str, int]
    """Table → rows."""
    results_by_device: dict[str, int]
    """Stored results that are gone; the ledger still counts them."""


def _shown(found: Retention) -> RetentionOut:
    return RetentionOut(**{**asdict(found), "raw_fields": list(found.raw_fields)})


@router.get("/trials/{trial}/retention")
def get_retention(trial: str, conn: Conn, viewer: Signed) -> RetentionOut:
    """Purpose, legal basis and retention of a trial's data."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_RETENTION, f"retention of {trial!r}", found)
    return _shown(retention_of(conn, found.code))


@router.post("/trials/{trial}/retention")
def post_retention(trial: str, body: RetentionIn, conn: Conn, context: Ctx, viewer: Signed) -> RetentionOut:
    """Change what the body names, and keep the rest; for the lab."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.SET_RETENTION, f"retention of {trial!r}", found)
    wanted = {name: value for name, value in body.model_dump().items() if value is not None}
    return _shown(set_retention(conn, found.code, wanted, login=viewer.login, now=context.clock.now()))


@router.get("/trials/{trial}/erasures")
def list_trial_erasures(trial: str, conn: Conn, viewer: Signed) -> Listed[ErasureOut]:
    """Erasures of a trial's data, newest first."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_RETENTION, f"erasures of {trial!r}", found)
    items = [
        ErasureOut(
            **{name: value for name, value in asdict(one).items() if name not in ("trial", "person_id")}
        )
        for one in list_erasures(conn, found.code)
    ]
    return Listed(items=items, next=None)
