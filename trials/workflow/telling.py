"""Turns the troubles of a look into alerts of people, and these into notices for their channels.

Everybody hears of what this person may see, and of nothing else. The caller owns the transaction: alerts and
notices of one look are there together, or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from insitu.model import DeviceState
from store import alerts as store
from store import notices
from store.access import fact, put_fact
from store.database import Connection
from store.read.fleet import FleetRow, list_devices
from store.rights import Act
from store.viewers import Viewer
from trials.alerting.choices import Choices, Place, Rule
from trials.alerting.course import Trouble
from trials.alerting.kinds import AlertKind
from trials.alerting.telling import Alert, Join, Open, Person, Remind, Resolve, Step, plan_steps
from trials.workflow.watching import Look

DIGEST_WEEKDAY: Final = 0
DIGEST_HOUR: Final = 8
"""Monday morning, local time of the installation."""
_DIGEST_FACT: Final = "alerts_digest"


@dataclass(frozen=True, slots=True)
class Told:
    """Counts of what one look made."""

    alerts: int
    notices: int


@dataclass(frozen=True, slots=True)
class Listener:
    """A person with what it chose, what it may see, and where it hears."""

    viewer: Viewer
    choices: Choices
    devices: Mapping[int, FleetRow]
    channels: Sequence[notices.Channel]

    @property
    def places(self) -> dict[int, Place]:
        return {number: Place(number, one.trial_id, one.site) for number, one in self.devices.items()}


def rule_of(row: store.StoredRule) -> Rule:
    """A stored rule as the planning needs it."""
    return Rule(AlertKind(row.kind), row.is_on, row.remind_hours, row.trial_id, row.site, row.device_id)


def choices_of(viewer: Viewer, rules: Iterable[store.StoredRule]) -> Choices:
    """Those of one person, from the rules of everybody."""
    own = tuple(rule_of(row) for row in rules if row.person_id == viewer.person_id)
    return Choices(viewer.role, own)


def tell(conn: Connection, look: Look, *, simulated: bool, mails: bool) -> Told:
    """Plan and save the steps of everybody. `mails`: the installation can send mail, so whose login is an
    address hears there without doing anything.
    """
    rules, open_alerts = store.list_rules(conn), store.list_open_alerts(conn)
    channels = notices.list_channels(conn)
    mailed = notices.ever_mailed(conn) if mails else set()
    opened = [one for one in look.troubles if one.opened_at is not None]
    members = store.list_members(conn, [one.number for one in opened])
    made = Told(0, 0)
    for viewer in store.list_readers(conn):
        choices = choices_of(viewer, rules)
        own = [alert for alert in open_alerts if alert.person_id == viewer.person_id]
        if choices.is_silent and not own:
            continue
        if mails and viewer.person_id not in mailed and "@" in viewer.login:
            channels = [*channels, _mail_channel(conn, viewer, look.now)]
        in_alert = {one.trouble_id: one.alert_id for one in members if one.person_id == viewer.person_id}
        if not own and not any(_is_news(one, in_alert) and choices.may_want(one.kind) for one in opened):
            continue
        listener = _listener(conn, viewer, choices, channels, look.now)
        person = Person(
            choices,
            listener.places,
            viewer.may(Act.READ_METRICS),
            [_alert(alert) for alert in own],
            in_alert,
        )
        steps = plan_steps(person, opened, look.situations, look.now)
        made = _save_steps(conn, listener, steps, {a.alert_id: a for a in own}, look.now, simulated, made)
    return made


def _is_news(one: Trouble, in_alert: Mapping[int, int]) -> bool:
    return not one.is_quiet and one.number not in in_alert


def _listener(
    conn: Connection,
    viewer: Viewer,
    choices: Choices,
    channels: Sequence[notices.Channel],
    now: datetime,
) -> Listener:
    devices = {one.device_id: one for one in list_devices(conn, viewer, now=now)}
    own = [one for one in channels if one.person_id == viewer.person_id and one.confirmed_at is not None]
    return Listener(viewer, choices, devices, own)


def _mail_channel(conn: Connection, viewer: Viewer, now: datetime) -> notices.Channel:
    secret = secrets.token_bytes(32)
    number = notices.add_channel(
        conn, viewer.person_id, "mail", address=viewer.login, secret=secret, at=now, is_confirmed=True
    )
    return notices.Channel(number, viewer.person_id, "mail", viewer.login, secret, now, now)


def _alert(row: store.StoredAlert) -> Alert:
    return Alert(
        row.alert_id,
        AlertKind(row.kind),
        row.site,
        row.opened_at,
        row.reminded_at,
        row.acknowledged_at is not None,
        row.detail,
    )


def _save_steps(
    conn: Connection,
    listener: Listener,
    steps: Sequence[Step],
    known: Mapping[int, store.StoredAlert],
    now: datetime,
    simulated: bool,
    made: Told,
) -> Told:
    alerts, sent = made.alerts, made.notices
    for step in steps:
        match step:
            case Open():
                number = _open(conn, listener, step, now)
                alerts += 1
                if step.is_told:
                    content = _content_of_open(listener, step, simulated)
                    sent += _notify(conn, listener, number, "open", content, now)
            case Join(number, troubles):
                store.join_alert(conn, listener.viewer.person_id, number, [one.number for one in troubles])
            case Remind(number):
                reminder = store.note_reminder(conn, number, now)
                content = content_of(known[number], listener.devices, simulated=simulated)
                sent += _notify(conn, listener, number, "remind", content, now, reminder)
            case Resolve(number, detail, is_told):
                store.resolve_alert(conn, number, detail, now)
                if is_told:
                    content = content_of(known[number], listener.devices, simulated=simulated)
                    content |= {"resolved_at": now.isoformat()}
                    content |= {"still": _names(listener.devices, detail.get("still", ()))}
                    sent += _notify(conn, listener, number, "resolve", content, now)
    return Told(alerts, sent)


def _open(conn: Connection, listener: Listener, step: Open, now: datetime) -> int:
    return store.add_alert(
        conn,
        listener.viewer.person_id,
        str(step.kind),
        trial_id=step.place.trial_id if step.place else None,
        device_id=step.place.device_id if step.place else None,
        site=step.site,
        since=step.since,
        at=now,
        resolved_at=step.over_at and now,
        detail=step.detail,
        troubles=[one.number for one in step.troubles],
    )


def _content_of_open(listener: Listener, step: Open, simulated: bool) -> dict[str, Any]:
    row = listener.devices.get(step.place.device_id) if step.place else None
    at_site = next((one for one in listener.devices.values() if step.site and one.site == step.site), None)
    content = _content(
        step.kind, step.since, step.detail, row, at_site.site_name if at_site else None, listener.devices
    )
    if step.over_at is not None:
        content |= {"ended_at": step.over_at.isoformat()}
    return content | {"simulated": simulated}


def content_of(
    alert: store.StoredAlert, devices: Mapping[int, FleetRow], *, simulated: bool
) -> dict[str, Any]:
    """The plain facts of an alert, for words and programs; only of devices in `devices`."""
    row = devices.get(alert.device_id) if alert.device_id else None
    kind = AlertKind(alert.kind)
    content = _content(kind, alert.since, alert.detail, row, alert.site_name, devices)
    if alert.detail.get("ended_at"):
        content |= {"ended_at": alert.detail["ended_at"]}
    return content | {"simulated": simulated}


def _content(
    kind: AlertKind,
    since: datetime,
    detail: Mapping[str, Any],
    row: FleetRow | None,
    site_name: str | None,
    devices: Mapping[int, FleetRow],
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "kind": str(kind),
        "since": since.isoformat(),
        "detail": {name: value for name, value in detail.items() if name not in ("devices", "still")},
        "site_name": row.site_name if row else site_name,
        "path": f"/trials/{row.trial}/devices/{row.device}" if row else "/alerts",
    }
    if row is not None:
        content |= {"trial": row.trial, "trial_title": row.trial_title, "device": row.device}
    if "devices" in detail:
        content |= {"names": _names(devices, detail["devices"]), "path": "/fleet"}
    return content


def _names(devices: Mapping[int, FleetRow], numbers: Iterable[int]) -> list[str]:
    return sorted(f"{devices[one].trial}/{devices[one].device}" for one in numbers if one in devices)


def _notify(
    conn: Connection,
    listener: Listener,
    alert: int,
    event: notices.Event,
    content: dict[str, Any],
    now: datetime,
    number: int = 0,
) -> int:
    """The end of an alert goes to those channels that heard of it; if none did, it was in another notice."""
    about = f"{alert} {event}" + (f" {number}" if number else "")
    heard = notices.heard_of(conn, alert) if event == "resolve" else set()
    return sum(
        notices.add_notice(
            conn,
            channel.alert_channel_id,
            event,
            about=about,
            content=content | {"event": event, "alert": alert},
            at=now,
            alert_id=alert,
        )
        for channel in listener.channels
        if not heard or channel.alert_channel_id in heard
    )


def tell_weekly(conn: Connection, look: Look, zone: ZoneInfo, *, simulated: bool) -> int:
    """A summary for everybody who wants it, on Monday morning; returns how many notices."""
    local = look.now.astimezone(zone)
    week = "{}-W{:02}".format(*local.isocalendar()[:2])
    if (local.weekday(), local.hour) < (DIGEST_WEEKDAY, DIGEST_HOUR) or fact(conn, _DIGEST_FACT) == week:
        return 0
    began = fact(conn, _DIGEST_FACT) is not None
    put_fact(conn, _DIGEST_FACT, week)
    if not began:  # a new installation has no week behind it
        return 0
    rules, channels = store.list_rules(conn), notices.list_channels(conn)
    made = 0
    for viewer in store.list_readers(conn):
        choices = choices_of(viewer, rules)
        if not choices.wants(AlertKind.DIGEST, None):
            continue
        listener = _listener(conn, viewer, choices, channels, look.now)
        if listener.channels and (content := _digest(conn, listener, look)) is not None:
            content |= {"simulated": simulated, "event": "digest"}
            for channel in listener.channels:
                made += notices.add_notice(
                    conn,
                    channel.alert_channel_id,
                    "digest",
                    about=f"digest {week}",
                    content=content,
                    at=look.now,
                )
    return made


def _digest(conn: Connection, listener: Listener, look: Look) -> dict[str, Any] | None:
    """Counts by state, of alerts, and the mean share of planned results; None without a device."""
    conditions = [look.judged[n].condition for n in listener.devices if n in look.judged]
    states = [one.state for one in conditions]
    if not states:
        return None
    person = listener.viewer.person_id
    opened, resolved = store.count_alerts(conn, person, look.now - timedelta(days=7))
    shares = [one.share for one in conditions if one.share is not None]
    return {
        "devices": len(states),
        "online": states.count(DeviceState.ONLINE),
        "silent": states.count(DeviceState.SILENT) + states.count(DeviceState.LATE),
        "degraded": states.count(DeviceState.DEGRADED),
        "opened": opened,
        "resolved": resolved,
        "open": len(store.list_open_alerts(conn, person)),
        "share": sum(shares) / len(shares) if shares else None,
    }
