"""Credentials and datastreams of a device: the forms of its page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api.access import Signed, require_form_token
from api.acting import acting, taken_up
from api.context import Conn, Ctx
from api.enrolling import give, require_connectable
from api.pages.arrivals import show_given
from ingest.acts.enrolling import Enrolment, measure, revoke
from ingest.mapping_entry import read_interval
from insitu.errors import CorrectInput
from store.database import Connection

router = APIRouter()
_DEVICE = "/trials/{trial}/devices/{device}"


@router.post(
    f"{_DEVICE}/credentials", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
async def post_credential(
    request: Request,
    trial: str,
    device: str,
    context: Ctx,
    viewer: Signed,
    ends_others: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Give another credential, beside the older ones or instead of them, and show its token this once."""
    wanted = Enrolment(trial, device, is_new=False)
    made = await give(request, viewer, wanted, ends_others=ends_others)
    return await show_given(request, context, viewer, made)


@router.post(f"{_DEVICE}/revocation", dependencies=[Depends(require_form_token)])
async def post_revocation(
    request: Request, trial: str, device: str, context: Ctx, viewer: Signed
) -> RedirectResponse:
    """End every credential of the device and disconnect it."""

    def end(conn: Connection) -> int:
        found = require_connectable(conn, viewer, trial)
        return revoke(conn, found.code, device, now=context.clock.now(), by=viewer.login)

    if await acting(request, end):
        await taken_up(request)
    return RedirectResponse(f"/trials/{trial}/devices/{device}#connect", status_code=303)


@router.post(f"{_DEVICE}/datastreams", dependencies=[Depends(require_form_token)])
def post_datastream(
    trial: str,
    device: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    property: Annotated[str, Form(max_length=64)] = "",
    name: Annotated[str, Form(max_length=128)] = "",
    every: Annotated[str, Form(max_length=40)] = "PT15M",
) -> RedirectResponse:
    """Give the device another datastream."""
    found = require_connectable(conn, viewer, trial)
    try:
        spacing = read_interval(every)
    except ValueError as error:
        raise CorrectInput(f"{error}.") from None
    text = f"{name.strip()}={property}" if name.strip() else property
    measure(conn, found.code, device, [text], every=spacing, now=context.clock.now(), by=viewer.login)
    return RedirectResponse(f"/trials/{found.code}/devices/{device}#now", status_code=303)
