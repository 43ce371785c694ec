"""Acts of people on their alerts: rules, channels, tests, acknowledgements. Pages and API ask here.

Each act is about the person's own alerts, and leaves a line in the audit log. The caller owns the
transaction.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from insitu.embedded.users import hash_token, mosquitto_hash
from insitu.errors import CorrectInput, NotFound
from insitu.wire import alert_topic
from store import alerts as store
from store import notices
from store.access import visible_trial
from store.audit import record
from store.database import Connection
from store.read.fleet import get_device, list_devices
from store.rights import Act
from store.viewers import Viewer
from trials.alerting.addresses import confirmation_code, parse_mail, parse_webhook, secret_text
from trials.alerting.kinds import KINDS, RULED, AlertKind
from trials.workflow.telling import content_of

ChannelKind = Literal["mail", "mqtt", "webhook"]
MOST_CHANNELS: Final = 10
MOST_A_DAY: Final = 20
MOST_TESTS_A_DAY: Final = {True: 50, False: 5}
"""Of a channel that is confirmed, and of one that is not: nobody's address is flooded from here."""
MANY_TESTS: Final = "There were many tests today: try again tomorrow."
LONGEST_REMINDER: Final = 720


@dataclass(frozen=True, slots=True)
class MadeChannel:
    """`secret` is shown this once: it signs webhooks, or is the password of a listener; empty for mail."""

    number: int
    kind: ChannelKind
    address: str
    secret: str = ""
    user: str = ""
    """Name with which the listener signs in at the broker."""


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert with the facts that its person may see."""

    alert: store.StoredAlert
    content: dict[str, object]


def list_alerts(
    conn: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    simulated: bool,
    past: bool = False,
    below: int | None = None,
    most: int = 50,
) -> list[ShownAlert]:
    """The person's open or past alerts, newest first, as far as the person may see what they are about."""
    found = (
        store.list_past_alerts(conn, viewer.person_id, below=below, most=most)
        if past
        else store.list_open_alerts(conn, viewer.person_id)[::-1]
    )
    devices = {one.device_id: one for one in list_devices(conn, viewer, now=now)} if found else {}
    shown = []
    for alert in found:
        kind = AlertKind(alert.kind)
        if KINDS[kind].audience == "figures" and not viewer.may(Act.READ_METRICS):
            continue
        if alert.device_id is not None and alert.device_id not in devices:
            continue
        if kind is AlertKind.DARK_SITE and not set(alert.detail["devices"]) <= set(devices):
            continue
        shown.append(ShownAlert(alert, content_of(alert, devices, simulated=simulated) | {"event": "open"}))
    return shown


def acknowledge(conn: Connection, viewer: Viewer, alert: int, *, now: datetime) -> None:
    """No reminder any more. Once more changes nothing. Raises NotFound for another's alert."""
    own = {one.alert_id for one in store.list_open_alerts(conn, viewer.person_id)}
    if alert not in own:
        raise NotFound(f"You have no open alert {alert}.")
    if store.acknowledge(conn, viewer.person_id, alert, now):
        record(conn, at=now, login=viewer.login, action="acknowledge alert", subject=str(alert))


def set_rule(
    conn: Connection,
    viewer: Viewer,
    kind: AlertKind,
    *,
    is_on: bool,
    remind_hours: int,
    scope: str = "",
    now: datetime,
) -> None:
    """`scope`: `trial:CODE`, `site:CODE`, `device:TRIAL/CODE`, or empty for everything that the person may
    see. Raises NotFound for a thing that the person may not see.
    """
    if kind not in RULED or not 0 <= remind_hours <= LONGEST_REMINDER:
        raise CorrectInput(f"Reminders come every 1 to {LONGEST_REMINDER} hours; 0 is never.")
    what, _, code = scope.partition(":")
    trial = site = None
    device_id = None
    if what == "trial":
        trial = visible_trial(conn, viewer, code).code
    elif what == "site":
        site = _site(conn, viewer, code, now)
    elif what == "device":
        own_trial, _, device = code.partition("/")
        device_id = get_device(conn, viewer, own_trial, device, now=now).device_id
    elif scope:
        raise CorrectInput("Write trial:CODE, site:CODE or device:TRIAL/CODE.")
    if scope and KINDS[kind].audience != "health":
        raise CorrectInput("Such a rule is about the whole installation, not about a trial, site or device.")
    store.set_rule(
        conn,
        viewer.person_id,
        str(kind),
        is_on=is_on,
        remind_hours=remind_hours,
        trial=trial,
        site=site,
        device_id=device_id,
    )
    detail = {"kind": str(kind), "on": is_on, "remind_hours": remind_hours, "scope": scope}
    record(conn, at=now, login=viewer.login, action="set alert rule", subject=viewer.login, detail=detail)


def _site(conn: Connection, viewer: Viewer, code: str, now: datetime) -> str:
    if not any(one.site == code for one in list_devices(conn, viewer, now=now)):
        raise NotFound(f"There is no site {code!r}, or you see no device there.")
    return code


def drop_rule(conn: Connection, viewer: Viewer, rule: int, *, now: datetime) -> None:
    """The default holds again. Raises NotFound for another's rule."""
    if not store.drop_rule(conn, viewer.person_id, rule):
        raise NotFound(f"You have no rule {rule}.")
    detail = {"rule": rule}
    record(conn, at=now, login=viewer.login, action="remove alert rule", subject=viewer.login, detail=detail)


