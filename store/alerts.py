"""Alerts of people and the rules by which they get them. The caller owns the transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.database import Connection, rows, run, scalar
from store.queries import Queries
from store.viewers import Viewer


class _SQL(Queries, file="alerts"):
    readers: str
    organisation_code: str
    rules: str
    set_rule: str
    drop_rule: str
    open_alerts: str
    past_alerts: str
    members: str
    add_alert: str
    put_trouble: str
    resolve_alert: str
    note_reminder: str
    acknowledge: str
    count_alerts: str


@dataclass(frozen=True, slots=True)
class StoredRule:
    """Of one trial, site or device, or without any of them of everything that the person may see."""

    alert_rule_id: int
    person_id: int
    kind: str
    trial_id: int | None
    trial: str | None
    site_id: int | None
    site: str | None
    site_name: str | None
    device_id: int | None
    device: str | None
    device_trial: str | None
    is_on: bool
    remind_hours: int


@dataclass(frozen=True, slots=True)
class StoredAlert:
    alert_id: int
    person_id: int
    kind: str
    trial_id: int | None
    trial: str | None
    device_id: int | None
    device: str | None
    site_id: int | None
    site: str | None
    site_name: str | None
    since: datetime
    opened_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    reminded_at: datetime | None
    reminders: int
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """A trouble that is in an alert of a person."""

    person_id: int
    trouble_id: int
    alert_id: int


def list_readers(conn: Connection) -> list[Viewer]:
    """Everybody who can sign in."""
    return rows(conn, Viewer, _SQL.readers)


def organisation_code(conn: Connection, person_id: int) -> str:
    return str(scalar(conn, _SQL.organisation_code, person_id=person_id))


def list_rules(conn: Connection, person_id: int | None = None) -> list[StoredRule]:
    """Those of a person, or of everybody."""
    return rows(conn, StoredRule, _SQL.rules, person_id=person_id)


def set_rule(
    conn: Connection,
    person_id: int,
    kind: str,
    *,
    is_on: bool,
    remind_hours: int,
    trial: str | None = None,
    site: str | None = None,
    device_id: int | None = None,
) -> None:
    """Check before that the person may see the trial, site or device."""
    run(
        conn,
        _SQL.set_rule,
        person_id=person_id,
        kind=kind,
        trial=trial,
        site=site,
        device_id=device_id,
        is_on=is_on,
        remind_hours=remind_hours,
    )


def drop_rule(conn: Connection, person_id: int, rule: int) -> bool:
    """False if the person has no such rule."""
    return run(conn, _SQL.drop_rule, person_id=person_id, rule=rule) == 1


def list_open_alerts(conn: Connection, person_id: int | None = None) -> list[StoredAlert]:
    return rows(conn, StoredAlert, _SQL.open_alerts, person_id=person_id)


def list_past_alerts(
    conn: Connection, person_id: int, *, below: int | None = None, most: int = 50
) -> list[StoredAlert]:
    """Newest first."""
    return rows(conn, StoredAlert, _SQL.past_alerts, person_id=person_id, below=below, most=most)


def list_members(conn: Connection, troubles: Sequence[int]) -> list[Member]:
    """In which alerts these troubles are."""
    return rows(conn, Member, _SQL.members, troubles=list(troubles))


def add_alert(
    conn: Connection,
    person_id: int,
    kind: str,
    *,
    trial_id: int | None,
    device_id: int | None,
    site: str | None,
    since: datetime,
    at: datetime,
    resolved_at: datetime | None,
    detail: dict[str, Any],
    troubles: Iterable[int],
) -> int:
    """Returns its number. The troubles leave other alerts of the person."""
    number = int(
        scalar(
            conn,
            _SQL.add_alert,
            person_id=person_id,
            kind=kind,
            trial_id=trial_id,
            device_id=device_id,
            site=site,
            since=since,
            at=at,
            resolved_at=resolved_at,
            detail=json.dumps(detail),
        )
    )
    join_alert(conn, person_id, number, troubles)
    return number


def join_alert(conn: Connection, person_id: int, alert_id: int, troubles: Iterable[int]) -> None:
    for trouble_id in troubles:
        run(conn, _SQL.put_trouble, person_id=person_id, trouble_id=trouble_id, alert_id=alert_id)


def resolve_alert(conn: Connection, alert_id: int, detail: dict[str, Any], at: datetime) -> None:
    run(conn, _SQL.resolve_alert, alert_id=alert_id, detail=json.dumps(detail), at=at)


def note_reminder(conn: Connection, alert_id: int, at: datetime) -> int:
    """Returns how many there were, with this one."""
    return int(scalar(conn, _SQL.note_reminder, alert_id=alert_id, at=at))


def acknowledge(conn: Connection, person_id: int, alert_id: int, at: datetime) -> bool:
    """False if the person has no such alert, or knew already."""
    return run(conn, _SQL.acknowledge, person_id=person_id, alert_id=alert_id, at=at) == 1


def count_alerts(conn: Connection, person_id: int, since: datetime) -> tuple[int, int]:
    """(opened, resolved) since then."""
    statement = {"person_id": person_id, "since": since}
    ((opened, resolved),) = conn.execute(_SQL.count_alerts.encode(), statement).fetchall()
    return int(opened), int(resolved)
