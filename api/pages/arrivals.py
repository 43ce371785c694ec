"""Messages of a device as they arrive: the page after a new credential, its live stream, and a test
message.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access import Signed, require_form_token
from api.acting import acting
from api.conditions import conditions_of
from api.context import Conn, Context, Ctx
from api.enrolling import Given, require_connectable
from api.live import Part
from api.pages.board import show
from api.pages.streams import OneDevice, follow, room
from api.pages.words import FIXES, REASONS
from api.rendering import Page, fragment, page_of, respond
from api.snippets import TOKEN_PLACE, client_id_of, sent_of, snippets
from ingest.acts.effect import Effect
from ingest.http import Post, WrongToken, posted
from insitu.wire import PREFIX, STATUS
from store.access import CredentialLife, Viewer, credentials_of_device, seed_of
from store.audit import record
from store.broker_events import EventSum, list_device_events
from store.catalogue.devices import find_device
from store.catalogue.trials import Trial
from store.database import Connection
from store.read.fleet import FleetRow, Scope, get_device, list_statuses
from store.read.ledger_lines import list_ledger
from store.read.refused import list_rejects
from store.read.streams import list_streams
from store.replays import RejectRow

router = APIRouter()
TEST_STATUS: Final = b'{"state": "online"}'
"""A test stores nothing but this sign of life, so it can be no result of the trial."""
_MOST_REJECTS: Final = 3


@dataclass(frozen=True, slots=True)
class Refused:
    row: RejectRow
    word: str
    fix: str


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Messages of a device so far."""

    received: int = 0
    stored: int = 0
    refused: int = 0
    """Messages that were refused, whole or in part."""
    rejects: list[Refused] = field(default_factory=list)
    denied: EventSum | None = None
    has_status: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """The token of a device, on the pages that may show it: after it was made, or after its reader
    sent it.
    """

    username: str
    token: str
    client_id: str


async def show_given(request: Request, context: Context, viewer: Viewer, made: Given) -> HTMLResponse:
    """The page after a new credential, with its token."""
    return await acting(
        request,
        lambda conn: _show_waiting(
            request, conn, context, viewer, made.trial, made.device, token=made.token, effect=made.effect
        ),
    )


@router.get("/trials/{trial}/devices/{device}/connect", response_class=HTMLResponse)
def waiting_page(
    request: Request, trial: str, device: str, conn: Conn, context: Ctx, viewer: Signed
) -> HTMLResponse:
    """The messages of a device so far; live."""
    return _show_waiting(request, conn, context, viewer, trial, device)


