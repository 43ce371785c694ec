"""Messages that the broker denied, connections that another client ended, and clients with another's id,
counted from the broker's log. Wall clock. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from insitu.embedded.log_position import Position
from store.database import Connection, row, rows, run
from store.ledger import clean
from store.queries import Queries


class _SQL(Queries, file="broker_events"):
    count_events: str
    hold_log: str
    begin_log: str
    move_log: str
    logs: str
    event_sums: str
    device_events: str
    take_untold: str
    drop_old_events: str


KEPT: Final = timedelta(days=90)
SHOWN: Final = timedelta(days=1)
"""Pages and `check` show the events of the last day."""
TOPIC_LETTERS: Final = 300


class EventKind(StrEnum):
    PUBLISH_DENIED = "publish_denied"
    TAKEN_OVER = "taken_over"
    ID_REFUSED = "id_refused"


@dataclass(frozen=True, slots=True)
class BrokerEvents:
    """Events of one kind and credential. `last`: the topic, or the client id."""

    username: str
    kind: EventKind
    at: datetime
    events: int
    last: str
    by_other: bool = False
    """Of a connection taken over: by a client with another credential."""


@dataclass(frozen=True, slots=True)
class EventSum:
    """`trial` and `device` are None for a network server, and where the log does not name the credential."""

    username: str
    trial: str | None
    device: str | None
    kind: str
    events: int
    first_at: datetime
    last_at: datetime
    last_topic: str
    by_other: bool
    most_an_hour: int

    @property
    def is_conflict(self) -> bool:
        """True if two clients fight for one id. A device that connects again after its link broke ends its
        own old connection now and then.
        """
        return self.kind == EventKind.TAKEN_OVER and (self.by_other or self.most_an_hour >= 3)

    @property
    def is_refused_id(self) -> bool:
        """True if the broker did not let a client in because of its client id."""
        return self.kind == EventKind.ID_REFUSED

    @property
    def is_denial(self) -> bool:
        return self.kind == EventKind.PUBLISH_DENIED


@dataclass(frozen=True, slots=True)
class Untold:
    """Denied messages that the device has not been told."""

    trial: str
    device: str
    events: int
    last_at: datetime
    last_topic: str
    topics: list[str]
    """Fixed topics that the device has."""


@dataclass(frozen=True, slots=True)
class LogState:
    path: str
    age_s: float
    """Since it was last read."""
    missed: bool


@dataclass(frozen=True, slots=True)
class _Held:
    inode: int
    offset_bytes: int


def count_events(conn: Connection, events: Sequence[BrokerEvents]) -> None:
    if events:
        run(
            conn,
            _SQL.count_events,
            usernames=[clean(one.username) for one in events],
            kinds=[str(one.kind) for one in events],
            at=[one.at for one in events],
            events=[one.events for one in events],
            last=[clean(one.last[:TOPIC_LETTERS]) for one in events],
            by_other=[one.by_other for one in events],
        )


def hold_log(conn: Connection, path: str) -> Position:
    """How far the log was read; locked until the transaction ends, so that each line counts once."""
    run(conn, _SQL.begin_log, path=path)
    found = row(conn, _Held, _SQL.hold_log, path=path)
    return Position(found.inode, found.offset_bytes) if found else Position()


def move_log(conn: Connection, path: str, position: Position, *, missed: bool) -> None:
    run(conn, _SQL.move_log, path=path, inode=position.inode, offset=position.offset, missed=missed)


def list_logs(conn: Connection) -> list[LogState]:
    return rows(conn, LogState, _SQL.logs)


def list_events(
    conn: Connection,
    *,
    trials: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    within: timedelta = SHOWN,
) -> list[EventSum]:
    """By credential and kind, most events first. `devices`: TRIAL/DEVICE; None: all, also those of nobody."""
    return rows(
        conn,
        EventSum,
        _SQL.event_sums,
        trials=None if trials is None else list(trials),
        devices=None if devices is None else list(devices),
        within=within,
    )


def list_device_events(
    conn: Connection, usernames: Sequence[str], within: timedelta = SHOWN
) -> list[EventSum]:
    """By kind; those of all credentials of a device together."""
    return rows(conn, EventSum, _SQL.device_events, usernames=list(usernames), within=within)


def take_untold(conn: Connection) -> list[Untold]:
    """Denied messages that their devices should be told now; they count as told. Each device hears of them
    at most ten times a minute.
    """
    return rows(conn, Untold, _SQL.take_untold)


def drop_old_events(conn: Connection) -> None:
    run(conn, _SQL.drop_old_events, age=KEPT)
