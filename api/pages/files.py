"""Files that are made once and kept: the chart bundle, reports of an evaluation, its package."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Annotated, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from api.access import Signed, record_download
from api.compression import CODED, VARIES, takes_gzip
from api.context import Context, Ctx, connecting
from api.pages.trials import evaluation_of
from store.database import Connection
from store.trials import StoredEvaluation
from store.witness import count_stamps
from trials.package.keys import signing_key
from trials.package.makers import made_here
from trials.package.signing import public_hex
from trials.report.render import write_reports
from trials.workflow.exporting import write

open_router = APIRouter()
router = APIRouter()
LANGUAGE: Final = "fr"
"""Language of `report.html` and `report.pdf`; files in the other language have its code in their names."""
_FOREVER: Final = "private, max-age=31536000, immutable"
# Reports contain their styles and drawings and need nothing else: no script, no form, no other address.
_REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

ReportFile = Literal["report.html", "report.pdf", "report.json", "report.en.html", "report.en.pdf"]


@open_router.get("/charts/vega.js")
async def vega(request: Request, context: Ctx) -> FileResponse:
    """The charts' JavaScript; its address changes with its version."""
    packed = takes_gzip(request)
    wait = context.bundle.wait_packed if packed else context.bundle.wait
    return FileResponse(
        await to_thread.run_sync(wait, limiter=context.lanes.bundle),
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=31536000, immutable", **(CODED if packed else VARIES)},
    )


def rendered(context: Context, stored: StoredEvaluation) -> Path:
    """Folder with the reports of an evaluation; made at first use and named by the hash of the document and
    what makes it.
    """
    folder = context.cache / "reports" / f"{stored.sha256}-{made_here()}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix="report-", dir=folder.parent))
        try:
            write_reports(json.loads(stored.document), folder=made, language=LANGUAGE)
            made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


async def _stored(request: Request, trial: str, evaluation_id: int, viewer: Signed) -> StoredEvaluation:
    """Reads the evaluation and returns the connection before the report, which may take seconds."""
    async with connecting(request) as conn:
        return await run_in_threadpool(evaluation_of, conn, viewer, trial, evaluation_id)


Stored = Annotated[StoredEvaluation, Depends(_stored)]


@router.get("/trials/{trial}/evaluations/{evaluation_id}/package.zip")
async def package(
    request: Request, trial: str, evaluation_id: int, stored: Stored, context: Ctx, viewer: Signed
) -> Response:
    """With this package anyone can recompute the evaluation: observations, protocol, results, reports, signed
    by this installation.
    """
    async with connecting(request) as conn:
        stamps = await run_in_threadpool(count_stamps, conn)
    signer = public_hex(signing_key(context.settings.data_dir))[:16]
    # another version, key or time stamp makes another file
    path = context.cache / "packages" / f"{stored.sha256}-{made_here()}-{signer}-{stamps}.zip"
    if not path.exists():
        reports = await to_thread.run_sync(rendered, context, stored, limiter=context.lanes.reports)
        async with connecting(request) as conn:
            await run_in_threadpool(_pack, conn, context, stored, reports, path)
    name = f"{trial}-{evaluation_id}.zip"
    async with connecting(request, is_limited=False) as conn:
        await run_in_threadpool(record_download, conn, viewer, name, trial, context.clock.now())
    return FileResponse(
        path, media_type="application/zip", filename=name, headers={"Cache-Control": "private, no-cache"}
    )


def _pack(conn: Connection, context: Context, stored: StoredEvaluation, reports: Path, path: Path) -> None:
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
async def report(file: ReportFile, stored: Stored, context: Ctx) -> FileResponse:
    """A report: French as `report.html` and `report.pdf`, English with `.en` in the name; JSON is the
    document itself.
    """
    folder = await to_thread.run_sync(rendered, context, stored, limiter=context.lanes.reports)
    return FileResponse(
        folder / file, headers={"Cache-Control": _FOREVER, "Content-Security-Policy": _REPORT_POLICY}
    )
