"""Files that are made once and kept: the chart bundle, reports of an evaluation, its package."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from api.access import Signed
from api.context import Conn, Context, Ctx
from api.pages.trials import evaluation_of
from store.database import Connection
from store.trials import StoredEvaluation
from trials.package import signing_key, write
from trials.report import write_reports

open_router = APIRouter()
router = APIRouter()
LANGUAGE: Final = "fr"
"""Of `report.html` and `report.pdf`; the other language's files carry its code in their names."""
_FOREVER: Final = "private, max-age=31536000, immutable"
# Reports hold their styles and drawings inside, and need nothing else: no script, no form, no other address.
_REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ONE_AT_A_TIME = threading.Lock()

ReportFile = Literal["report.html", "report.pdf", "report.json", "report.en.html", "report.en.pdf"]


@open_router.get("/charts/vega.js")
def vega(context: Ctx) -> FileResponse:
    """The browser's half of the charts; the address changes with its version."""
    return FileResponse(
        context.bundle.wait(), media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def rendered(context: Context, stored: StoredEvaluation) -> Path:
    """The folder with the reports of an evaluation; made at first, kept by the hash of the document."""
    folder = context.cache / "reports" / stored.sha256
    with _ONE_AT_A_TIME:  # each takes seconds and a process of its own
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            made = Path(mkdtemp(prefix="report-", dir=folder.parent))
            try:
                write_reports(json.loads(stored.document), folder=made, language=LANGUAGE)
                made.rename(folder)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    return folder


@router.get("/trials/{trial}/evaluations/{evaluation_id}/package.zip")
def package(trial: str, evaluation_id: int, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """With this anyone can recompute the evaluation: observations, protocol, results, reports, signed by this installation."""
    stored = evaluation_of(conn, viewer, trial, evaluation_id)
    path = context.cache / "packages" / f"{stored.sha256}.zip"
    if not path.exists():
        _pack(conn, context, stored, path)
    name = f"{trial}-{evaluation_id}.zip"
    return FileResponse(path, media_type="application/zip", filename=name, headers={"Cache-Control": "private, no-cache"})


def _pack(conn: Connection, context: Context, stored: StoredEvaluation, path: Path) -> None:
    reports = rendered(context, stored)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name) / stored.trial
        shutil.copytree(reports, folder)
        write(conn, stored.evaluation_id, folder, key=signing_key(context.settings.data_dir))
        made = Path(name) / "package.zip"
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, file.relative_to(folder.parent))
        made.rename(path)


@router.get("/trials/{trial}/evaluations/{evaluation_id}/{file}")
def report(trial: str, evaluation_id: int, file: ReportFile, conn: Conn, context: Ctx, viewer: Signed) -> FileResponse:
    """A report: French under `report.html` and `report.pdf`, English with `.en` in the name; JSON is the document itself."""
    stored = evaluation_of(conn, viewer, trial, evaluation_id)
    path = rendered(context, stored) / file
    return FileResponse(path, headers={"Cache-Control": _FOREVER, "Content-Security-Policy": _REPORT_POLICY})
