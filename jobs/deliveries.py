"""Delivers notices, in threads of their own, so that a slow receiver delays no other job.

1. Claim the notice that has been due for longest: one statement, which gives it to one of us for CLAIM.
2. Commit. From here on nobody else sends it, until the claim ends.
3. Look again whether its person may hear it: rights may have changed since it was made.
4. Send it.
5. Record the answer; after a failure, when to try again. Commit.

A crash between 4 and 5 leaves a claim that ends by itself; the notice is then sent again with the same key:
the header `Idempotency-Key` of a webhook, the `Message-ID` of a mail, `key` in MQTT. So each notice is
delivered at least once, and no two workers send it at the same time: CLAIM is longer than any delivery may
take.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from insitu.clock import Clock
from insitu.errors import InsituError, NotFound
from jobs.channels.channel import Letter, NotDelivered, Outlets
from jobs.channels.registry import CHANNELS
from store import notices
from store.access import viewer_of
from store.database import Connection, connect
from store.read.fleet import list_devices
from store.rights import Act
from store.viewers import Viewer
from trials.alerting.kinds import KINDS, AlertKind
from trials.alerting.words import plain, write_text

log = logging.getLogger("insitu.alerts")

CLAIM: Final = timedelta(minutes=5)
GIVE_UP_AFTER: Final = timedelta(days=1)
PAUSES: Final = tuple(timedelta(minutes=number) for number in (1, 2, 5, 10, 20, 30, 60))
"""After the first failure, the second, …; the last one from then on."""
SPARE: Final = timedelta(minutes=1)
PAUSE_S: Final = 3.0
WORKERS: Final = 2
Send = Callable[[Letter, Outlets], str]


def deliver_due(
    conn: Connection,
    now: Callable[[], datetime],
    outlets: Outlets,
    stop: threading.Event,
    *,
    channels: Mapping[str, Send] = CHANNELS,
) -> int:
    """Send every notice that is due; returns how many attempts. Commits around each."""
    tried = 0
    while not stop.is_set():
        at = now()
        claimed = notices.claim_notice(conn, now=at, until=at + CLAIM)
        conn.commit()
        if claimed is None:
            break
        tried += 1
        _deliver(conn, claimed, now, outlets, channels)
    return tried


def _deliver(
    conn: Connection,
    claimed: notices.Claimed,
    now: Callable[[], datetime],
    outlets: Outlets,
    channels: Mapping[str, Send],
) -> None:
    receiver = notices.get_receiver(conn, claimed.alert_channel_id)
    why_not = _why_not(conn, receiver, claimed, now())
    conn.commit()
    if why_not:
        notices.end_notice(conn, claimed, "dropped", why_not, now())
        conn.commit()
        return
    letter = Letter(
        claimed.key,
        receiver.address,
        bytes(receiver.secret),
        claimed.event,
        claimed.content,
        write_text(claimed.content, claimed.event, receiver.language, outlets.time_zone),
        receiver.login,
        claimed.made_at,
    )
    try:
        answer = channels[receiver.kind](letter, outlets)
    except NotDelivered as error:
        _postpone(conn, claimed, plain(str(error), 300), now())
    else:
        notices.end_notice(conn, claimed, "delivered", plain(answer, 300), now())
    conn.commit()


def _why_not(conn: Connection, receiver: notices.Receiver, claimed: notices.Claimed, now: datetime) -> str:
    """Why the person must not, or need not, get it; empty if it may be sent."""
    if receiver.removed_at is not None:
        return "The channel was removed."
    if receiver.disabled_at is not None:
        return "The person can no longer sign in."
    if receiver.confirmed_at is None and claimed.event != "test":
        return "The channel is not confirmed."
    try:
        viewer = viewer_of(conn, receiver.login)
    except NotFound:
        return "The person can no longer sign in."
    return "" if _may_hear(conn, viewer, claimed, now) else "The person may not see this any more."


def _may_hear(conn: Connection, viewer: Viewer, claimed: notices.Claimed, now: datetime) -> bool:
    """True if everything that the notice names is still visible to the person."""
    content = claimed.content
    if claimed.alert_id is None:
        return True
    if KINDS[AlertKind(content["kind"])].audience == "service":
        return True
    if KINDS[AlertKind(content["kind"])].audience == "figures":
        return viewer.may(Act.READ_METRICS)
    visible = {f"{one.trial}/{one.device}" for one in list_devices(conn, viewer, now=now)}
    named = set(content.get("names") or ()) | set(content.get("still") or ())
    if content.get("device"):
        named.add(f"{content['trial']}/{content['device']}")
    return bool(named) and named <= visible


def _postpone(conn: Connection, claimed: notices.Claimed, answer: str, now: datetime) -> None:
    if now - claimed.made_at >= GIVE_UP_AFTER:
        notices.end_notice(conn, claimed, "given_up", answer, now)
        log.error("Notice %d was not delivered within a day and is given up: %s", claimed.notice_id, answer)
        return
    pause = PAUSES[min(claimed.attempts, len(PAUSES)) - 1]
    notices.postpone_notice(conn, claimed, answer, now + pause)
    notices.spare_channel(conn, claimed.alert_channel_id, now=now, due_at=now + SPARE)
    log.warning("Notice %d was not delivered: %s It is tried again in %s.", claimed.notice_id, answer, pause)


def run_deliveries(database_url: str, clock: Clock, outlets: Outlets, stop: threading.Event) -> None:
    """Deliver until `stop`. Waits for a database that is away."""
    while not stop.is_set():
        try:
            with connect(database_url, application="insitu work") as conn:
                while not stop.is_set():
                    if not clock.runs_fast:
                        deliver_due(conn, clock.now, outlets, stop)
                    stop.wait(PAUSE_S)
        except InsituError as error:
            log.warning("%s Notices wait.", error)
        except Exception as error:
            log.error("A delivery failed: a defect of Insitu, please report it.", exc_info=error)
        stop.wait(PAUSE_S)


def start_deliveries(
    database_url: str, clock: Clock, outlets: Outlets, stop: threading.Event
) -> Sequence[threading.Thread]:
    """Start the threads, which end at `stop`."""
    threads = [
        threading.Thread(
            target=run_deliveries, args=(database_url, clock, outlets, stop), name=f"notices-{n}", daemon=True
        )
        for n in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    return threads
