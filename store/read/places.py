"""Where devices stood, and declared windows, as a viewer may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.access import Viewer
from store.catalogue.deployments import Deployment
from store.database import Connection, rows
from store.queries import Queries
from store.read.fleet import _who


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
    kind: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime


def list_places(conn: Connection, viewer: Viewer, device_ids: Sequence[int]) -> list[Placed]:
    return rows(conn, Placed, _SQL.places, **_who(viewer), device_ids=list(device_ids))


def list_positions(conn: Connection, viewer: Viewer, device_id: int) -> list[Placed]:
    """Newest first: who stood where this device stands or stood."""
    return rows(conn, Placed, _SQL.position_history, **_who(viewer), device_id=device_id)


def list_windows(
    conn: Connection, viewer: Viewer, device_ids: Sequence[int], start: datetime, end: datetime
) -> list[DeviceWindow]:
    return rows(
        conn, DeviceWindow, _SQL.windows, **_who(viewer), device_ids=list(device_ids), start=start, end=end
    )
