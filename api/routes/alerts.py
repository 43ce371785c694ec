"""A person's own alerts, rules and channels."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.access import Signed
from api.context import Conn, Ctx, ServiceConn
from api.problems import OF_BODIES
from api.routes.shapes import Code, Limit, Listed, example, number_cursor
from store import alerts as store
from store import notices
from trials.alerting.kinds import RULED, AlertKind
from trials.workflow import alert_acts
from trials.workflow.alert_acts import ChannelKind
from trials.workflow.telling import choices_of

router = APIRouter()


class AlertOut(BaseModel):
    model_config = example(
        alert_id=12,
        kind="silent",
        trial="platform-air",
        device="p1",
        site=None,
        since="2026-03-02T08:00:00Z",
        opened_at="2026-03-02T10:05:00Z",
        resolved_at=None,
        acknowledged_at=None,
        reminders=0,
        facts={"silence_s": 7500},
    )

    alert_id: int
    kind: AlertKind
    trial: str | None
    device: str | None
    site: str | None
    """Of a site that went dark: its code."""
    since: datetime
    opened_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    reminders: int
    facts: dict[str, Any]
    """The numbers behind it; of a dark site also the devices, `TRIAL/DEVICE`."""


class RuleOut(BaseModel):
    model_config = example(rule=3, kind="battery", scope="site:station-a", on=False, remind_hours=24)

    rule: int | None
    """None: the default of the role."""
    kind: AlertKind
    scope: str
    """`trial:CODE`, `site:CODE`, `device:TRIAL/CODE`, or empty: everything that the person may see."""
    on: bool
    remind_hours: int


class ChannelOut(BaseModel):
    model_config = example(
        channel=4, kind="webhook", address="https://example.org/alerts", confirmed_at="2026-03-02T08:00:00Z"
    )

    channel: int
    kind: ChannelKind
    address: str
    confirmed_at: datetime | None


class MadeOut(ChannelOut):
    secret: str
    """Shown this once: the key of the signatures, or the password of the listener; empty for mail."""
    user: str
    """Name of the listener at the broker."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AlertIn(_Body):
    alert: int = Field(ge=1, lt=2**63, examples=[12])


class RuleIn(_Body):
    kind: AlertKind = Field(examples=["battery"])
    on: bool
    remind_hours: int = Field(24, ge=0, le=alert_acts.LONGEST_REMINDER)
    """0: never."""
    scope: str = Field("", max_length=200, examples=["site:station-a"])


class RemovedRule(_Body):
    rule: int = Field(ge=1, lt=2**31)


class ChannelIn(_Body):
    kind: ChannelKind
    address: str = Field("", max_length=1000, examples=["https://example.org/alerts"])


class ChannelNumber(_Body):
    channel: int = Field(ge=1, lt=2**31)


class Confirmation(ChannelNumber):
    code: str = Field(max_length=40)


class Done(BaseModel):
    done: Literal[True] = True


def _shown(one: alert_acts.ShownAlert) -> AlertOut:
    alert = one.alert
    facts: dict[str, Any] = dict(one.content.get("detail") or {})  # type: ignore[call-overload]
    if "names" in one.content:
        facts["devices"] = one.content["names"]
    return AlertOut(
        alert_id=alert.alert_id,
        kind=AlertKind(alert.kind),
        trial=alert.trial,
        device=alert.device,
        site=alert.site,
        since=alert.since,
        opened_at=alert.opened_at,
        resolved_at=alert.resolved_at,
        acknowledged_at=alert.acknowledged_at,
        reminders=alert.reminders,
        facts=facts,
    )


@router.get("/alerts")
def list_alerts(
    conn: ServiceConn,
    context: Ctx,
    viewer: Signed,
    state: Literal["open", "past"] = "open",
    cursor: Code = None,
    limit: Limit = 100,
) -> Listed[AlertOut]:
    """Your own alerts, newest first. Open ones come all at once."""
    now, simulated = context.clock.now(), context.clock.is_simulated
    if state == "open":
        shown = alert_acts.list_alerts(conn, viewer, now=now, simulated=simulated)
        return Listed(items=[_shown(one) for one in shown], next=None)
    below = number_cursor(cursor)
    read = store.list_past_alerts(conn, viewer.person_id, below=below, most=limit + 1)
    shown = alert_acts.list_alerts(
        conn, viewer, now=now, simulated=simulated, past=True, below=below, most=limit
    )
    last = str(read[limit - 1].alert_id) if len(read) > limit else None
    return Listed(items=[_shown(one) for one in shown], next=last)


