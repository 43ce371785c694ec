"""A person's alerts: open and past ones, the rules by which they come, and the channels where they go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token
from api.context import Conn, Ctx, ServiceConn
from api.pages.words import CHANNELS, NOTICE_EVENTS, NOTICE_OUTCOMES
from api.rendering import Page, page_of, respond
from insitu.errors import CorrectInput
from store import alerts as store
from store import notices
from store.access import Viewer, visible_trials
from store.database import Connection
from store.read.fleet import list_devices
from trials.alerting.choices import Choices
from trials.alerting.kinds import KINDS, RULED, AlertKind
from trials.alerting.words import KIND_WORDS, LOCALE, Words
from trials.workflow import alert_acts
from trials.workflow.alert_acts import ChannelKind, MadeChannel, ShownAlert
from trials.workflow.telling import choices_of

router = APIRouter()
Number = Annotated[int, Form(ge=1, lt=2**31)]
BigNumber = Annotated[int, Form(ge=1, lt=2**63)]
REMINDERS: Final = (0, 1, 4, 12, 24, 72, 168)
_MOST_PAST: Final = 30


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert in words. `state` selects its shape."""

    number: int
    subject: str
    line: str
    path: str
    state: str
    alert: store.StoredAlert


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A choice about one kind. `rule`: its number, where the person chose; `scope`: in words."""

    kind: AlertKind
    word: str
    is_on: bool
    remind_hours: int
    rule: int | None = None
    scope: str = ""


def words_of(page: Page) -> Words:
    return Words(page.reader.language, page.reader.time_zone)


def write_alerts(page: Page, shown: Sequence[ShownAlert]) -> list[AlertLine]:
    words = words_of(page)
    return [
        AlertLine(
            one.alert.alert_id,
            words.subject(one.content),
            words.line(one.content),
            str(one.content.get("path", "/alerts")),
            "silent" if one.alert.acknowledged_at is None else "late",
            one.alert,
        )
        for one in shown
    ]


def list_rule_lines(page: Page, choices: Choices, rules: Sequence[store.StoredRule]) -> Iterator[RuleLine]:
    """One line for each kind, then one for each rule of a trial, site or device."""
    translate = page.reader.translator(LOCALE)
    everywhere = {row.kind: row.alert_rule_id for row in rules if not (row.trial or row.site or row.device)}
    for kind in RULED:
        rule = choices.find(kind, None)
        yield RuleLine(
            kind, translate(KIND_WORDS[kind]), rule.is_on, rule.remind_hours, everywhere.get(str(kind))
        )
    for row in rules:
        scope = row.trial or row.site_name or (row.device and f"{row.device_trial}/{row.device}")
        if scope:
            kind = AlertKind(row.kind)
            yield RuleLine(
                kind, translate(KIND_WORDS[kind]), row.is_on, row.remind_hours, row.alert_rule_id, scope
            )


def show_alerts(
    request: Request,
    context: Ctx,
    conn: Connection,
    viewer: Viewer,
    *,
    notice: str = "",
    problem: str = "",
    made: MadeChannel | None = None,
) -> HTMLResponse:
    """The page; `made`: a channel whose secret is shown this once."""
    page = page_of(request, viewer)
    rules = store.list_rules(conn, viewer.person_id)
    lines = list(list_rule_lines(page, choices_of(viewer, rules), rules))
    devices = list_devices(conn, viewer, now=page.now)
    sites = {one.site: one.site_name for one in devices if one.site}
    return respond(
        request,
        "alerts.j2",
        page,
        status=400 if problem else 200,
        notice=notice,
        problem=problem,
        made=made,
        open=write_alerts(page, alert_acts.list_alerts(conn, viewer, now=page.now, simulated=page.simulated)),
        past=write_alerts(
            page,
            alert_acts.list_alerts(
                conn, viewer, now=page.now, simulated=page.simulated, past=True, most=_MOST_PAST
            ),
        ),
        rules=[one for one in lines if not one.scope],
        own_rules=[one for one in lines if one.scope],
        kinds=[one for one in lines if not one.scope and KINDS[one.kind].audience == "health"],
        reminders=REMINDERS,
        scopes=[(f"trial:{one.code}", page.pick(one.title)) for one in visible_trials(conn, viewer)]
        + [(f"site:{code}", name) for code, name in sorted(sites.items())],
        channels=notices.list_channels(conn, viewer.person_id),
        notices=notices.list_notices(conn, viewer.person_id),
        words=CHANNELS,
        events=NOTICE_EVENTS,
        outcomes=NOTICE_OUTCOMES,
        can_mail=context.settings.smtp_url is not None,
        broker=context.mqtt_public,
    )


@router.get("/alerts", response_class=HTMLResponse)
def alerts_page(request: Request, conn: ServiceConn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """The page."""
    return show_alerts(request, context, conn, viewer)


@router.post("/alerts/acknowledge", dependencies=[Depends(require_form_token)])
def acknowledge(conn: Conn, context: Ctx, viewer: Signed, alert: BigNumber) -> Response:
    """The person knows of an alert."""
    alert_acts.acknowledge(conn, viewer, alert, now=context.clock.now())
    return RedirectResponse("/alerts", status_code=303)


@router.post("/alerts/rules", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def set_rule(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    kind: Annotated[AlertKind, Form()],
    on: Annotated[bool, Form()],
    remind: Annotated[int, Form(ge=0, le=alert_acts.LONGEST_REMINDER)],
    scope: Annotated[str, Form(max_length=200)] = "",
    device: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Store a choice."""
    chosen = f"device:{device.strip()}" if device.strip() else scope
    try:
        alert_acts.set_rule(
            conn,
            viewer,
            kind,
            is_on=on,
            remind_hours=remind,
            scope=chosen,
            now=context.clock.now(),
        )
    except CorrectInput as error:
        problem = page_of(request, viewer).t(str(error))
        return show_alerts(request, context, conn, viewer, problem=problem)
    return RedirectResponse("/alerts#rules", status_code=303)


