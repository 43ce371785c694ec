"""Channels of people, and the notices that go there. The caller owns the transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from store.database import Connection, row, rows, run, scalar
from store.queries import Queries

Event = Literal["open", "remind", "resolve", "test", "digest"]
Outcome = Literal["delivered", "given_up", "dropped"]


class _SQL(Queries, file="notices"):
    channels: str
    ever_mailed: str
    add_channel: str
    count_recent: str
    count_unasked: str
    confirm_channel: str
    remove_channel: str
    add_notice: str
    heard_of: str
    claim_notice: str
    receiver: str
    end_notice: str
    postpone_notice: str
    spare_channel: str
    last_notices: str


@dataclass(frozen=True, slots=True)
class Channel:
    """`confirmed_at` is None while only a test may be sent there."""

    alert_channel_id: int
    person_id: int
    kind: str
    address: str
    secret: bytes
    made_at: datetime
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """The channel of a notice and its person."""

    alert_channel_id: int
    kind: str
    address: str
    secret: bytes
    confirmed_at: datetime | None
    removed_at: datetime | None
    login: str
    language: str
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that the caller may send. `attempts` counts this one."""

    notice_id: int
    key: UUID
    alert_channel_id: int
    alert_id: int | None
    event: str
    content: dict[str, Any]
    made_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A notice as its person sees it."""

    notice_id: int
    kind: str
    event: str
    alert_id: int | None
    about: str
    made_at: datetime
    due_at: datetime
    attempts: int
    answer: str
    ended_at: datetime | None
    outcome: str | None
    alert_channel_id: int


def list_channels(conn: Connection, person_id: int | None = None) -> list[Channel]:
    """Those in use: of a person, or of everybody."""
    return rows(conn, Channel, _SQL.channels, person_id=person_id)


def ever_mailed(conn: Connection) -> set[int]:
    """People who have or had a channel by mail."""
    return {number for (number,) in conn.execute(_SQL.ever_mailed.encode())}


def add_channel(
    conn: Connection,
    person_id: int,
    kind: str,
    *,
    address: str,
    secret: bytes,
    at: datetime,
    is_confirmed: bool,
    hashes: tuple[str, str] | None = None,
) -> int:
    """Returns its number. `hashes`: of the password of a listener at the broker, for NATS and Mosquitto."""
    nats, mosquitto = hashes or (None, None)
    return int(
        scalar(
            conn,
            _SQL.add_channel,
            person_id=person_id,
            kind=kind,
            address=address,
            secret=secret,
            nats_hash=nats,
            mosquitto_hash=mosquitto,
            at=at,
            confirmed_at=at if is_confirmed else None,
        )
    )


def count_recent(conn: Connection, person_id: int, since: datetime, channel: int = 0) -> tuple[int, int]:
    """(channels that the person made since then, tests of one channel)."""
    parameters = {"person_id": person_id, "since": since, "channel": channel}
    ((made, tests),) = conn.execute(_SQL.count_recent.encode(), parameters).fetchall()
    return int(made), int(tests)


def count_unasked(conn: Connection, address: str, since: datetime) -> int:
    """Tests that people sent since then to a mail address that they had not confirmed."""
    return int(scalar(conn, _SQL.count_unasked, address=address, since=since))


def confirm_channel(conn: Connection, person_id: int, channel: int, at: datetime) -> bool:
    return run(conn, _SQL.confirm_channel, person_id=person_id, channel=channel, at=at) == 1


def remove_channel(conn: Connection, person_id: int, channel: int, at: datetime) -> bool:
    """False if the person has no such channel."""
    return run(conn, _SQL.remove_channel, person_id=person_id, channel=channel, at=at) == 1


def add_notice(
    conn: Connection,
    channel: int,
    event: Event,
    *,
    about: str,
    content: dict[str, Any],
    at: datetime,
    alert_id: int | None = None,
) -> bool:
    """False if the channel has a notice about this already."""
    return (
        run(
            conn,
            _SQL.add_notice,
            channel=channel,
            alert_id=alert_id,
            about=about,
            event=event,
            content=json.dumps(content),
            at=at,
        )
        == 1
    )


def heard_of(conn: Connection, alert_id: int) -> set[int]:
    """Channels that have a notice about an alert."""
    return {number for (number,) in conn.execute(_SQL.heard_of.encode(), {"alert_id": alert_id})}


def claim_notice(conn: Connection, *, now: datetime, until: datetime) -> Claimed | None:
    """One notice that is due; nobody else gets it before `until`. Commit before you send it."""
    return row(conn, Claimed, _SQL.claim_notice, now=now, until=until)


def get_receiver(conn: Connection, channel: int) -> Receiver:
    found = row(conn, Receiver, _SQL.receiver, channel=channel)
    assert found is not None  # a notice refers to its channel
    return found


def end_notice(conn: Connection, claimed: Claimed, outcome: Outcome, answer: str, at: datetime) -> bool:
    """False if the claim ran out and somebody else has it now."""
    changed = run(
        conn,
        _SQL.end_notice,
        notice_id=claimed.notice_id,
        attempts=claimed.attempts,
        outcome=outcome,
        answer=answer,
        at=at,
    )
    return changed == 1


def postpone_notice(conn: Connection, claimed: Claimed, answer: str, due_at: datetime) -> None:
    run(
        conn,
        _SQL.postpone_notice,
        notice_id=claimed.notice_id,
        attempts=claimed.attempts,
        due_at=due_at,
        answer=answer,
    )


def spare_channel(conn: Connection, channel: int, *, now: datetime, due_at: datetime) -> None:
    """Its receiver does not answer: the other notices wait until `due_at`."""
    run(conn, _SQL.spare_channel, channel=channel, now=now, due_at=due_at)


def list_notices(conn: Connection, person_id: int, most: int = 20) -> list[NoticeLine]:
    """Newest first."""
    return rows(conn, NoticeLine, _SQL.last_notices, person_id=person_id, most=most)
