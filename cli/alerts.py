"""`alerts`: what is wrong now and who hears of it; a test of the ways out; the newest notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from cli.actor import open_acting
from cli.options import JsonOption
from cli.outlets import outlets_of
from cli.output import say
from cli.reports import show_table
from cli.target import open_target
from insitu.errors import CorrectInput
from insitu.settings import load
from jobs.channels.channel import Letter
from jobs.channels.registry import CHANNELS
from store.alerts import list_open_alerts, list_readers
from store.audit import record
from trials.alerting.addresses import parse_mail, parse_webhook
from trials.alerting.words import write_text

if TYPE_CHECKING:
    from store.alerts import StoredAlert


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An open alert of a person."""

    alert_id: int
    person: str
    kind: str
    trial: str | None
    device: str | None
    site: str | None
    since: datetime
    acknowledged_at: datetime | None
    reminders: int


def alerts(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the open alerts of everybody: who hears of what, since when."""
    if context.invoked_subcommand is not None:
        return
    _, conn = open_target("insitu alerts")
    with conn:
        logins = {one.person_id: one.login for one in list_readers(conn)}
        found = [_row(one, logins) for one in list_open_alerts(conn) if one.person_id in logins]
    show_table(
        found,
        {
            "alert": lambda one: one.alert_id,
            "who": lambda one: one.person,
            "what": lambda one: one.kind,
            "about": lambda one: f"{one.trial}/{one.device}" if one.device else one.site or "",
            "since (UTC)": lambda one: one.since,
            "known since": lambda one: one.acknowledged_at,
        },
        empty="No alert is open. Each person chooses on the page /alerts what to hear about, and where.",
        as_json=as_json,
    )


def _row(one: StoredAlert, logins: dict[int, str]) -> AlertRow:
    return AlertRow(
        one.alert_id,
        logins[one.person_id],
        one.kind,
        one.trial,
        one.device,
        one.site,
        one.since,
        one.acknowledged_at,
        one.reminders,
    )


def test(
    kind: Annotated[str, typer.Argument(help="mail or webhook.")],
    address: Annotated[str, typer.Argument(help="An e-mail address, or an https address.")],
) -> None:
    """Send a test from here, at once: says what the mail server or the receiver answers."""
    check = {"mail": parse_mail, "webhook": parse_webhook}.get(kind)
    if check is None:
        raise CorrectInput("Write `insitu alerts test mail ADDRESS` or `insitu alerts test webhook ADDRESS`.")
    check(address)
    target, conn, actor = open_acting("insitu alerts test")
    with conn:
        now = target.clock.now()
        content = {"login": actor, "event": "test", "simulated": target.clock.is_simulated}
        settings = load()
        text = write_text(content, "test", settings.language, settings.time_zone)
        detail = {"kind": kind}
        record(conn, at=now, login=actor, action="test alerts", subject="installation", detail=detail)
        conn.commit()
        letter = Letter(uuid4(), address, bytes(32), "test", content, text, actor, now)
        answer = CHANNELS[kind](letter, outlets_of(settings))
    say(f"{address}: {answer}.")
