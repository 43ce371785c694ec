"""Fixed topics: where a device publishes whose program knows nothing of our names. The caller owns the
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from store.database import Connection, row, rows, run
from store.queries import Queries


class _SQL(Queries, file="catalogue/topics"):
    add_topic: str
    change_topic: str
    withdraw_topic: str
    move_topics: str
    topics: str


@dataclass(frozen=True, slots=True)
class FixedTopic:
    """Read as if published to `suffix`, as the plain value of `field`, or, without both, ignored. `heard`: a
    session hears it, so the broker lets the device publish there.
    """

    topic: str
    trial: str
    device: str
    suffix: str | None
    field: str | None
    heard: bool
    created_at: datetime


def add_topic(
    conn: Connection, *, topic: str, device_id: int, suffix: str | None, field: str | None, now: datetime
) -> None:
    """Raises AlreadyExists if the topic is taken."""
    run(conn, _SQL.add_topic, topic=topic, device_id=device_id, suffix=suffix, field=field, now=now)


def change_topic(conn: Connection, topic: str, *, suffix: str | None, field: str | None) -> None:
    run(conn, _SQL.change_topic, topic=topic, suffix=suffix, field=field)


def withdraw_topic(conn: Connection, topic: str) -> bool:
    """False if there is no such topic."""
    return run(conn, _SQL.withdraw_topic, topic=topic) == 1


def move_topics(conn: Connection, old_device_id: int, new_device_id: int) -> list[str]:
    """Give the topics of one device to another; returns them in order."""
    parameters = {"old_device_id": old_device_id, "new_device_id": new_device_id}
    return sorted(topic for (topic,) in conn.execute(_SQL.move_topics.encode(), parameters))


def find_topic(conn: Connection, topic: str) -> FixedTopic | None:
    return row(conn, FixedTopic, _SQL.topics, topic=topic, trial=None)


def list_topics(conn: Connection, trial: str | None = None) -> list[FixedTopic]:
    return rows(conn, FixedTopic, _SQL.topics, topic=None, trial=trial)
