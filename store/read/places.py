"""Deployments and declared windows of devices. `host_id`: limit to that host's sites; None: all sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from insitu.model import WindowKind
from store.catalogue.deployments import Deployment
from store.database import Connection, rows
from store.queries import Queries


class _SQL(Queries, file="read/places"):
    places: str
    position_history: str
    windows: str


@dataclass(frozen=True, slots=True)
class Placed(Deployment):
    site_name: str = ""


@dataclass(frozen=True, slots=True)
class DeviceWindow:
    device_id: int
    window_id: int
    kind: WindowKind
    site: str | None
    """None: declared for the device or its trial."""
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime


def list_places(conn: Connection, device_ids: Sequence[int], host_id: int | None) -> list[Placed]:
    """Ordered by device and time."""
    return rows(conn, Placed, _SQL.places, host_id=host_id, device_ids=list(device_ids))


def list_positions(conn: Connection, device_id: int, host_id: int | None) -> list[Placed]:
    """All deployments at the device's positions, newest first."""
    return rows(conn, Placed, _SQL.position_history, host_id=host_id, device_id=device_id)


def list_windows(
    conn: Connection, device_ids: Sequence[int], host_id: int | None, start: datetime, end: datetime
) -> list[DeviceWindow]:
    """Windows that overlap `[start, end)`, by device and time."""
    return rows(
        conn, DeviceWindow, _SQL.windows, host_id=host_id, device_ids=list(device_ids), start=start, end=end
    )
