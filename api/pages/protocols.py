"""Writing a protocol: the page checks a text, shows errors by line and the outlook, and can lock it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Context, Ctx
from api.pages.expected import expected
from api.pages.words import TEMPLATE_WORDS
from api.rendering import page_of, respond
from insitu.errors import CorrectInput, NotFound
from insitu.model import PeriodName
from store.access import Viewer, visible_trial
from store.catalogue.trials import Trial
from store.database import Connection
from store.rights import Act
from store.trials import protocols
from trials.workflow.drafting import draft, facts_of
from trials.workflow.drafts import Checked, check_draft, pretty
from trials.workflow.locking import lock_protocol

router = APIRouter()
Text = Annotated[str, Form(max_length=400_000)]


@router.get("/trials/{trial}/protocol", response_class=HTMLResponse)
def protocol_page(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    template: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """The form: empty, with a draft from a template, or with the newest version as the start of an
    amendment.
    """
    found = _visible(conn, viewer, trial)
    text = ""
    if template is not None:
        today = context.clock.now().date()
        start = (today.replace(day=1) + timedelta(days=31)).replace(day=1)
        text = json.dumps(
            draft(template, facts_of(conn, found.code), start=start), ensure_ascii=False, indent=2
        )
    elif stored := protocols(conn, found.code):
        text = pretty(stored[0].document)
    return _respond(request, conn, found, viewer, text, None)


@router.post(
    "/trials/{trial}/protocol", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def send_protocol(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    text: Text = "",
    action: Annotated[str, Form()] = "check",
) -> Response:
    """Check the text, or lock it if it has no errors. Only the evaluator of the trial and the lab may
    lock.
    """
    found = _visible(conn, viewer, trial)
    text = text.replace("\r\n", "\n")
    checked = _check(conn, context, found, text)
    if action != "lock":
        return _respond(request, conn, found, viewer, text, checked)
    if not viewer.may(Act.LOCK, found):
        raise NotFound(f"There is no protocol of {found.code!r} that you may lock.")
    if checked.problems or checked.protocol is None:
        return _respond(request, conn, found, viewer, text, checked, status=422)
    try:
        lock_protocol(conn, checked.protocol, now=context.clock.now(), login=viewer.login)
    except CorrectInput:  # the catalogue changed in between
        return _respond(request, conn, found, viewer, text, _check(conn, context, found, text), status=422)
    return RedirectResponse(f"/trials/{found.code}#protocol", status_code=303)


def _visible(conn: Connection, viewer: Viewer, trial: str) -> Trial:
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.CHECK_DRAFT, f"draft of {trial!r}", found)
    return found


def _check(conn: Connection, context: Context, trial: Trial, text: str) -> Checked:
    return check_draft(conn, trial.code, text, now=context.clock.now(), simulated=context.clock.is_simulated)


def _is_late(checked: Checked, now: datetime) -> bool:
    """Whether the reporting period of the text has begun."""
    reporting = checked.protocol.period(PeriodName.REPORTING) if checked.protocol else None
    return reporting is not None and now >= reporting.start


def _respond(
    request: Request,
    conn: Connection,
    trial: Trial,
    viewer: Viewer,
    text: str,
    checked: Checked | None,
    status: int = 200,
) -> HTMLResponse:
    page = page_of(request, viewer, trial.time_zone)
    newest = next(iter(protocols(conn, trial.code)), None)
    return respond(
        request,
        "protocol.j2",
        page,
        status=status,
        trial=trial,
        text=text,
        lines=[*text.split("\n"), ""],
        checked=checked,
        expected=expected(checked.outlook, page) if checked else None,
        is_late=checked is not None and _is_late(checked, page.now),
        may_lock=viewer.may(Act.LOCK, trial),
        newest=newest,
        templates=TEMPLATE_WORDS,
    )
