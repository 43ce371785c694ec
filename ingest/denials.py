"""Tells devices, on their own topic `rejected`, what the broker denied them."""

from __future__ import annotations

from typing import Final

from insitu.model import RejectReason
from insitu.wire import OBS, PREFIX, REJECTED, Refusal, Topic
from store.broker_events import Untold, take_untold
from store.database import Connection

_MOST_TOPICS: Final = 5


def denied_refusals(conn: Connection) -> list[tuple[str, bytes]]:
    """(topic, refusal) for denied messages that count as told from now on. The caller commits, then
    publishes: a lost refusal is covered by the device's page.
    """
    return [
        (str(Topic(one.trial, one.device, REJECTED)), _refusal(one).model_dump_json().encode())
        for one in take_untold(conn)
    ]


def _refusal(one: Untold) -> Refusal:
    own = f"{PREFIX}/{one.trial}/{one.device}"
    fixed = f" or on {', '.join(one.topics[:_MOST_TOPICS])}" if one.topics else ""
    return Refusal(
        reason=RejectReason.UNKNOWN_TOPIC,
        detail=f"The broker acknowledged and denied a message on {one.last_topic!r}, which is not stored: "
        f"this credential may publish below {own}{fixed} only. Publish to {own}/{OBS}, or have the lab "
        "enter a [[topic]].",
        time=one.last_at,
        more=one.events - 1,
    )
