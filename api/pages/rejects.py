"""Rejects with reasons and fixes, and the ledger, which shows that nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token, require_right
from api.context import Conn, Ctx
from api.pages.words import FIXES, REASONS
from api.rendering import page_of, respond
from ingest.replay import replay
from insitu.errors import NotFound
from insitu.model import RejectReason
from store.access import Viewer, visible_trials
from store.audit import record
from store.broker_events import EventSum, list_events
from store.database import Connection
from store.ledger import Totals
from store.read.fleet import Scope, load_scope
from store.read.ledger_lines import list_ledger, list_ledger_hours
from store.read.refused import ReasonCount, count_reasons, get_reject, list_rejects
from store.replays import RejectRow, list_overflow
from store.rights import Act, Reach

router = APIRouter()
EXCERPT_BYTES: Final = 600
REPLAYED: Final = (
    "{tried} messages tried again: {stored} observations stored, {still} messages still refused."
)
_MOST: Final = 25
_MOST_HOURS: Final = 200
MESSAGES: Final = ("received", "accepted", "partly", "rejected", "repeated")
RESULTS: Final = ("contained", "stored", "duplicate", "conflicting", "refused", "ignored")
_COLUMNS: Final = (
    "received",
    "stored whole",
    "in part",
    "refused",
    "repeated",
    "contained",
    "stored",
    "duplicate",
    "conflicting",
    "refused",
    "ignored",
)


@dataclass(frozen=True, slots=True)
class Chosen:
    trial: str | None
    device: str | None
    reason: str | None
    by: str | None = None
    """`hour`: the ledger by hour."""

    def query(self, **changes: str | int) -> str:
        chosen = {"trial": self.trial, "device": self.device, "reason": self.reason, "by": self.by, **changes}
        return "/rejects?" + urlencode({name: text for name, text in chosen.items() if text})


@dataclass(frozen=True, slots=True)
class Shown:
    row: RejectRow
    excerpt: str
    is_hex: bool
    cut: bool


@dataclass(frozen=True, slots=True)
class Line:
    trial: str
    device: str
    numbers: list[int]
    hour: datetime | None = None


def excerpt(payload: bytes, most: int = EXCERPT_BYTES) -> tuple[str, bool]:
    """The first bytes as text, or as hexadecimal lines if they are no text (then True)."""
    cut = payload[:most]
    try:
        text = cut.decode("utf-8")
    except UnicodeDecodeError as error:
        # an excerpt may end in the middle of a character, which is no error of the device
        if error.start < len(cut) - 3 or len(payload) <= most:
            return _hexadecimal(cut), True
        text = cut[: error.start].decode("utf-8")
    if any(ord(letter) < 32 and letter not in "\t\r\n" for letter in text):
        return _hexadecimal(cut), True
    return text, False


def _hexadecimal(payload: bytes) -> str:
    lines = [payload[at : at + 16] for at in range(0, len(payload), 16)]
    return "\n".join(f"{16 * n:04x}  {line.hex(' '):<47}  {_printable(line)}" for n, line in enumerate(lines))


def _printable(line: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)


@router.get("/rejects", response_class=HTMLResponse)
def rejects_page(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    trial: Annotated[str, Query(max_length=64)] = "",
    device: Annotated[str, Query(max_length=64)] = "",
    reason: Annotated[str, Query(max_length=64)] = "",
    below: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    by: Annotated[str, Query(pattern="^(hour)?$")] = "",
    replayed: Annotated[str, Query(pattern=r"^\d{1,9}-\d{1,9}-\d{1,9}$")] = "0-0-0",
) -> HTMLResponse:
    """Rejects by reason with their bytes; the ledger below."""
    chosen = Chosen(trial or None, device or None, reason or None, by or None)
    page = page_of(request, viewer)
    within = load_scope(conn, viewer, now=page.now, trial=chosen.trial)
    counts = count_reasons(conn, within, since=page.now - timedelta(days=1), device=chosen.device)
    found = _messages(conn, viewer, within, chosen, below)
    lines = ledger_lines(list_ledger(conn, within, device=chosen.device))
    more = ledger_lines(list_ledger(conn, within, replay=True, device=chosen.device))
    hours = (
        ledger_lines(list_ledger_hours(conn, within, device=chosen.device, most=_MOST_HOURS))
        if chosen.by
        else []
    )
    tried, stored, still = replayed.split("-")
    return respond(
        request,
        "rejects.j2",
        page,
        chosen=chosen,
        trials=visible_trials(conn, viewer),
        reasons={str(code): word for code, word in REASONS.items()},
        fixes={str(code): text for code, text in FIXES.items()},
        counts=[{**_fields(one), "href": chosen.query(reason=one.reason)} for one in counts],
        rejects=found[:_MOST],
        overflow=list_overflow(
            conn, within.trials, within.devices, device=chosen.device, reason=chosen.reason, most=_MOST_HOURS
        ),
        denied=_denied(conn, within, chosen),
        older=chosen.query(below=found[_MOST - 1].row.reject_id) if len(found) > _MOST else None,
        ledger=hours or lines,
        by_device=chosen.query(by="") + "#ledger",
        by_hour=chosen.query(by="hour") + "#ledger",
        columns=_COLUMNS,
        sums=_sums(lines),
        replayed=_sums(more) if more else None,
        adds_up=all(adds_up(line.numbers) for line in [*lines, *more, *hours]),
        notice=page.t(REPLAYED, tried=tried, stored=stored, still=still) if int(tried) else None,
    )


def _denied(conn: Connection, within: Scope, chosen: Chosen) -> list[EventSum]:
    """Messages that the broker denied in the last day; of unknown senders only for readers who see all."""
    events = list_events(conn, trials=within.trials, devices=within.devices)
    return [one for one in events if one.is_denial and (not chosen.device or one.device == chosen.device)]


def _fields(one: ReasonCount) -> dict[str, Any]:
    return {
        name: getattr(one, name)
        for name in ("reason", "messages", "results", "last_at", "replayed", "recent", "dropped")
    }


def _messages(
    conn: Connection, viewer: Viewer, within: Scope, chosen: Chosen, below: int | None
) -> list[Shown]:
    """One more than a page shows, so that the page knows whether there are older ones; none for a viewer who
    may not list rejects, and none of their bytes for one who may not read those.
    """
    if not viewer.may(Act.LIST_REJECTS):
        return []
    found = list_rejects(
        conn,
        within.trials,
        device=chosen.device,
        reason=chosen.reason,
        below=below,
        most=_MOST + 1,
        excerpt=EXCERPT_BYTES + 4,
    )
    if not viewer.may(Act.READ_BYTES):
        return [Shown(row.without_bytes(), "", is_hex=False, cut=False) for row in found]
    return [Shown(row, *excerpt(row.payload), cut=row.size > EXCERPT_BYTES) for row in found]


def ledger_lines(totals: Sequence[Totals]) -> list[Line]:
    return [
        Line(
            one.trial,
            one.device,
            [getattr(one, name) for name in (*MESSAGES, *RESULTS)],
            getattr(one, "hour", None),
        )
        for one in totals
    ]


def adds_up(numbers: Sequence[int]) -> bool:
    """Messages: the first is the sum of the next four; results: the sixth is the sum of the rest."""
    return numbers[0] == sum(numbers[1:5]) and numbers[5] == sum(numbers[6:])


def _sums(lines: Sequence[Line]) -> list[int]:
    return [sum(column) for column in zip(*(line.numbers for line in lines), strict=True)]


@router.get("/rejects/{reject_id}/payload")
def payload(reject_id: int, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """The bytes of one reject as a download, because a browser must not interpret a device's data."""
    require_right(viewer, Act.READ_BYTES, f"reject {reject_id}")
    within = load_scope(conn, viewer, now=context.clock.now())
    found = get_reject(conn, within.trials, reject_id)
    return Response(
        found.payload,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="reject-{reject_id}.bin"',
            "Cache-Control": "no-store",
        },
    )


@router.post("/rejects/replay", dependencies=[Depends(require_form_token)])
def replay_rejects(
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    reason: Annotated[str, Form()] = "",
    trial: Annotated[str, Form()] = "",
) -> RedirectResponse:
    """Send rejects through the path again: the lab may do so for all, a company for its own devices."""
    if not viewer.may(Act.REPLAY):
        raise NotFound("There are no rejects that you may replay.")
    known = RejectReason(reason) if reason in set(RejectReason) else None
    within = load_scope(conn, viewer, now=context.clock.now(), trial=trial or None)
    trials = None if viewer.reach(Act.REPLAY) is Reach.ANY and not trial else within.trials
    done = replay(conn, clock=context.clock, reason=str(known) if known else None, trials=trials)
    detail = {"reason": reason, "tried": done.tried, "stored": done.stored}
    record(
        conn,
        at=context.clock.now(),
        login=viewer.login,
        action="replay",
        subject=trial or "all",
        detail=detail,
    )
    chosen = Chosen(trial or None, None, None)
    back = chosen.query(replayed=f"{done.tried}-{done.stored}-{done.still_refused}")
    return RedirectResponse(back, status_code=303)