@router.post("/alerts/acknowledgement", responses=OF_BODIES)
def post_acknowledgement(body: AlertIn, conn: Conn, context: Ctx, viewer: Signed) -> Done:
    """You know of an alert: no reminder any more."""
    alert_acts.acknowledge(conn, viewer, body.alert, now=context.clock.now())
    return Done()


def _scope(row: store.StoredRule) -> str:
    if row.device is not None:
        return f"device:{row.device_trial}/{row.device}"
    return f"site:{row.site}" if row.site else f"trial:{row.trial}" if row.trial else ""


@router.get("/alerts/rules")
def list_rules(conn: ServiceConn, viewer: Signed) -> Listed[RuleOut]:
    """Your rules, and the defaults of your role where you have none."""
    rules = store.list_rules(conn, viewer.person_id)
    own = [
        RuleOut(
            rule=row.alert_rule_id,
            kind=AlertKind(row.kind),
            scope=_scope(row),
            on=row.is_on,
            remind_hours=row.remind_hours,
        )
        for row in rules
    ]
    chosen = {one.kind for one in own if not one.scope}
    choices = choices_of(viewer, rules)
    found = {kind: choices.find(kind, None) for kind in RULED if kind not in chosen}
    defaults = [
        RuleOut(rule=None, kind=kind, scope="", on=rule.is_on, remind_hours=rule.remind_hours)
        for kind, rule in found.items()
    ]
    return Listed(items=[*own, *defaults], next=None)


@router.post("/alerts/rules", responses=OF_BODIES)
def post_rule(body: RuleIn, conn: Conn, context: Ctx, viewer: Signed) -> Done:
    """Choose whether you hear of something; a later choice replaces it."""
    alert_acts.set_rule(
        conn,
        viewer,
        body.kind,
        is_on=body.on,
        remind_hours=body.remind_hours,
        scope=body.scope,
        now=context.clock.now(),
    )
    return Done()


@router.post("/alerts/rules/removal", responses=OF_BODIES)
def post_rule_removal(body: RemovedRule, conn: Conn, context: Ctx, viewer: Signed) -> Done:
    """The default holds again."""
    alert_acts.drop_rule(conn, viewer, body.rule, now=context.clock.now())
    return Done()


@router.get("/alerts/channels")
def list_channels(conn: ServiceConn, viewer: Signed) -> Listed[ChannelOut]:
    """Your channels, without their secrets."""
    found = notices.list_channels(conn, viewer.person_id)
    items = [
        ChannelOut(
            channel=one.alert_channel_id,
            kind=one.kind,  # type: ignore[arg-type]  # the table holds these kinds only
            address=one.address,
            confirmed_at=one.confirmed_at,
        )
        for one in found
    ]
    return Listed(items=items, next=None)


@router.post("/alerts/channels", status_code=201, responses=OF_BODIES)
def post_channel(body: ChannelIn, conn: Conn, context: Ctx, viewer: Signed) -> MadeOut:
    """Add a channel. Its secret is in this answer and nowhere else."""
    now, simulated = context.clock.now(), context.clock.is_simulated
    made = alert_acts.add_channel(conn, viewer, body.kind, body.address, now=now, simulated=simulated)
    stored = notices.list_channels(conn, viewer.person_id)
    confirmed = next(one.confirmed_at for one in stored if one.alert_channel_id == made.number)
    return MadeOut(
        channel=made.number,
        kind=made.kind,
        address=made.address,
        confirmed_at=confirmed,
        secret=made.secret,
        user=made.user,
    )


@router.post("/alerts/channels/confirmation", responses=OF_BODIES)
def post_confirmation(body: Confirmation, conn: Conn, context: Ctx, viewer: Signed) -> Done:
    """With the code that a test by mail carries."""
    alert_acts.confirm_channel(conn, viewer, body.channel, body.code, now=context.clock.now())
    return Done()


@router.post("/alerts/channels/test", status_code=202, responses=OF_BODIES)
def post_test(body: ChannelNumber, conn: Conn, context: Ctx, viewer: Signed) -> Done:
    """Send a test, at most one a minute."""
    now, simulated = context.clock.now(), context.clock.is_simulated
    alert_acts.send_test(conn, viewer, body.channel, now=now, simulated=simulated)
    return Done()


@router.post("/alerts/channels/removal", responses=OF_BODIES)
def post_channel_removal(body: ChannelNumber, conn: Conn, context: Ctx, viewer: Signed) -> Done:
    """Nothing is sent there any more."""
    alert_acts.remove_channel(conn, viewer, body.channel, now=context.clock.now())
    return Done()
