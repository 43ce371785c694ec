"""Troubles of devices and of the installation, and its outages. The caller owns the transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.database import Connection, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="troubles"):
    one_worker: str
    all_devices: str
    open_troubles: str
    add_trouble: str
    save_trouble: str
    drop_trouble: str
    list_outages: str
    all_windows: str
    refusals: str


@dataclass(frozen=True, slots=True)
class WatchedDevice:
    device_id: int
    trial_id: int
    trial: str
    device: str


@dataclass(frozen=True, slots=True)
class StoredTrouble:
    """`opened_at` is None while it has not held long enough. `trouble_id` is 0 before it is stored."""

    trouble_id: int
    kind: str
    trial_id: int | None
    device_id: int | None
    since: datetime
    opened_at: datetime | None
    clear_since: datetime | None
    resolved_at: datetime | None
    is_quiet: bool
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OutageSpan:
    """When messages were not taken in, by the wall clock."""

    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class WindowSpan:
    device_id: int
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Refusals:
    trial_id: int
    device_id: int
    received: int
    refused: int


def is_only_watcher(conn: Connection) -> bool:
    """False if another process looks for troubles; its turn lasts until its transaction ends."""
    return bool(scalar(conn, _SQL.one_worker))


def list_watched(conn: Connection, now: datetime) -> list[WatchedDevice]:
    """Every device that is not retired."""
    return rows(conn, WatchedDevice, _SQL.all_devices, now=now)


def list_troubles(conn: Connection, *, resolved_since: datetime) -> list[StoredTrouble]:
    """Troubles that wait or are open, and those that were resolved since then."""
    return rows(conn, StoredTrouble, _SQL.open_troubles, since=resolved_since)


def add_trouble(conn: Connection, trouble: StoredTrouble) -> int:
    return int(
        scalar(
            conn,
            _SQL.add_trouble,
            kind=trouble.kind,
            trial_id=trouble.trial_id,
            device_id=trouble.device_id,
            since=trouble.since,
            opened_at=trouble.opened_at,
            clear_since=trouble.clear_since,
            resolved_at=trouble.resolved_at,
            is_quiet=trouble.is_quiet,
            detail=json.dumps(trouble.detail),
        )
    )


def save_trouble(conn: Connection, trouble: StoredTrouble) -> None:
    run(
        conn,
        _SQL.save_trouble,
        trouble_id=trouble.trouble_id,
        opened_at=trouble.opened_at,
        clear_since=trouble.clear_since,
        resolved_at=trouble.resolved_at,
        detail=json.dumps(trouble.detail),
    )


def drop_trouble(conn: Connection, trouble_id: int) -> None:
    """Forget one that never opened."""
    run(conn, _SQL.drop_trouble, trouble_id=trouble_id)


def list_outages(conn: Connection, since: datetime) -> list[OutageSpan]:
    """Those that ended since then, oldest first."""
    return rows(conn, OutageSpan, _SQL.list_outages, since=since)


def list_all_windows(conn: Connection, since: datetime, now: datetime) -> Sequence[WindowSpan]:
    """Declared windows of every device that touch `[since, now)`; of a site only while the device is
    there.
    """
    return rows(conn, WindowSpan, _SQL.all_windows, since=since, now=now)


def list_refusals(conn: Connection, since: datetime) -> list[Refusals]:
    """Devices with refused messages in the hours that begin after `since`."""
    return rows(conn, Refusals, _SQL.refusals, since=since)
