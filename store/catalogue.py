"""Organisations, needs, sites, trials, devices, sensors, deployments, datastreams, windows. The caller owns
the transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from insitu.errors import CorrectInput, NotFound
from insitu.model import (
    AveragingScale,
    DatastreamRole,
    OrganisationKind,
    TrialState,
    WindowKind,
    require_code,
)
from insitu.wire import CHECK, HEARTBEAT, PROBE
from store.database import Connection, queries, row, rows, run, scalar

_SQL = queries("catalogue")


@dataclass(frozen=True, slots=True)
class Organisation:
    organisation_id: int
    code: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Trial:
    trial_id: int
    code: str
    title: dict[str, str]
    state: str
    time_zone: str
    ends_at: datetime | None
    created_at: datetime
    need: str | None
    host: str
    company: str
    evaluator: str | None
    host_id: int
    company_id: int
    evaluator_id: int | None


@dataclass(frozen=True, slots=True)
class TrialStep:
    from_state: str
    to_state: str
    at: datetime
    by_login: str
    note: str


@dataclass(frozen=True, slots=True)
class ObservedProperty:
    property_id: int
    code: str
    name: dict[str, str]
    unit: str
    averaging_scale: str


@dataclass(frozen=True, slots=True)
class Device:
    device_id: int
    trial_id: int
    trial: str
    code: str
    name: str
    model: str
    serial: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Site:
    site_id: int
    code: str
    name: str
    kind: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device stands since when."""

    site: str
    position: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """`[start, end)`; `end` None while it stands there."""

    device_id: int
    device: str
    site: str
    position: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class TrialDatastream:
    """`unit` is the property's (results are stored in it), `sent_unit` what the device sends."""

    datastream_id: int
    device_id: int
    device: str
    name: str
    property: str
    unit: str
    sent_unit: str
    role: str
    scale: float
    shift: float
    averaging_scale: str
    expected_interval_s: float | None
    sensor: str
    sensor_serial: str | None
    calibrated_at: datetime | None
    retired_at: datetime | None
    deployments: list[Deployment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NetworkServer:
    network_server_id: int
    code: str
    kind: str


@dataclass(frozen=True, slots=True)
class Address:
    """Whose device an address is, and which server speaks for it."""

    address: str
    network_server: str
    trial: str
    device: str


@dataclass(frozen=True, slots=True)
class DeclaredWindow:
    kind: str
    target_kind: str
    target: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class KnownDatastream:
    datastream_id: int
    scale: float
    shift: float
    result_type: str
    unit: str = ""
    """What the device sends where its message does not say."""
    accepts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Other units that a message may name → (scale, shift), which take the place of the datastream's."""
    interval_us: int | None = None
    interval_declared: bool = False
    """True where somebody has declared the interval: what the device says of it does not count."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    device_id: int
    trial: str
    device: str
    retired_us: int | None
    deployments: tuple[tuple[int, int | None], ...]
    """`[start, end)` in µs since 1970."""
    datastreams: dict[str, KnownDatastream]


@dataclass(frozen=True, slots=True)
class CatalogueSnapshot:
    """What ingest must know, as of one version."""

    version: int
    trials: frozenset[str]
    devices: dict[tuple[str, str], KnownDevice]
    addresses: dict[str, tuple[str, str]]
    """Address at a network server → (trial, device)."""


def _found(number: Any, what: str) -> int:
    if number is None:
        raise NotFound(what)
    return int(number)


def add_organisation(conn: Connection, *, code: str, name: str, kind: OrganisationKind, now: datetime) -> int:
    """AlreadyExists where the code is taken."""
    require_code(code, "organisation")
    return int(scalar(conn, _SQL["add_organisation"], code=code, name=name, kind=str(kind), now=now))


def organisation(conn: Connection, code: str) -> Organisation | None:
    return row(conn, Organisation, _SQL["organisation_by_code"], code=code)


def add_need(
    conn: Connection,
    *,
    code: str,
    host: str,
    title: dict[str, str],
    description: dict[str, str],
    now: datetime,
) -> int:
    require_code(code, "need")
    number = scalar(
        conn,
        _SQL["add_need"],
        code=code,
        host=host,
        title=json.dumps(title),
        description=json.dumps(description),
        now=now,
    )
    return _found(number, f"There is no host {host!r}.")


def add_site(
    conn: Connection,
    *,
    code: str,
    host: str,
    name: str,
    kind: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
) -> int:
    """A place of a host; degrees WGS84."""
    require_code(code, "site")
    number = scalar(
        conn,
        _SQL["add_site"],
        code=code,
        host=host,
        name=name,
        kind=kind,
        latitude=latitude,
        longitude=longitude,
    )
    return _found(number, f"There is no host {host!r}.")


def add_trial(
    conn: Connection,
    *,
    code: str,
    title: dict[str, str],
    host: str,
    company: str,
    now: datetime,
    evaluator: str | None = None,
    need: str | None = None,
    time_zone: str = "Europe/Paris",
    ends_at: datetime | None = None,
) -> int:
    require_code(code, "trial")
    if code in (HEARTBEAT, CHECK):
        raise CorrectInput(f"A trial cannot be called {code!r}: the service uses that name on the broker.")
    number = scalar(
        conn,
        _SQL["add_trial"],
        code=code,
        title=json.dumps(title),
        host=host,
        company=company,
        evaluator=evaluator,
        need=need,
        time_zone=time_zone,
        ends_at=ends_at,
        now=now,
    )
    return _found(number, f"There is no host {host!r} or no company {company!r}.")


def trials(conn: Connection) -> list[Trial]:
    """Every trial, whoever asks: pages use `store.access.visible_trials`."""
    return rows(conn, Trial, _SQL["trials"], code=None)


def trial(conn: Connection, code: str) -> Trial:
    """NotFound where there is none."""
    found = row(conn, Trial, _SQL["trials"], code=code)
    if found is None:
        raise NotFound(f"There is no trial {code!r}.")
    return found


def move_trial(
    conn: Connection, *, trial: str, to: TrialState, at: datetime, login: str, note: str = ""
) -> None:
    """The next step of a trial's life; CorrectInput where the life cycle has no such step."""
    now = globals()["trial"](conn, trial)
    if not TrialState(now.state).may_become(to):
        raise CorrectInput(f"{trial} is in state {now.state!r}, which {to.value!r} cannot follow.")
    step = {"trial_id": now.trial_id, "from": now.state, "to": str(to)}
    if run(conn, _SQL["set_trial_state"], **step) != 1:
        raise CorrectInput(f"{trial} was moved by somebody else at this moment: look again.")
    run(conn, _SQL["add_trial_step"], **step, at=at, login=login, note=note)


def trial_steps(conn: Connection, trial_id: int) -> list[TrialStep]:
    return rows(conn, TrialStep, _SQL["trial_steps"], trial_id=trial_id)


def add_property(
    conn: Connection,
    *,
    code: str,
    name: dict[str, str],
    unit: str,
    averaging_scale: AveragingScale = AveragingScale.ARITHMETIC,
) -> int:
    require_code(code, "property")
    return int(
        scalar(
            conn,
            _SQL["add_property"],
            code=code,
            name=json.dumps(name),
            unit=unit,
            averaging_scale=str(averaging_scale),
        )
    )


def properties(conn: Connection) -> list[ObservedProperty]:
    return rows(conn, ObservedProperty, _SQL["properties"])


def add_device(
    conn: Connection,
    *,
    trial: str,
    code: str,
    now: datetime,
    name: str = "",
    model: str = "",
    serial: str = "",
) -> int:
    require_code(code, "device")
    if code == PROBE:
        raise CorrectInput(
            f"A device cannot be called {code!r}: the service uses that name to prove that messages arrive."
        )
    number = scalar(
        conn, _SQL["add_device"], trial=trial, code=code, name=name, model=model, serial=serial, now=now
    )
    return _found(number, f"There is no trial {trial!r}.")


def find_device(conn: Connection, trial: str, device: str) -> Device:
    found = row(conn, Device, _SQL["find_device"], trial=trial, device=device)
    if found is None:
        raise NotFound(f"{trial!r} has no device {device!r}.")
    return found


def retire_device(conn: Connection, *, device_id: int, at: datetime) -> None:
    """From `at` on its messages are refused. Idempotent: the first time stands."""
    run(conn, _SQL["retire_device"], device_id=device_id, at=at)


def add_sensor(
    conn: Connection,
    *,
    device_id: int,
    make: str,
    model: str,
    serial: str = "",
    calibrated_at: datetime | None = None,
    calibration: str = "",
) -> int:
    return int(
        scalar(
            conn,
            _SQL["add_sensor"],
            device_id=device_id,
            make=make,
            model=model,
            serial=serial,
            calibrated_at=calibrated_at,
            calibration=calibration,
        )
    )


def deploy(
    conn: Connection,
    *,
    device_id: int,
    site: str,
    position: str,
    start: datetime,
    end: datetime | None = None,
) -> int:
    """`[start, end)`; CorrectInput where the device stands elsewhere then."""
    number = scalar(
        conn, _SQL["deploy"], device_id=device_id, site=site, position=position, start=start, end=end
    )
    return _found(number, f"There is no site {site!r}.")


def end_deployment(conn: Connection, *, device_id: int, at: datetime) -> None:
    if run(conn, _SQL["end_deployment"], device_id=device_id, at=at) == 0:
        raise CorrectInput("That device has no open deployment that began before then.")


def swap_device(conn: Connection, *, old_device_id: int, new_device_id: int, at: datetime) -> None:
    """The new device takes the old one's position at `at`: the series at that position goes on."""
    place = row(conn, Place, _SQL["open_deployment"], device_id=old_device_id)
    if place is None:
        raise CorrectInput("The device to be replaced stands nowhere at the moment.")
    end_deployment(conn, device_id=old_device_id, at=at)
    deploy(conn, device_id=new_device_id, site=place.site, position=place.position, start=at)


def add_datastream(
    conn: Connection,
    *,
    device_id: int,
    name: str,
    property: str,
    unit: str,
    role: DatastreamRole,
    scale: float = 1.0,
    shift: float = 0.0,
    expected_interval: timedelta | None = None,
    sensor_id: int | None = None,
    result_type: str = "number",
) -> int:
    """What the device sends as `name`; stored result = sent · scale + shift, in the property's unit."""
    number = scalar(
        conn,
        _SQL["add_datastream"],
        device_id=device_id,
        sensor_id=sensor_id,
        property=property,
        name=name,
        unit=unit,
        scale=scale,
        shift=shift,
        role=str(role),
        result_type=result_type,
        expected_interval=expected_interval,
    )
    return _found(number, f"There is no observed property {property!r}.")


def add_window(
    conn: Connection,
    *,
    kind: WindowKind,
    start: datetime,
    end: datetime,
    reason: str,
    declared_by: str,
    now: datetime,
    trial: str | None = None,
    site: str | None = None,
    device_id: int | None = None,
) -> int:
    """For exactly one of trial, site and device; may lie in the past, and `declared_at` shows it."""
    return int(
        scalar(
            conn,
            _SQL["add_window"],
            kind=str(kind),
            trial=trial,
            site=site,
            device_id=device_id,
            start=start,
            end=end,
            reason=reason,
            declared_by=declared_by,
            declared_at=now,
        )
    )


def windows_of_trial(conn: Connection, trial: str) -> list[DeclaredWindow]:
    return rows(conn, DeclaredWindow, _SQL["windows_of_trial"], trial=trial)


def sites_of_trial(conn: Connection, trial: str) -> list[Site]:
    return rows(conn, Site, _SQL["sites_of_trial"], trial=trial)


def deployments_of_trial(conn: Connection, trial: str) -> list[Deployment]:
    """In order of their start."""
    return rows(conn, Deployment, _SQL["deployments_of_trial"], trial=trial)


def datastreams_of_trial(conn: Connection, trial: str) -> list[TrialDatastream]:
    """With the deployments of their devices."""
    streams = rows(conn, TrialDatastream, _SQL["datastreams_of_trial"], trial=trial)
    places = deployments_of_trial(conn, trial)
    for stream in streams:
        stream.deployments.extend(place for place in places if place.device_id == stream.device_id)
    return streams


def add_network_server(conn: Connection, *, code: str, kind: str, now: datetime) -> int:
    """One that speaks for many devices; `kind` is the first part of its addresses."""
    require_code(code, "network server")
    return int(scalar(conn, _SQL["add_network_server"], code=code, kind=kind, now=now))


def add_address(conn: Connection, *, network_server: str, address: str, device_id: int) -> None:
    """The device is `address` at the network server. AlreadyExists where it is spoken for, NotFound without
    such a server.
    """
    if (
        run(conn, _SQL["add_address"], network_server=network_server, address=address, device_id=device_id)
        != 1
    ):
        raise NotFound(f"There is no network server {network_server!r} for {address!r}.")


def network_server(conn: Connection, code: str) -> NetworkServer:
    found = row(conn, NetworkServer, _SQL["network_server"], code=code)
    if found is None:
        raise NotFound(
            f"There is no network server {code!r}: enter it as [[network_server]] with `insitu register`."
        )
    return found


def addresses_of(conn: Connection, network_server: str) -> list[Address]:
    return rows(conn, Address, _SQL["addresses"], network_server=network_server, address=None)


def address_of(conn: Connection, address: str) -> Address | None:
    return row(conn, Address, _SQL["addresses"], network_server=None, address=address)


def catalogue_version(conn: Connection) -> int:
    return int(scalar(conn, _SQL["version"]))


def _us(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1_000_000)


def snapshot(conn: Connection) -> CatalogueSnapshot:
    """What ingest must know. Read the version first: a change in between only makes the next look refresh
    again.
    """
    version = catalogue_version(conn)
    places: dict[int, list[tuple[int, int | None]]] = {}
    for device_id, start, end in conn.execute(_SQL["snapshot_deployments"].encode()):
        places.setdefault(device_id, []).append((_us(start) or 0, _us(end)))
    streams: dict[int, dict[str, KnownDatastream]] = {}
    conversions: dict[str, list[tuple[str, float, float]]] = {}
    for unit, sent, scale, shift in conn.execute(_SQL["snapshot_conversions"].encode()):
        conversions.setdefault(unit, []).append((sent, scale, shift))
    shared: dict[tuple[str, float, float], dict[str, tuple[float, float]]] = {}
    for (
        datastream_id,
        device_id,
        name,
        unit,
        scale,
        shift,
        result_type,
        interval_us,
        declared,
    ) in conn.execute(_SQL["snapshot_datastreams"].encode()):
        accepts = shared.get((unit, scale, shift))
        if accepts is None:
            found = {sent: (scale * by, scale * plus + shift) for sent, by, plus in conversions.get(unit, ())}
            accepts = shared[unit, scale, shift] = found
        streams.setdefault(device_id, {})[name] = KnownDatastream(
            datastream_id, scale, shift, result_type, unit, accepts, interval_us, declared
        )
    devices = {
        (trial_code, device): KnownDevice(
            device_id,
            trial_code,
            device,
            _us(retired_at),
            tuple(places.get(device_id, ())),
            streams.get(device_id, {}),
        )
        for device_id, trial_code, device, retired_at in conn.execute(_SQL["snapshot_devices"].encode())
    }
    known = frozenset(code for (code,) in conn.execute(_SQL["snapshot_trials"].encode()))
    addresses = {
        address: (trial_code, device)
        for address, trial_code, device in conn.execute(_SQL["snapshot_addresses"].encode())
    }
    return CatalogueSnapshot(version, known, devices, addresses)
