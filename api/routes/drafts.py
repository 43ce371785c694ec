"""The draft of a trial's next protocol, which its people share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.preconditions import IfMatch, quoted, stated_tag
from api.problems import OF_BODIES
from api.routes.ingest import raw_body
from api.routes.shapes import example
from insitu.errors import CorrectInput, NotFound
from store.access import visible_trial
from store.drafts import StoredDraft, find_draft
from store.rights import Act
from trials.workflow.keeping import drop_draft, keep_draft

router = APIRouter()


class DraftOut(BaseModel):
    model_config = example(
        trial="platform-air",
        text='{"trial": "platform-air", "version": 2}',
        changed_at="2026-03-01T08:00:00Z",
        changed_by="judge",
        etag='"5f2b…"',
    )

    trial: str
    text: str
    """JSON as far as it is written; it may be broken."""
    changed_at: datetime
    changed_by: str
    etag: str
    """Also in the header: send it as If-Match to change this draft."""


@router.get("/trials/{trial}/protocol/draft")
def get_draft(trial: str, conn: Conn, viewer: Signed, response: Response) -> DraftOut:
    """The draft; 404 if nobody has begun one. For everybody who reads the protocol."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.READ_PROTOCOL, f"draft of {trial!r}", found)
    draft = find_draft(conn, found.code)
    if draft is None:
        raise NotFound(f"{found.code} has no draft.")
    return _shown(found.code, draft, response)


@router.put(
    "/trials/{trial}/protocol/draft",
    responses=OF_BODIES,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    },
)
def put_draft(
    trial: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    body: Annotated[bytes, Depends(raw_body)],
    if_match: IfMatch = None,
) -> DraftOut:
    """Keep the body as the draft. To change one that is there, send its ETag as If-Match: 412 if it is
    another one by now. For the trial's evaluator, and the lab.
    """
    found = visible_trial(conn, viewer, trial)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise CorrectInput(f"A draft is text in UTF-8: byte {error.start + 1} is none.") from error
    now = context.clock.now()
    kept = keep_draft(conn, found, text, expected=stated_tag(if_match), viewer=viewer, now=now)
    return _shown(found.code, kept, response)


@router.delete("/trials/{trial}/protocol/draft", status_code=204, responses=OF_BODIES)
def delete_draft(
    request: Request, trial: str, conn: Conn, context: Ctx, viewer: Signed, if_match: IfMatch = None
) -> None:
    """Throw the draft away; with its ETag as If-Match, or `*` for any. For the trial's evaluator, and the
    lab.
    """
    found = visible_trial(conn, viewer, trial)
    now = context.clock.now()
    drop_draft(conn, found, expected=stated_tag(if_match), viewer=viewer, now=now)


def _shown(trial: str, draft: StoredDraft, response: Response) -> DraftOut:
    tag = quoted(draft.tag)
    response.headers["ETag"] = tag
    return DraftOut(
        trial=trial, text=draft.text, changed_at=draft.changed_at, changed_by=draft.changed_by, etag=tag
    )
