"""The lab's programme: organisations, properties and needs; a new trial; the life of a trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Ctx
from api.pages.forms import read_form
from api.pages.local_times import read_local_or_none, write_local
from api.pages.meanwhile import Wrong, compare_fields, problem_of
from api.pages.words import KINDS, OPEN_POINTS, PROVISION_WORDS, SCALES, STEP_WORDS, TRIAL_STATES
from api.rendering import page_of, respond
from insitu.errors import AlreadyExists, NotFound
from insitu.language import LANGUAGES
from insitu.model import OrganisationKind, TrialState
from store.access import Viewer, visible_trial
from store.catalogue.entries import list_versions
from store.catalogue.organisations import list_needs, list_organisations
from store.catalogue.properties import list_properties
from store.catalogue.trials import Trial, list_trial_steps
from store.database import Connection
from store.rights import Act
from trials.plan.agreement import PROVISIONS
from trials.workflow.entries import (
    Named,
    NeedEntry,
    OrganisationEntry,
    PropertyEntry,
    TrialEntry,
)
from trials.workflow.life import MOST_NOTE, next_steps, step
from trials.workflow.programme import change, change_trial, enter

router = APIRouter()
Sent = Annotated[FormData, Depends(read_form)]


def _texts(form: FormData, name: str) -> dict[str, str]:
    """A text by language, without the empty ones."""
    found = {language: _line(form, f"{name}_{language}") for language in ("en", "fr")}
    return {language: text for language, text in found.items() if text}


def _line(form: FormData, name: str) -> str:
    text = form.get(name, "")
    return text.strip() if isinstance(text, str) else ""


def _organisation(form: FormData, code: str) -> Named:
    return OrganisationEntry.read({"code": code, "name": _line(form, "name"), "kind": _line(form, "kind")})


def _property(form: FormData, code: str) -> Named:
    stated: dict[str, Any] = {"code": code, "name": _texts(form, "name"), "unit": _line(form, "unit")}
    scale = _line(form, "averaging_scale")
    return PropertyEntry.read(stated | ({"averaging_scale": scale} if scale else {}))


def _need(form: FormData, code: str) -> Named:
    stated: dict[str, Any] = {"code": code, "host": _line(form, "host"), "title": _texts(form, "title")}
    description = _texts(form, "description")
    return NeedEntry.read(stated | ({"description": description} if description else {}))


_KINDS: Final = {"organisations": "organisation", "properties": "property", "needs": "need"}
_READ: Final[dict[str, Callable[[FormData, str], Named]]] = {
    "organisations": _organisation,
    "properties": _property,
    "needs": _need,
}


@router.get("/register", response_class=HTMLResponse)
def register_page(request: Request, conn: Conn, viewer: Signed) -> HTMLResponse:
    """Organisations, properties and needs, each with a form."""
    return _show_register(request, conn, viewer)


@router.post("/register/{kind}", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def add(request: Request, kind: str, conn: Conn, context: Ctx, viewer: Signed, form: Sent) -> Response:
    """Enter an organisation, a property or a need."""
    read = _reader(kind)

    def act() -> None:
        entry = read(form, _line(form, "code"))
        enter(conn, entry, viewer=viewer, by=viewer.login, now=context.clock.now())

    return _done(request, conn, viewer, kind, act, form)


@router.post(
    "/register/{kind}/{code}", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def change_entry(
    request: Request, kind: str, code: str, conn: Conn, context: Ctx, viewer: Signed, form: Sent
) -> Response:
    """Change an organisation, a property or a need."""
    read = _reader(kind)

    def act() -> None:
        now, tag = context.clock.now(), _line(form, "etag") or None
        change(conn, read(form, code), viewer=viewer, by=viewer.login, now=now, expected=tag)

    return _done(request, conn, viewer, kind, act, form, code)


def _reader(kind: str) -> Callable[[FormData, str], Named]:
    if kind not in _READ:
        raise NotFound("There is no such page, or you may not see it.")
    return _READ[kind]


def _done(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    kind: str,
    act: Callable[[], object],
    form: FormData,
    code: str = "",
) -> Response:
    """Back to the list; with a problem the page again, with what was typed. `code`: of an entry to change."""
    try:
        wrong = problem_of(conn, act)
    except AlreadyExists as error:
        wrong = Wrong(str(error))
    if wrong:
        typed = dict(form)
        return _show_register(request, conn, viewer, wrong=wrong, kind=kind, given=typed, code=code)
    return RedirectResponse(f"/register#{kind}", status_code=303)


def _show_register(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    *,
    wrong: Wrong | None = None,
    kind: str = "",
    given: dict[str, Any] | None = None,
    code: str = "",
) -> HTMLResponse:
    require_right(viewer, Act.RUN_PROGRAMME, "such page")
    organisations = list_organisations(conn)
    entries: dict[str, Sequence[Any]] = {
        "organisations": organisations,
        "properties": list_properties(conn),
        "needs": list_needs(conn),
    }
    return respond(
        request,
        "register.j2",
        page_of(request, viewer),
        status=wrong.status if wrong else 200,
        both=compare_fields(wrong, _stored(entries.get(kind, ()), code), given or {}),
        organisations=organisations,
        hosts=[one for one in organisations if one.kind is OrganisationKind.HOST],
        properties=entries["properties"],
        needs=entries["needs"],
        kinds=KINDS,
        scales=SCALES,
        problem=wrong.words if wrong else "",
        given={name: (given or {}) if name == kind and not code else {} for name in _READ},
        typed={(kind, code): given or {}},
        versions={name: list_versions(conn, one) for name, one in _KINDS.items()},
    )


def _stored(entries: Sequence[Any], code: str) -> dict[str, str]:
    """The fields of an entry as its form has them."""
    one = next((entry for entry in entries if entry.code == code), None)
    found: dict[str, str] = {}
    for name in ("name", "title", "description"):
        text = getattr(one, name, None)
        if isinstance(text, str):
            found[name] = text
        elif one is not None and hasattr(one, name):
            found |= {f"{name}_{language}": (text or {}).get(language, "") for language in LANGUAGES}
    return found


@router.get("/trials/new", response_class=HTMLResponse)
def new_trial_page(request: Request, conn: Conn, viewer: Signed) -> HTMLResponse:
    """The form of a new trial."""
    return _show_new(request, conn, viewer, "", FormData())


@router.post("/trials/new", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def new_trial(request: Request, conn: Conn, context: Ctx, viewer: Signed, form: Sent) -> Response:
    """Enter a trial."""

    def act() -> None:
        optional = {name: _line(form, name) for name in ("evaluator", "need")}
        zone = _line(form, "time_zone")
        stated: dict[str, Any] = {
            name: _line(form, name) for name in ("code", "host", "company", "time_zone")
        }
        stated |= {"title": _texts(form, "title"), **{name: text for name, text in optional.items() if text}}
        if (ends_at := read_local_or_none(_line(form, "ends_at"), zone)) is not None:
            stated["ends_at"] = ends_at
        entry = TrialEntry.read(stated)
        enter(conn, entry, viewer=viewer, by=viewer.login, now=context.clock.now())

    try:
        wrong = problem_of(conn, act)
    except (AlreadyExists, NotFound) as error:
        wrong = Wrong(str(error))
    if wrong:
        return _show_new(request, conn, viewer, wrong.words, form)
    return RedirectResponse(f"/trials/{_line(form, 'code')}/life", status_code=303)


def _show_new(
    request: Request, conn: Connection, viewer: Viewer, problem: str, form: FormData
) -> HTMLResponse:
    require_right(viewer, Act.RUN_PROGRAMME, "such page")
    organisations = list_organisations(conn)
    page = page_of(request, viewer)
    return respond(
        request,
        "new_trial.j2",
        page,
        status=400 if problem else 200,
        organisations={
            kind: [one for one in organisations if one.kind.value == kind]
            for kind in ("host", "company", "evaluator")
        },
        needs=list_needs(conn),
        time_zone=page.reader.time_zone,
        problem=problem,
        given=dict(form),
    )


@router.get("/trials/{trial}/life", response_class=HTMLResponse)
def life_page(request: Request, trial: str, conn: Conn, viewer: Signed) -> HTMLResponse:
    """The steps that may follow, with what is open before each."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.RUN_PROGRAMME, f"life of {trial!r}", found)
    return _show_life(request, conn, viewer, found)