@router.post("/alerts/rules/remove", dependencies=[Depends(require_form_token)])
def remove_rule(conn: Conn, context: Ctx, viewer: Signed, rule: Number) -> Response:
    """The default holds again."""
    alert_acts.drop_rule(conn, viewer, rule, now=context.clock.now())
    return RedirectResponse("/alerts#rules", status_code=303)


@router.post("/alerts/channels", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def add_channel(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    kind: Annotated[ChannelKind, Form()],
    address: Annotated[str, Form(max_length=1000)] = "",
) -> HTMLResponse:
    """Add a channel, and show its secret, this once."""
    page = page_of(request, viewer)
    try:
        made = alert_acts.add_channel(conn, viewer, kind, address, now=page.now, simulated=page.simulated)
    except CorrectInput as error:
        return show_alerts(request, context, conn, viewer, problem=page.t(str(error)))
    return show_alerts(request, context, conn, viewer, notice=page.t("The channel is added."), made=made)


@router.post(
    "/alerts/channels/confirm", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
def confirm_channel(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    channel: Number,
    code: Annotated[str, Form(max_length=40)],
) -> Response:
    """The code of a test has come back."""
    try:
        alert_acts.confirm_channel(conn, viewer, channel, code, now=context.clock.now())
    except CorrectInput as error:
        problem = page_of(request, viewer).t(str(error))
        return show_alerts(request, context, conn, viewer, problem=problem)
    return RedirectResponse("/alerts#channels", status_code=303)


@router.post("/alerts/channels/test", response_class=HTMLResponse, dependencies=[Depends(require_form_token)])
def test(request: Request, conn: Conn, context: Ctx, viewer: Signed, channel: Number) -> HTMLResponse:
    """Send a test."""
    page = page_of(request, viewer)
    try:
        alert_acts.send_test(conn, viewer, channel, now=page.now, simulated=page.simulated)
    except CorrectInput as error:
        return show_alerts(request, context, conn, viewer, problem=page.t(str(error)))
    sent = page.t("The test is on its way; below you see within seconds whether it was delivered.")
    return show_alerts(request, context, conn, viewer, notice=sent)


@router.post("/alerts/channels/remove", dependencies=[Depends(require_form_token)])
def remove_channel(conn: Conn, context: Ctx, viewer: Signed, channel: Number) -> Response:
    """Nothing is sent there any more."""
    alert_acts.remove_channel(conn, viewer, channel, now=context.clock.now())
    return RedirectResponse("/alerts#channels", status_code=303)
