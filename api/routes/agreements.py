"""The agreement of a trial, and what it leaves open."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from api.access import Signed, require_right
from api.context import Conn
from api.routes.shapes import example
from store.access import visible_trial
from store.rights import Act
from trials.plan.agreement import Agreement, OpenPointCode
from trials.workflow.agreeing import load_agreed

router = APIRouter()


class OpenPointOut(BaseModel):
    """`about`: a party or a device model; `provision`: the heading of the security sheet."""

    code: OpenPointCode
    about: str
    provision: str
    note: str


class AgreementOut(BaseModel):
    model_config = example(
        trial="platform-air",
        agreement_id=1,
        sha256="5c0e…",
        entered_at="2026-02-02T08:00:00Z",
        entered_by="lab",
        agreement={
            "signed_on": "2026-02-01",
            "use": [
                {
                    "party": "metro",
                    "data": "results and reports",
                    "purpose": "decide about a purchase",
                    "until": "2028-12-31",
                }
            ],
            "trade_secrets": "none",
            "security": [{"model": "AirBox 2", "answers": {"no_default_passwords": "met"}}],
        },
        open_points=[
            {"code": "not_answered", "about": "AirBox 2", "provision": "vulnerability_reports", "note": ""}
        ],
    )

    trial: str
    agreement_id: int | None
    sha256: str | None
    entered_at: datetime | None
    entered_by: str | None
    agreement: Agreement | None
    open_points: list[OpenPointOut]


@router.get("/trials/{trial}/agreement")
def get_agreement(trial: str, conn: Conn, viewer: Signed) -> AgreementOut:
    """Who may use which data and how long, trade secrets, security sheets; and what is open."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_PROTOCOL, f"agreement of {trial!r}", found)
    agreed = load_agreed(conn, found.code)
    stored = agreed.stored
    return AgreementOut(
        trial=found.code,
        agreement_id=stored.agreement_id if stored else None,
        sha256=stored.sha256 if stored else None,
        entered_at=stored.entered_at if stored else None,
        entered_by=stored.entered_by if stored else None,
        agreement=agreed.agreement,
        open_points=[
            OpenPointOut(code=point.code, about=point.about, provision=point.provision, note=point.note)
            for point in agreed.open_points
        ],
    )