def add_channel(
    conn: Connection,
    viewer: Viewer,
    kind: ChannelKind,
    address: str,
    *,
    now: datetime,
    simulated: bool,
) -> MadeChannel:
    """A channel of the person. Mail to another address than the login needs the code of a test that goes
    there at once. `address` does not count for MQTT.
    """
    own = notices.list_channels(conn, viewer.person_id)
    made_today, _ = notices.count_recent(conn, viewer.person_id, now - timedelta(days=1))
    if len(own) >= MOST_CHANNELS or made_today >= MOST_A_DAY:
        raise CorrectInput(f"A person has at most {MOST_CHANNELS} channels: remove one first.")
    address, secret, token = address.strip(), secrets.token_bytes(32), secrets.token_urlsafe(32)
    hashes, is_confirmed = None, True
    if kind == "webhook":
        parse_webhook(address)
    elif kind == "mail":
        is_confirmed = parse_mail(address).lower() == viewer.login.lower()
    else:
        organisation = store.organisation_code(conn, viewer.person_id)
        address = alert_topic(organisation, secrets.token_hex(8))
        hashes = (hash_token(token), mosquitto_hash(token))
    if not is_confirmed:
        _require_unasked(conn, address, now)
    if kind != "mqtt" and any((one.kind, one.address) == (kind, address) for one in own):
        raise CorrectInput("You have that channel already.")
    number = notices.add_channel(
        conn,
        viewer.person_id,
        kind,
        address=address,
        secret=secret,
        at=now,
        is_confirmed=is_confirmed,
        hashes=hashes,
    )
    detail = {"kind": kind, "channel": number}
    record(conn, at=now, login=viewer.login, action="add alert channel", subject=viewer.login, detail=detail)
    if not is_confirmed:
        _queue_test(conn, viewer, notices.list_channels(conn, viewer.person_id)[-1], now, simulated)
    if kind == "mqtt":
        return MadeChannel(number, kind, address, token, f"alerts.{number}")
    return MadeChannel(number, kind, address, secret_text(secret) if kind == "webhook" else "")


def confirm_channel(conn: Connection, viewer: Viewer, channel: int, code: str, *, now: datetime) -> None:
    """With the code of the test. Raises CorrectInput for a wrong one."""
    own = _own(conn, viewer, channel)
    expected = confirmation_code(bytes(own.secret))
    if not hmac.compare_digest(code.strip().lower().encode(), expected.encode()):
        raise CorrectInput("That is not the code of the test: copy it from the newest mail.")
    if notices.confirm_channel(conn, viewer.person_id, channel, now):
        detail = {"channel": channel}
        record(
            conn,
            at=now,
            login=viewer.login,
            action="confirm alert channel",
            subject=viewer.login,
            detail=detail,
        )


def remove_channel(conn: Connection, viewer: Viewer, channel: int, *, now: datetime) -> None:
    """Nothing is sent there any more, also nothing that waits. Raises NotFound for another's channel."""
    _own(conn, viewer, channel)
    notices.remove_channel(conn, viewer.person_id, channel, now)
    detail = {"channel": channel}
    record(
        conn, at=now, login=viewer.login, action="remove alert channel", subject=viewer.login, detail=detail
    )


def send_test(conn: Connection, viewer: Viewer, channel: int, *, now: datetime, simulated: bool) -> None:
    """Send a test there, at most one a minute. Raises CorrectInput if there were too many."""
    own = _own(conn, viewer, channel)
    _, tests = notices.count_recent(conn, viewer.person_id, now - timedelta(days=1), channel)
    if tests >= MOST_TESTS_A_DAY[own.confirmed_at is not None]:
        raise CorrectInput(MANY_TESTS)
    if own.kind == "mail" and own.confirmed_at is None:
        _require_unasked(conn, own.address, now)
    if not _queue_test(conn, viewer, own, now, simulated):
        raise CorrectInput("A test is on its way: the next one may follow in a minute.")
    detail = {"channel": channel}
    record(conn, at=now, login=viewer.login, action="test alert channel", subject=viewer.login, detail=detail)


def _require_unasked(conn: Connection, address: str, now: datetime) -> None:
    """Raises CorrectInput if an address that nobody has confirmed got its tests of a day: from all people
    together, and also if channels are removed and made again.
    """
    if notices.count_unasked(conn, address, now - timedelta(days=1)) >= MOST_TESTS_A_DAY[False]:
        raise CorrectInput(MANY_TESTS)


def _own(conn: Connection, viewer: Viewer, channel: int) -> notices.Channel:
    own = notices.list_channels(conn, viewer.person_id)
    found = next((one for one in own if one.alert_channel_id == channel), None)
    if found is None:
        raise NotFound(f"You have no channel {channel}.")
    return found


def _queue_test(
    conn: Connection, viewer: Viewer, channel: notices.Channel, now: datetime, simulated: bool
) -> bool:
    code = "" if channel.confirmed_at is not None else confirmation_code(bytes(channel.secret))
    content = {"login": viewer.login, "simulated": simulated, "event": "test", "code": code}
    return notices.add_notice(
        conn,
        channel.alert_channel_id,
        "test",
        about=f"test {now:%Y-%m-%dT%H:%M}",
        content=content,
        at=now,
    )
