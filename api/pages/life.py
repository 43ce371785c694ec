"""Setting what the data of a trial are for and how long they stay, on the trial's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Ctx
from store.access import visible_trial
from store.retention import set_retention
from store.rights import Act

router = APIRouter()


@router.post("/trials/{trial}/retention", dependencies=[Depends(require_form_token)])
def post_retention(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    results_days: Annotated[int, Form(ge=1, le=36500)],
    rejects_days: Annotated[int, Form(ge=1, le=3650)],
    raw_days: Annotated[int, Form(ge=0, le=3650)] = 0,
    purpose: Annotated[str, Form(max_length=2000)] = "",
    legal_basis: Annotated[str, Form(max_length=32)] = "",
    recipients: Annotated[str, Form(max_length=2000)] = "",
    raw_fields: Annotated[str, Form(max_length=2000)] = "",
) -> RedirectResponse:
    """The form of the trial's page; for the lab."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.SET_RETENTION, f"retention of {trial!r}", found)
    wanted = {
        "purpose": purpose,
        "legal_basis": legal_basis,
        "recipients": recipients,
        "results_days": results_days,
        "rejects_days": rejects_days,
        "raw_fields": raw_fields.split(),
        "raw_days": raw_days,
    }
    set_retention(conn, found.code, wanted, login=viewer.login, now=context.clock.now())
    return RedirectResponse(f"/trials/{found.code}#data", status_code=303)
