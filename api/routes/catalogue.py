"""The whole catalogue as one file."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.access import Signed, require_right
from api.context import Ctx, ServiceConn
from store.rights import Act
from trials.workflow.moving import export_catalogue

router = APIRouter()


@router.get("/catalogue.zip", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def get_catalogue(conn: ServiceConn, context: Ctx, viewer: Signed) -> Response:
    """Everything that was entered and decided, without results and secrets, to move a lab; for the lab.
    `insitu catalogue import` enters it into an empty installation. The download leaves a line in the audit
    log.
    """
    require_right(viewer, Act.RUN_PROGRAMME, "catalogue")
    now, simulated = context.clock.now(), context.clock.is_simulated
    done = export_catalogue(conn, by=viewer.login, now=now, simulated=simulated)
    headers = {
        "Content-Disposition": 'attachment; filename="insitu-catalogue.zip"',
        "Cache-Control": "private, no-store",
    }
    return Response(done.content, media_type="application/zip", headers=headers)
