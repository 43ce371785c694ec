"""Import of a file: what is understood of it, what it leaves open, what would become of it, then
the import.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from fastapi.responses import HTMLResponse

from api.access import Signed, require_form_token
from api.acting import acting
from api.context import Conn, Context, Ctx
from api.importing import Understood, describe, keep_file, rename_options, require_importable, run_import
from api.pages.words import IMPORT_OPTIONS, REASONS
from api.rendering import Page, page_of, respond
from api.uploads import MOST_BYTES, owner_of
from ingest.acts.importing import SayColumns
from insitu.errors import CorrectInput
from store.access import Viewer
from store.catalogue.datastreams import list_datastreams
from store.catalogue.trials import Trial
from store.database import Connection
from store.imports import list_imports
from store.read.fleet import list_devices

router = APIRouter()
_LISTS: Final = ("time_columns", "missing", "keep", "ignore", "names")
_PAIRS: Final = ("columns", "where")
_TEXTS: Final = (
    "device",
    "device_column",
    "time_format",
    "zone",
    "delimiter",
    "decimal",
    "encoding",
    "sheet",
)
_MORE: Final = ("member", "long")
_NUMBERS: Final = ("skip_lines", "skip_after")
Answers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The state of the page about a file. `token`: of the file, until it is imported."""

    token: str = ""
    understood: Understood | None = None
    is_done: bool = False
    problem: str = ""
    tables: str = ""
    """Mappings that would give the device its datastreams."""


def read_answers(answers: Answers) -> dict[str, Any]:
    """The description of a file from the fields of the form. CorrectInput for a line that is no pair."""
    given: dict[str, Any] = {
        name: answers[name].strip() for name in (*_TEXTS, "member") if answers.get(name, "").strip()
    }
    given["delimiter"] = {"tab": "\t", "space": " "}.get(text := answers.get("delimiter", ""), text)
    for name in _LISTS:
        lines = [line.strip() for line in answers.get(name, "").splitlines() if line.strip()]
        given |= {name: lines} if lines else {}
    for name in _PAIRS:
        given[name] = dict(_pair(line) for line in answers.get(name, "").splitlines() if line.strip())
    for name in _NUMBERS:
        if (text := answers.get(name, "").strip()) and not (text.isdecimal() and len(text) <= 6):
            raise CorrectInput(f"{name} is a number of lines.")
        given |= {name: int(text)} if text else {}
    if answers.get("long", "").strip():
        given["property_column"], given["result_column"] = _pair(answers["long"])
    given["units_row"] = answers.get("units_row") == "true"
    return given


def _pair(line: str) -> tuple[str, str]:
    """Splits at the last =, because headers may contain one."""
    left, equals, right = line.strip().rpartition("=")
    if not equals or not left:
        raise CorrectInput(f"{line.strip()[:100]!r}: write COLUMN=…, a line for each.")
    return left, right.strip()


def in_words_of_the_form(page: Page, text: str) -> str:
    """A refusal in the reader's language, with the labels of the form."""
    labels = {**IMPORT_OPTIONS, "property_column": IMPORT_OPTIONS["long"]}
    return rename_options(page.said(text), lambda name: f"“{page.t(labels.get(name, name))}”")


@router.get("/trials/{trial}/imports", response_class=HTMLResponse)
def imports_page(request: Request, trial: str, conn: Conn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """The form, and what was imported so far."""
    found = require_importable(conn, viewer, trial)
    return _show(request, conn, context, viewer, found, {}, Dialogue())


def _show(
    request: Request,
    conn: Connection,
    context: Context,
    viewer: Viewer,
    trial: Trial,
    answers: Answers,
    dialogue: Dialogue,
) -> HTMLResponse:
    page = page_of(request, viewer, trial.time_zone)
    response = respond(
        request,
        "imports.j2",
        page,
        told=partial(in_words_of_the_form, page),
        status=400 if dialogue.problem else 200,
        trial=trial,
        answers=answers,
        dialogue=dialogue,
        devices=[one.device for one in list_devices(conn, viewer, now=context.clock.now(), trial=trial.code)],
        streams=sorted({one.name for one in list_datastreams(conn, trial.code)}),
        imports=list_imports(conn, trial.code, most=20),
        options=IMPORT_OPTIONS,
        reasons={str(code): word for code, word in REASONS.items()},
        most_mb=MOST_BYTES >> 20,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def answers_of(request: Request) -> Answers:
    """The fields of the form about the file."""
    form = await request.form()
    names = (*_LISTS, *_PAIRS, *_TEXTS, *_MORE, *_NUMBERS, "units_row")
    return {name: text for name in names if isinstance(text := form.get(name, ""), str)}


@router.post(
    "/trials/{trial}/imports", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
async def post_import(
    request: Request,
    trial: str,
    context: Ctx,
    viewer: Signed,
    answers: Annotated[Answers, Depends(answers_of)],
    file: UploadFile | None = None,
    token: Annotated[str, Form(max_length=100)] = "",
    action: Annotated[str, Form(max_length=16)] = "preview",
) -> HTMLResponse:
    """Show what is understood of the file and what an import would do, or import it."""
    content = await file.read() if file is not None and file.filename else b""
    name = (file.filename if file is not None else None) or "file"

    def work(conn: Connection) -> HTMLResponse:
        found = require_importable(conn, viewer, trial)
        dialogue = _answer(conn, context, viewer, found, answers, name, content, token, action)
        return _show(request, conn, context, viewer, found, answers, dialogue)

    return await acting(request, work, lane=context.lanes.exports)


def _answer(
    conn: Connection,
    context: Context,
    viewer: Viewer,
    trial: Trial,
    answers: Answers,
    name: str,
    content: bytes,
    token: str,
    action: str,
) -> Dialogue:
    uploads, owner = context.uploads, owner_of(viewer.person_id, trial.trial_id)
    is_import = action == "import"
    try:
        if content or not token:
            token = keep_file(uploads, viewer, trial, name, content)
        with uploads.reading(owner, token) as path:
            said = describe(trial.code, read_answers(answers))
            done = run_import(conn, path, said, clock=context.clock, by=viewer.login, dry=not is_import)
    except CorrectInput as error:
        conn.rollback()
        kept = token if _is_kept(context, owner, token) else ""
        tables = error.tables if isinstance(error, SayColumns) else ""
        return Dialogue(kept, problem=str(error), tables=tables)
    if is_import:
        uploads.drop(owner, token)
    return Dialogue("" if is_import else token, done, is_done=is_import)


def _is_kept(context: Context, owner: str, token: str) -> bool:
    try:
        return bool(token) and context.uploads.find(owner, token).is_file()
    except CorrectInput:
        return False
