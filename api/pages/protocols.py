"""Writing a protocol: a draft that the people of a trial share, as a form and as its text, with what is wrong
beside each field, the outlook, and the lock.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Context, Ctx
from api.pages.expected import expected
from api.pages.forms import read_form
from api.pages.words import TEMPLATE_WORDS
from api.protocol_form.choices import LOCALE, Choices, needs_of
from api.protocol_form.kinds import is_local
from api.protocol_form.pointing import list_changes, point
from api.protocol_form.showing import show_form
from api.protocol_form.taking import Document, add_row, remove_row, take_form
from api.rendering import Page, page_of, respond
from insitu.errors import ChangedMeanwhile, CorrectInput, NotFound
from insitu.model import PeriodName
from store.access import Viewer, visible_trial
from store.catalogue.datastreams import list_datastreams
from store.catalogue.organisations import list_needs
from store.catalogue.sites import list_sites
from store.catalogue.trials import Trial
from store.database import Connection
from store.drafts import StoredDraft, find_draft
from store.rights import Act
from store.trials import StoredProtocol, protocols
from trials.workflow.drafting import draft, facts_of, skeleton
from trials.workflow.drafts import Checked, amendment, check_draft, read_document, write_document
from trials.workflow.keeping import MOST_TEXT, drop_draft, keep_draft
from trials.workflow.locking import lock_protocol

router = APIRouter()
Sent = Annotated[FormData, Depends(read_form)]
_FIELD: Final = "f."
"""Before the path of a field of the protocol, in the names of the form."""
_VIEWS: Final = ("form", "text")
_ACTIONS: Final = re.compile(r"keep|lock|drop|show:(?:text|form)|(?:add|remove):[\w.]+")
"""Everything but to check."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A text that somebody writes. `began_with`: the tag of the draft that it began with; empty: none; None:
    a program that knows of no draft.
    """

    text: str
    view: str
    began_with: str | None = None
    problem: str = ""
    is_kept: bool = False
    other: StoredDraft | None = None
    """The draft that somebody else kept meanwhile."""


@router.get("/trials/{trial}/protocol", response_class=HTMLResponse)
def protocol_page(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    template: Annotated[str | None, Query(max_length=64)] = None,
    view: Annotated[str, Query(max_length=8)] = "form",
) -> Response:
    """The draft; without one what a draft can begin with: a template, the newest version as an amendment, or
    an empty form.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_PROTOCOL, f"protocol of {trial!r}", found)
    kept = find_draft(conn, found.code)
    tag = "" if kept is None else kept.tag
    if template is not None:
        first = context.clock.now().date()
        start = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
        text = write_document(draft(template, facts_of(conn, found.code), start=start))
    elif kept is not None:
        text = kept.text
    elif stored := protocols(conn, found.code):
        text = amendment(stored[0].document)
    else:
        text = write_document(skeleton(facts_of(conn, found.code)))
    is_kept = kept is not None and text == kept.text
    return _respond(request, conn, found, viewer, Writing(text, view, tag, is_kept=is_kept), None)


