"""Mappings of a trial: what was refused, a trial run on it, and what is saved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Ctx, ServiceConn
from api.pages.words import OUTCOMES_OF_FIELDS, REASONS
from api.rendering import page_of, respond
from ingest.acts.mapping import save_mappings
from ingest.mapping_edits import edit_mappings
from ingest.mapping_entry import MappingEntry
from ingest.trial_run import FieldOutcome, Tried, try_mappings, write_sent
from insitu.errors import CorrectInput
from store.access import Viewer, visible_trial
from store.catalogue.properties import ObservedProperty, list_properties
from store.catalogue.trials import Trial
from store.database import Connection
from store.mappings import mappings_of_trial
from store.rights import Act

router = APIRouter()
IGNORE: Final = "-ignore"
REMOVE: Final = "-remove"
"""Choices beside the properties, whose codes do not begin with a dash."""
_MOST_ROWS: Final = 60
_MOST_TRIED: Final = 1000
Cells = Annotated[list[str], Form(max_length=_MOST_ROWS)]


@dataclass(frozen=True, slots=True)
class Row:
    """One field, as the form shows it. `chosen`: a property, IGNORE, REMOVE, or nothing."""

    field: str
    chosen: str = ""
    unit: str = ""
    devices: str = "*"
    sent: str = ""
    times: int = 0
    detail: str = ""

    def entry(self, trial: str) -> MappingEntry:
        """CorrectInput for what is no mapping."""
        facts: dict[str, Any] = {"trial": trial, "field": self.field.strip()}
        devices = self.devices.split()
        facts |= {"devices": devices} if devices and devices != ["*"] else {}
        if self.chosen == REMOVE:
            facts |= {"remove": True}
        elif self.chosen == IGNORE:
            facts |= {"ignore": True}
        else:
            facts |= {"property": self.chosen} | ({"unit": self.unit.strip()} if self.unit.strip() else {})
        try:
            return MappingEntry.model_validate(facts)
        except ValidationError as error:
            first = error.errors()[0]
            raise CorrectInput(f"{self.field[:80]!r}: {first['loc'][-1]}: {first['msg']}.") from None


@router.get("/trials/{trial}/mappings", response_class=HTMLResponse)
def mappings_page(
    request: Request,
    trial: str,
    conn: ServiceConn,
    viewer: Signed,
    saved: Annotated[int | None, Query(ge=0, le=10_000)] = None,
) -> HTMLResponse:
    """The trial's mappings, and a row for each field that was refused."""
    found = _mappable(conn, viewer, trial)
    tried = try_mappings(conn, found.code, None, most=_MOST_TRIED)
    rows = [*_rows_of(tried, list_properties(conn)), Row("")]
    return _show(request, conn, viewer, found, rows, tried, saved=saved)


@router.post(
    "/trials/{trial}/mappings", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def post_mappings(
    request: Request,
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    field: Cells = [],  # noqa: B006 - FastAPI copies it
    chosen: Cells = [],  # noqa: B006
    unit: Cells = [],  # noqa: B006
    devices: Cells = [],  # noqa: B006
    action: Annotated[str, Form(max_length=16)] = "try",
) -> Response:
    """Try the chosen mappings on what was refused, or save them."""
    found = _mappable(conn, viewer, trial)
    cells = [(column + [""] * _MOST_ROWS)[: len(field)] for column in (chosen, unit, devices)]
    rows = [Row(*texts) for texts in zip(field, *cells, strict=True)]
    before, problem = try_mappings(conn, found.code, None, most=_MOST_TRIED), ""
    known = {one.field: one for one in before.fields if one.outcome == "refused"}
    rows = [_with_sent(one, known.get(one.field)) for one in rows]
    tried: Tried | None = None
    try:
        entries = [one.entry(found.code) for one in rows if one.field.strip() and one.chosen]
        if not entries:
            raise CorrectInput(page_of(request, viewer).t("Choose what at least one field is."))
        if action == "save":
            saved = save_mappings(conn, found.code, entries, now=context.clock.now(), by=viewer.login)
            number = sum(one.what == "entered" for one in saved.changes)
            return RedirectResponse(f"/trials/{found.code}/mappings?saved={number}", status_code=303)
        wanted = edit_mappings(conn, found.code, entries).mappings
        tried = try_mappings(conn, found.code, wanted, most=_MOST_TRIED)
    except CorrectInput as error:
        problem = str(error)
    return _show(
        request, conn, viewer, found, rows, tried or before, is_tried=tried is not None, problem=problem
    )


def _mappable(conn: Connection, viewer: Viewer, trial: str) -> Trial:
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.MAP, f"mapping of {trial!r} to save", found)
    return found


def _with_sent(row: Row, known: FieldOutcome | None) -> Row:
    if known is None:
        return row
    return Row(
        row.field, row.chosen, row.unit, row.devices, write_sent(known.sent), known.times, known.detail
    )


def _rows_of(tried: Tried, properties: Sequence[ObservedProperty]) -> list[Row]:
    """Fields that are refused as things are, with the property of the same name chosen."""
    names = {_plain(name): one.code for one in properties for name in (one.code, *one.name.values())}
    rows: dict[str, Row] = {}
    for one in tried.fields:
        if one.outcome != "refused" or not one.field or one.field in rows or len(rows) >= _MOST_ROWS - 1:
            continue
        guess = names.get(_plain(one.field), "")
        rows[one.field] = _with_sent(Row(one.field, guess), one)
    return list(rows.values())


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.casefold())


def _show(
    request: Request,
    conn: Connection,
    viewer: Viewer,
    trial: Trial,
    rows: Sequence[Row],
    tried: Tried,
    *,
    is_tried: bool = False,
    saved: int | None = None,
    problem: str = "",
) -> HTMLResponse:
    stored = sum(one.times for one in tried.fields if one.outcome == "stored")
    return respond(
        request,
        "mappings.j2",
        page_of(request, viewer, trial.time_zone),
        status=400 if problem else 200,
        trial=trial,
        rows=rows,
        tried=tried,
        is_tried=is_tried,
        would_be_stored=stored,
        saved=saved,
        problem=problem,
        mappings=mappings_of_trial(conn, trial.code),
        properties=list_properties(conn),
        reasons={str(code): word for code, word in REASONS.items()},
        outcomes=OUTCOMES_OF_FIELDS,
        write_sent=write_sent,
        ignore=IGNORE,
        remove=REMOVE,
    )
