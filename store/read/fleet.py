"""Devices, limited to what a viewer may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from insitu.errors import NotFound
from insitu.model import TrialState
from store.access import Viewer, visible_trials
from store.database import Connection, rows
from store.queries import Queries
from store.rights import Act, Reach


class _SQL(Queries, file="read/fleet"):
    fleet: str
    contacts: str
    status_log: str


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A device and its present or last place."""

    device_id: int
    trial_id: int
    trial: str
    trial_title: dict[str, str]
    trial_state: TrialState
    time_zone: str
    device: str
    name: str
    model: str
    serial: str
    created_at: datetime
    retired_at: datetime | None
    company: str
    site: str | None
    site_name: str | None
    latitude: float | None
    longitude: float | None
    position: str | None
    deployed_at: datetime | None
    deployed_until: datetime | None


@dataclass(frozen=True, slots=True)
class Contact:
    device_id: int
    last_seen_at: datetime
    state_at: datetime | None


@dataclass(frozen=True, slots=True)
class StatusEntry:
    at: datetime
    state: str | None
    battery: float | None
    rssi: float | None
    snr: float | None
    firmware: str | None
    uptime: float | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rejects and ledger lines to read; None means everybody's. `devices` are pairs written
    `trial/device`.
    """

    trials: list[str] | None
    devices: list[str] | None


def list_devices(
    conn: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    trial: str | None = None,
    site: str | None = None,
    device: str | None = None,
    device_ids: Sequence[int] | None = None,
) -> list[FleetRow]:
    """The devices that this viewer may see, with their place at `now`, by trial and code."""
    return rows(
        conn,
        FleetRow,
        _SQL.fleet,
        **viewer.scope(),
        now=now,
        trial=trial,
        site=site,
        device=device,
        device_ids=None if device_ids is None else list(device_ids),
    )


def get_device(conn: Connection, viewer: Viewer, trial: str, device: str, *, now: datetime) -> FleetRow:
    """One visible device; raises NotFound if it does not exist or the viewer may not see it."""
    found = list_devices(conn, viewer, now=now, trial=trial, device=device)
    if not found:
        raise NotFound(f"There is no device {device!r} in trial {trial!r}, or you may not see it.")
    return found[0]


def load_scope(conn: Connection, viewer: Viewer, *, now: datetime, trial: str | None = None) -> Scope:
    """Whose rejects and ledger lines a viewer may read: by device at own sites, by trial, or all."""
    reach = viewer.reach(Act.SEE_HEALTH)
    if reach is Reach.SITES:
        own = list_devices(conn, viewer, now=now, trial=trial)
        return Scope(None, [f"{one.trial}/{one.device}" for one in own])
    if trial is not None:
        return Scope([one.code for one in visible_trials(conn, viewer) if one.code == trial], None)
    if reach is Reach.ANY:
        return Scope(None, None)
    return Scope([one.code for one in visible_trials(conn, viewer)], None)


def list_contacts(conn: Connection) -> dict[int, Contact]:
    """Contacts of all devices, without checking rights; only for detecting changes."""
    return {one.device_id: one for one in rows(conn, Contact, _SQL.contacts)}


def list_statuses(conn: Connection, device_id: int, most: int = 50) -> list[StatusEntry]:
    return rows(conn, StatusEntry, _SQL.status_log, device_id=device_id, most=most)