@router.post("/trials/{trial}/life", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def move(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    to: Annotated[TrialState, Form()],
    note: Annotated[str, Form(max_length=MOST_NOTE)] = "",
) -> Response:
    """Move a trial to its next state."""
    found = visible_trial(conn, viewer, trial)

    def act() -> None:
        step(conn, found.code, to, note, viewer=viewer, now=context.clock.now())

    if wrong := problem_of(conn, act):
        return _show_life(request, conn, viewer, found, wrong)
    return RedirectResponse(f"/trials/{found.code}/life", status_code=303)


@router.post("/trials/{trial}", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def change_facts(
    request: Request, trial: str, conn: Conn, context: Ctx, viewer: Signed, form: Sent
) -> Response:
    """Change title, evaluator, need, time zone or end of a trial."""
    found = visible_trial(conn, viewer, trial)

    def act() -> None:
        zone = _line(form, "time_zone")
        stated: dict[str, Any] = {name: _line(form, name) or None for name in ("evaluator", "need")}
        stated |= {"title": _texts(form, "title"), "time_zone": zone}
        stated["ends_at"] = read_local_or_none(_line(form, "ends_at"), zone)
        now, tag = context.clock.now(), _line(form, "etag") or None
        change_trial(conn, found, stated, viewer=viewer, by=viewer.login, now=now, expected=tag)

    if wrong := problem_of(conn, act):
        there = visible_trial(conn, viewer, trial)
        return _show_life(request, conn, viewer, there, wrong, dict(form))
    return RedirectResponse(f"/trials/{found.code}/life", status_code=303)


def _show_life(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    trial: Trial,
    wrong: Wrong | None = None,
    typed: dict[str, Any] | None = None,
) -> HTMLResponse:
    """`typed`: in the form that changes the trial."""
    evaluators = [one for one in list_organisations(conn) if one.kind is OrganisationKind.EVALUATOR]
    stored = {
        **{f"title_{language}": trial.title.get(language, "") for language in LANGUAGES},
        "evaluator": next((one.code for one in evaluators if one.organisation_id == trial.evaluator_id), ""),
        "need": trial.need or "",
        "time_zone": trial.time_zone,
        "ends_at": write_local(trial.ends_at, trial.time_zone),
    }
    return respond(
        request,
        "life.j2",
        page_of(request, viewer, trial.time_zone),
        status=wrong.status if wrong else 200,
        both=compare_fields(wrong, stored, typed or {}),
        filled=stored | (typed or {}),
        trial=trial,
        next=next_steps(conn, trial),
        steps=list(reversed(list_trial_steps(conn, trial.trial_id))),
        states=TRIAL_STATES,
        step_words=STEP_WORDS,
        open_words=OPEN_POINTS,
        provisions=PROVISIONS,
        provision_words=PROVISION_WORDS,
        most=MOST_NOTE,
        problem=wrong.words if wrong else "",
        evaluators=evaluators,
        needs=list_needs(conn),
        version=list_versions(conn, "trial")[trial.code],
    )
