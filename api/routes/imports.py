"""Imports of a trial: from files, of network servers, and their withdrawal."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed, require_right
from api.acting import acting
from api.context import Conn, Ctx
from api.importing import Understood, describe, keep_file, rename_options, require_importable, run_import
from api.problems import OF_BODIES
from api.routes.shapes import Listed
from api.uploads import owner_of
from api.withdrawing import withdraw_for
from insitu.errors import CorrectInput
from store.access import visible_trial
from store.database import Connection
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


class RefusedOut(BaseModel):
    reason: str
    results: int
    rows: int
    first_row: int
    detail: str


class FirstRowOut(BaseModel):
    row: int
    device: str
    time: datetime | None
    results: dict[str, Any]
    problem: str


class ImportedOut(BaseModel):
    """The outcome of an import, or with `dry_run` of what it would do."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "import_id": 4,
                "is_dry_run": False,
                "understood": ["card.csv: text with ; and decimal point"],
                "first_rows": [],
                "rows": 960,
                "empty": 0,
                "contained": 960,
                "stored": 950,
                "duplicate": 10,
                "refused": [],
            }
        }
    )

    import_id: int | None
    is_dry_run: bool
    understood: list[str]
    first_rows: list[FirstRowOut]
    rows: int
    empty: int
    """Rows without a result."""
    contained: int
    stored: int
    duplicate: int
    """Results that were there already: the same file again stores nothing."""
    refused: list[RefusedOut]


def _imported(done: Understood, *, dry: bool) -> ImportedOut:
    summary = done.summary
    return ImportedOut(
        import_id=summary.import_id,
        is_dry_run=dry,
        understood=done.sentences,
        first_rows=[FirstRowOut(**asdict(one)) for one in done.first_rows],
        rows=summary.rows,
        empty=summary.empty,
        contained=summary.contained,
        stored=summary.stored,
        duplicate=summary.duplicate,
        refused=[RefusedOut(reason=str(code), **asdict(one)) for code, one in summary.refused.items()],
    )


@router.post("/trials/{trial}/imports", status_code=201, responses=OF_BODIES)
async def post_import(
    request: Request,
    trial: str,
    context: Ctx,
    viewer: Signed,
    file: UploadFile | None = None,
    description: Annotated[
        str,
        Form(
            max_length=20_000,
            description="JSON with what the file leaves open: device, zone, columns and the other keys of "
            "`insitu import --columns`.",
            examples=['{"device": "d1", "zone": "Europe/Paris"}'],
        ),
    ] = "{}",
    dry_run: Annotated[bool, Form()] = False,
) -> ImportedOut:
    """Import results from a CSV file or a workbook of at most 8 MiB, as if the devices had sent them; for the
    trial's company, its evaluator and the lab. It stops with 400 where the file leaves open what it means.
    """
    content = b"" if file is None else await file.read()  # without one the right comes first, then a 400
    name = (file.filename if file is not None else None) or "file"

    def work(conn: Connection) -> Understood:
        found = require_importable(conn, viewer, trial)
        said = describe(found.code, read_description(description))
        token = keep_file(context.uploads, viewer, found, name, content)
        owner = owner_of(viewer.person_id, found.trial_id)
        try:
            with context.uploads.reading(owner, token) as path:
                return run_import(conn, path, said, clock=context.clock, by=viewer.login, dry=dry_run)
        except CorrectInput as error:
            raise CorrectInput(rename_options(str(error), lambda name: f"`{name}`")) from None
        finally:
            context.uploads.drop(owner, token)

    return _imported(await acting(request, work, lane=context.lanes.exports), dry=dry_run)


def read_description(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorrectInput(f"description is no JSON: {error}.") from None
    if not isinstance(given, dict):
        raise CorrectInput('description is a JSON object, such as {"zone": "Europe/Paris"}.')
    return given


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
