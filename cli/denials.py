"""The question of `insitu check` about messages that the broker denied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.policy import CannotAsk, LookAt
from insitu.errors import InsituError
from store.broker_events import EventSum, list_events, list_logs

if TYPE_CHECKING:
    from store.database import Connection

FRESH_S: Final = 60.0
_MOST: Final = 5


def describe_denials(conn: Connection) -> str:
    """Say what the broker denied in the last day, and which devices lose their connections to another client.
    Raises LookAt if there is anything, CannotAsk if nobody reads the broker's log, InsituError if its reader
    has stopped.
    """
    logs = list_logs(conn)
    if not logs:
        raise CannotAsk(
            "no ingestor reads the broker's log, so messages that its rules deny are acknowledged and "
            "nobody sees them: set INSITU_MQTT_LOG for `insitu ingest` (docs/operations.md)."
        )
    newest = logs[0]
    if newest.age_s > FRESH_S:
        raise InsituError(
            f"the broker's log {newest.path} was last read {newest.age_s:.0f} s ago: what it denied since "
            "then is not counted yet. Look at the log of `insitu ingest`."
        )
    events = list_events(conn)
    parts = [_denied([one for one in events if one.is_denial])]
    conflicts = [one for one in events if one.is_conflict]
    if conflicts:
        parts.append("another client uses the client id of " + "; ".join(map(_conflict, conflicts[:_MOST])))
    refused = [one for one in events if one.is_refused_id]
    if refused:
        parts.append(
            "the broker did not let in clients with a client id that is not theirs (give each device an id "
            "of its own): "
            + "; ".join(f"{_who(one)} {one.events} times as {one.last_topic!r}" for one in refused[:_MOST])
        )
    if newest.missed:
        parts.append("some lines of its log were overwritten before they were read")
    if conflicts or refused or any(one.is_denial for one in events):
        raise LookAt("; ".join(parts) + ". The page of each device says where it may publish.")
    return "; ".join(parts)


def _denied(events: list[EventSum]) -> str:
    if not events:
        return "in the last 24 hours the broker denied nothing that it acknowledged"
    total = sum(one.events for one in events)
    shown = "; ".join(f"{_who(one)} {one.events}, last on {one.last_topic!r}" for one in events[:_MOST])
    return f"in the last 24 hours the broker denied {total} message{'s' if total != 1 else ''}: {shown}"


def _conflict(one: EventSum) -> str:
    return f"{_who(one)} ({one.last_topic!r}, {one.events} connections ended)"


def _who(one: EventSum) -> str:
    return f"{one.trial}/{one.device}" if one.device else one.username or "an unknown sender"
