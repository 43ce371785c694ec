"""Facts from which the condition of a device follows. Checks no rights: pass only ids of devices that the
reader may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from store.broker_events import SHOWN
from store.database import Connection, rows
from store.queries import Queries
from store.read.places import DeviceWindow, Placed, list_places, list_positions, list_windows
from store.read.streams import Stream, list_streams


class _SQL(Queries, file="read/condition"):
    contacts: str
    boots: str


_WINDOWS_BEFORE: Final = timedelta(days=3660)
WINDOWS_AHEAD: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class DeviceContact:
    """Last status of a device (`said`: online or offline), its `clock_offset` in s (positive: its clock is
    ahead), and the time zone of its trial.
    """

    device_id: int
    time_zone: str
    retired_at: datetime | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    said: str | None
    said_at: datetime | None
    battery: float | None
    rssi: float | None
    snr: float | None
    margin: float | None
    firmware: str | None
    clock_offset: float | None
    here_since: datetime | None = None
    """First word after its last silence; None if it had none."""
    denied: int = 0
    """Messages that the broker denied in the last day."""


@dataclass(frozen=True, slots=True)
class Boot:
    """First sign of life of a boot that a device's messages name."""

    at: datetime
    is_first: bool


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """All facts except results. `places` in order of time; `windows` of the past and of the next
    WINDOWS_AHEAD.
    """

    contact: DeviceContact
    streams: list[Stream]
    places: list[Placed]
    windows: list[DeviceWindow]


def load_facts(
    conn: Connection, device_ids: Sequence[int], *, now: datetime, host_id: int | None
) -> dict[int, StoredFacts]:
    """Facts by device; reads each table once for all devices. `host_id`: limit to that host's sites; None:
    all sites.
    """
    return _gathered(conn, device_ids, list_places(conn, device_ids, host_id), now, host_id)


def load_device_facts(
    conn: Connection, device_id: int, *, now: datetime, host_id: int | None
) -> tuple[StoredFacts, list[Placed]]:
    """Facts of one device, and all deployments at its positions, newest first, including its own."""
    positions = list_positions(conn, device_id, host_id)
    own = sorted((one for one in positions if one.device_id == device_id), key=lambda place: place.start)
    return _gathered(conn, [device_id], own, now, host_id)[device_id], positions


def _gathered(
    conn: Connection, device_ids: Sequence[int], places: Sequence[Placed], now: datetime, host_id: int | None
) -> dict[int, StoredFacts]:
    contacts = rows(conn, DeviceContact, _SQL.contacts, device_ids=list(device_ids), denied_within=SHOWN)
    gathered = {contact.device_id: StoredFacts(contact, [], [], []) for contact in contacts}
    for stream in list_streams(conn, device_ids):
        gathered[stream.device_id].streams.append(stream)
    for place in places:
        gathered[place.device_id].places.append(place)
    start, end = now - _WINDOWS_BEFORE, now + WINDOWS_AHEAD
    for window in list_windows(conn, device_ids, host_id, start, end):
        gathered[window.device_id].windows.append(window)
    return gathered


def list_boots(conn: Connection, device_id: int, start: datetime) -> list[Boot]:
    """Boots of a device since `start`, oldest first."""
    return rows(conn, Boot, _SQL.boots, device_id=device_id, start=start)