@router.post(
    "/trials/{trial}/protocol", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def send_protocol(
    request: Request, trial: str, conn: Conn, context: Ctx, viewer: Signed, form: Sent
) -> Response:
    """Keep the draft, and then check it, lock it, or add or take out a row. Only the evaluator of the trial
    and the lab may keep and lock one; others check a text, which stores nothing.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.CHECK_DRAFT, f"draft of {trial!r}", found)
    may_lock, now, sent = viewer.may(Act.LOCK, found), context.clock.now(), _text(form, "action")
    action = sent if _ACTIONS.fullmatch(sent) else "check"
    if action != "check" and not may_lock:
        raise NotFound(f"There is no protocol of {found.code!r} that you may lock.")
    writing = _writing(form)
    if action == "drop":
        drop_draft(conn, found, expected=writing.began_with or None, viewer=viewer, now=now)
        return RedirectResponse(f"/trials/{found.code}/protocol", status_code=303)
    try:
        writing, row = _changed(writing, form, action)
        if may_lock and writing.began_with is not None:
            kept = keep_draft(
                conn, found, writing.text, expected=writing.began_with or None, viewer=viewer, now=now
            )
            writing = replace(writing, began_with=kept.tag, is_kept=True)
    except ChangedMeanwhile:
        other = find_draft(conn, found.code)
        mine = replace(writing, began_with="" if other is None else other.tag, other=other)
        return _respond(request, conn, found, viewer, mine, None, status=412)
    except CorrectInput as error:
        mine = replace(writing, problem=str(error))
        return _respond(request, conn, found, viewer, mine, None, status=422)
    if action not in ("check", "lock"):
        return RedirectResponse(_next(found, writing, action, row), status_code=303)
    return _judge(request, conn, context, found, viewer, writing, is_lock=action == "lock")


def _judge(
    request: Request,
    conn: Connection,
    context: Context,
    trial: Trial,
    viewer: Viewer,
    writing: Writing,
    *,
    is_lock: bool,
) -> Response:
    """The draft with everything that is wrong with it; or its lock, if nothing is."""
    checked = _check(conn, context, trial, writing.text)
    if not is_lock:
        return _respond(request, conn, trial, viewer, writing, checked)
    if checked.problems or checked.protocol is None:
        return _respond(request, conn, trial, viewer, writing, checked, status=422)
    try:
        lock_protocol(conn, checked.protocol, now=context.clock.now(), login=viewer.login)
    except CorrectInput:  # the catalogue changed in between
        again = _check(conn, context, trial, writing.text)
        return _respond(request, conn, trial, viewer, writing, again, status=422)
    return RedirectResponse(f"/trials/{trial.code}#protocol", status_code=303)


def _text(form: FormData, name: str) -> str:
    found = form.get(name, "")
    return found if isinstance(found, str) else ""


def _writing(form: FormData) -> Writing:
    """The text that was sent, before its fields are brought into it."""
    text = _text(form, "text").replace("\r\n", "\n")
    if len(text) > MOST_TEXT:
        raise CorrectInput(f"A draft has at most {MOST_TEXT:,} characters, and this one has {len(text):,}.")
    view = "form" if any(name.startswith(_FIELD) for name in form) else "text"
    return Writing(text, view, _text(form, "began_with") if "began_with" in form else None)


def _changed(writing: Writing, form: FormData, action: str) -> tuple[Writing, str]:
    """(the text with what the fields say, the path of a new row). CorrectInput for a row that is not
    there.
    """
    if writing.view != "form":
        return writing, ""
    document = read_document(writing.text)
    if document is None:
        raise CorrectInput("The text of this draft was no protocol any more: read the draft again.")
    names = [name for name in form if name.startswith(_FIELD)]
    sent = {
        name.removeprefix(_FIELD): [one for one in form.getlist(name) if isinstance(one, str)]
        for name in names
    }
    taken, row = take_form(document, sent), ""
    kind, _, path = action.partition(":")
    if kind == "add":
        taken = add_row(taken, path)
        row = f"{path}.{len(_rows(taken, path)) - 1}"
    elif kind == "remove":
        taken = remove_row(taken, path)
        row = path.rpartition(".")[0]
    return (writing if taken is document else replace(writing, text=write_document(taken))), row


def _rows(document: Any, path: str) -> list[Any]:
    for step in path.split("."):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return list(document)


def _next(trial: Trial, writing: Writing, action: str, row: str) -> str:
    """The address that shows the draft again, at the row that was added."""
    view = action.removeprefix("show:") if action.startswith("show:") else writing.view
    query = "" if view == "form" else "?view=text"
    return f"/trials/{trial.code}/protocol{query}{'#f.' + row if row else ''}"


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
    writing: Writing,
    checked: Checked | None,
    status: int = 200,
) -> HTMLResponse:
    page = page_of(request, viewer, trial.time_zone)
    newest = next(iter(protocols(conn, trial.code)), None)
    document = read_document(writing.text)
    view = writing.view if writing.view in _VIEWS and document is not None else "text"
    return respond(
        request,
        "protocol.j2",
        page,
        status=status,
        trial=trial,
        writing=writing,
        view=view,
        is_document=document is not None,
        lines=[*writing.text.split("\n"), ""],
        checked=checked,
        pointed=point(document or {}, checked.problems, page.reader) if checked else [],
        expected=expected(checked.outlook, page) if checked and checked.outlook else None,
        is_late=checked is not None and _is_late(checked, page.now),
        may_check=viewer.may(Act.CHECK_DRAFT, trial),
        may_lock=viewer.may(Act.LOCK, trial),
        newest=newest,
        kept=find_draft(conn, trial.code),
        templates=TEMPLATE_WORDS,
        most=MOST_TEXT,
        is_local=is_local,
        say=page.reader.translator(LOCALE),
        **_fields(conn, page, trial, document or {}, checked, newest, writing),
    )


def _fields(
    conn: Connection,
    page: Page,
    trial: Trial,
    document: Document,
    checked: Checked | None,
    newest: StoredProtocol | None,
    writing: Writing,
) -> dict[str, Any]:
    """The form of the document; what it changes of the locked version, or of the draft of somebody else."""
    say = page.reader.translator(LOCALE)
    problems: dict[str, list[str]] = {}
    for one in point(document, checked.problems, page.reader) if checked else []:
        problems.setdefault(one.path, []).append(one.sentence)
    locked = json.loads(newest.document) if newest and newest.locked_at and document else None
    changes = [] if locked is None else list_changes(locked, document, say)
    other = None if writing.other is None else read_document(writing.other.text)
    choices = Choices(
        page.reader,
        [one for one in list_datastreams(conn, trial.code) if one.retired_at is None],
        {site.code: site.name for site in list_sites(conn, trial.code)},
        {need.code: page.pick(need.title) for need in list_needs(conn) if need.host_name == trial.host},
    )
    endpoints = document.get("endpoints")
    rows = [one for one in endpoints if isinstance(one, dict)] if isinstance(endpoints, list) else []
    designs = dict.fromkeys(one["design"] for one in rows if isinstance(one.get("design"), str))
    return {
        "shown": show_form(document, choices, problems, frozenset(change.path for change in changes)),
        "changes": changes,
        "others": [] if other is None else list_changes(other, document, say),
        "needed": {name: needs_of(name, page.reader) for name in designs if needs_of(name, page.reader)[0]},
    }