def _show_waiting(
    request: Request,
    conn: Connection,
    context: Context,
    viewer: Viewer,
    trial: str,
    device: str,
    *,
    token: str = "",
    effect: Effect | None = None,
    notice: str = "",
    problem: str = "",
) -> HTMLResponse:
    """`effect`: of a credential that was made just now."""
    found = require_connectable(conn, viewer, trial)
    page = page_of(request, viewer, found.time_zone)
    row = get_device(conn, viewer, found.code, device, now=page.now)
    page = replace(page, path=f"/trials/{row.trial}/devices/{row.device}/connect")  # also after a form
    judged = conditions_of(conn, context, viewer, [row], page.now)[row.device_id]
    lives = credentials_of_device(conn, row.device_id)
    known = _known(row, lives, token)
    response = respond(
        request,
        "connected.j2",
        page,
        status=400 if problem else 200,
        known=known,
        effect=effect,
        snippets=_snippets(request, conn, context, row, lives, known),
        notice=notice,
        problem=problem,
        one=show(page, row, judged),
        **_arrived(conn, page, row),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _known(row: FleetRow, lives: Sequence[CredentialLife], token: str) -> Known | None:
    """None for a token that is not the device's."""
    client_id = client_id_of(row.trial, row.device, seed_of(lives))
    digest = hashlib.sha256(token.encode()).digest()
    names = [one.username for one in lives if bytes(one.token_sha256) == digest and one.revoked_at is None]
    return Known(names[0], token, client_id) if names else None


def _snippets(
    request: Request,
    conn: Connection,
    context: Context,
    row: FleetRow,
    lives: Sequence[CredentialLife],
    known: Known | None,
) -> dict[str, str]:
    active = next((one.username for one in lives if one.revoked_at is None), f"{row.trial}.{row.device}")
    return snippets(
        context.mqtt_public,
        trial=row.trial,
        device=row.device,
        username=known.username if known else active,
        token=known.token if known else TOKEN_PLACE,
        client_id=client_id_of(row.trial, row.device, seed_of(lives)),
        fields=sent_of(list_streams(conn, [row.device_id])),
        http=str(request.base_url).rstrip("/"),
    )


def _arrived(conn: Connection, page: Page, row: FleetRow) -> dict[str, Any]:
    return {"device": row, "arrivals": load_arrivals(conn, page, row)}


def load_arrivals(conn: Connection, page: Page, row: FleetRow) -> Arrivals:
    """Counts, the newest refusals with how to mend each, and what the broker denied in the last day."""
    lines = list_ledger(conn, Scope([row.trial], [f"{row.trial}/{row.device}"]))
    names = [life.username for life in credentials_of_device(conn, row.device_id)]
    events = list_device_events(conn, names) if names else []
    return Arrivals(
        sum(one.received for one in lines),
        sum(one.stored for one in lines),
        sum(one.rejected + one.partly for one in lines),
        _refused(page, list_rejects(conn, [row.trial], device=row.device, most=_MOST_REJECTS, excerpt=0)),
        next((one for one in events if one.is_denial), None),
        bool(list_statuses(conn, row.device_id, 1)),
    )


def _refused(page: Page, found: Sequence[RejectRow]) -> list[Refused]:
    words = {str(code): (REASONS[code], FIXES[code]) for code in REASONS}
    return [
        Refused(one, *(page.t(text) for text in words.get(one.reason, (one.reason, "")))) for one in found
    ]


@router.post(
    "/trials/{trial}/devices/{device}/test",
    response_class=HTMLResponse,
    dependencies=[Depends(require_form_token)],
)
async def post_test(
    request: Request,
    trial: str,
    device: str,
    context: Ctx,
    viewer: Signed,
    token: Annotated[str, Form(max_length=200)] = "",
) -> HTMLResponse:
    """Send a test message as the device would over HTTPS, with its own token, and wait until it is stored."""
    found, row = await acting(request, lambda conn: _tested(conn, context, viewer, trial, device))
    page = page_of(request, viewer, found.time_zone)
    notice = problem = ""
    token = token.strip()
    digest = hashlib.sha256(token.encode()).digest()
    message = posted(f"{PREFIX}/{row.trial}/{row.device}/{STATUS}", TEST_STATUS, context.clock)
    try:
        answer = await context.posts.store(Post(row.trial, row.device, digest, message))
    except WrongToken:
        problem = page.t("This is not a token of this device that works.")
    else:
        if answer.refused:
            problem = "; ".join(f"{reason}: {text}" for reason, (_, text) in answer.refused.items())
        else:
            notice = page.t(
                "The test message is stored: address, token and device are right. It is a sign of life, and "
                "no result of the trial."
            )

    def answer_page(conn: Connection) -> HTMLResponse:
        if notice:
            subject = f"{row.trial}/{row.device}"
            now = context.clock.now()
            record(conn, at=now, login=viewer.login, action="send test message", subject=subject)
        return _show_waiting(
            request,
            conn,
            context,
            viewer,
            row.trial,
            row.device,
            token=token,
            notice=notice,
            problem=problem,
        )

    return await acting(request, answer_page)


def _tested(
    conn: Connection, context: Context, viewer: Viewer, trial: str, device: str
) -> tuple[Trial, FleetRow]:
    found = require_connectable(conn, viewer, trial)
    return found, get_device(conn, viewer, found.code, device, now=context.clock.now())


def _own(conn: Conn, viewer: Signed, trial: str, device: str) -> int:
    """The device's id; raises NotFound before the stream begins."""
    return find_device(conn, require_connectable(conn, viewer, trial).code, device).device_id


@router.get(
    "/live/trials/{trial}/devices/{device}/arrivals",
    response_class=EventSourceResponse,
    dependencies=[Depends(room)],
)
async def arrivals_stream(
    request: Request,
    context: Ctx,
    viewer: Signed,
    trial: str,
    device: str,
    own: Annotated[int, Depends(_own)],
) -> AsyncIterator[ServerSentEvent]:
    """Messages of a new device, within a second or two."""
    one = NewDevice(request, context, viewer, trial, device, own)
    async for event in follow(request, context, viewer, ("arrivals", trial, device), one):
        yield event


class NewDevice(OneDevice):
    """The state of a device and what has arrived of it so far."""

    def parts_of(self, conn: Connection, page: Page, row: FleetRow) -> list[Part]:
        arrived = fragment("arrived.j2", page, **_arrived(conn, page, row))
        return [*super().parts_of(conn, page, row)[:1], Part("arrived", str(arrived))]
